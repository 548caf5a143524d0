package main

import (
	"sync"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/sim"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// Two shards have lost records of the same time: one scan of everything heals
// both, and what was lost before a scan began needs no other.
func TestGapStartsOneScan(t *testing.T) {
	w := sim.New(sim.Options{Seed: 1, Accounts: 3, Resources: 60})
	r := newRig(t, t.TempDir(), w, nil)
	stop := r.run()
	defer stop()
	scans := func() (n int) {
		jobs, err := r.store.ListJobs(t.Context(), "inventory", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if j.Reason == "gap" {
				n++
			}
		}
		return n
	}
	gap := func(shard string, to time.Time) {
		s := stream.NewSession(t.Context(), shard, 1, time.Now, time.Now().Add(time.Minute))
		r.worker.Begin(s)
		r.worker.Gap(s, to.Add(-time.Hour), to)
		r.worker.End(s, stream.Released)
	}
	lost := time.Now().Add(-time.Minute)
	var both sync.WaitGroup
	both.Go(func() { gap("a", lost) })
	both.Go(func() { gap("b", lost.Add(time.Second)) })
	both.Wait()
	if n := scans(); n != 1 {
		t.Fatalf("%d scans for one gap, want 1", n)
	}
	jobs, err := r.store.ListJobs(t.Context(), "inventory", 1)
	if err != nil {
		t.Fatal(err)
	}
	if j := r.await(jobs[0].ID, time.Minute); j.State != store.JobDone || j.Items == 0 || j.Done != j.Pages {
		t.Errorf("the scan ended as %+v", j)
	}
	gap("c", lost.Add(2*time.Second))
	if n := scans(); n != 1 {
		t.Errorf("%d scans, though one began after the records were lost", n)
	}
	r.quiet(time.Minute)
	r.compare("after the scan")
}
