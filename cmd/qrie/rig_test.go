package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/sim"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
	storelocal "github.com/qrie-sec/qrie/store/local"
	"github.com/qrie-sec/qrie/stream"
	streamlocal "github.com/qrie-sec/qrie/stream/local"
)

// rig is the whole pipeline over a simulated organisation, without the API.
type rig struct {
	tb       testing.TB
	db       *sqlite.DB
	store    *storelocal.Store
	stream   *streamlocal.Stream
	world    *sim.World
	worker   *processor.Worker
	registry *prometheus.Registry
}

// newRig opens the pipeline in dir with every policy launched.
func newRig(tb testing.TB, dir string, w *sim.World, tune func(*processor.Options)) *rig {
	tb.Helper()
	ctx := tb.Context()
	r := &rig{tb: tb, world: w, registry: prometheus.NewRegistry()}
	var err error
	if r.db, err = sqlite.Open(ctx, filepath.Join(dir, "qrie.db")); err != nil {
		tb.Fatal(err)
	}
	if r.store, err = storelocal.Open(ctx, r.db, storelocal.Options{Secret: []byte("a secret for tests, 32 bytes long")}); err != nil {
		tb.Fatal(err)
	}
	owner := ownerID()
	if r.stream, err = streamlocal.Open(ctx, r.db, streamlocal.Options{Owner: owner}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for _, c := range []interface{ Close() error }{r.stream, r.store, r.db} {
			if err := c.Close(); err != nil {
				tb.Errorf("close: %v", err)
			}
		}
	})
	catalogue, err := policies.Catalogue()
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := register(ctx, r.store, w.Accounts()); err != nil {
		tb.Fatal(err)
	}
	if err := launchAll(ctx, r.store, catalogue); err != nil {
		tb.Fatal(err)
	}
	o := processor.Options{
		Starter: processor.Starter{Stream: r.stream, Store: r.store, Policies: catalogue, NewID: func() string { return randomID(8) }, Now: time.Now},
		Reader:  w, Owner: owner, Registerer: r.registry,
		Floor: 20 * time.Millisecond, ConfirmGone: 20 * time.Millisecond, ListFloor: 500 * time.Millisecond,
		// Of an age that is told by whole seconds.
		Rereads: []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second},
	}
	if tune != nil {
		tune(&o)
	}
	if r.worker, err = processor.New(o); err != nil {
		tb.Fatal(err)
	}
	return r
}

// run works until stop is called, which waits for the end.
func (r *rig) run() (stop func()) {
	ctx, cancel := context.WithCancel(r.tb.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.worker.Run(ctx); err != nil {
			r.tb.Errorf("worker: %v", err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// publish writes deliveries to the stream, in order, whatever their times.
func (r *rig) publish(list []sim.Delivery) {
	r.tb.Helper()
	for len(list) > 0 {
		part := list[:min(500, len(list))]
		list = list[len(part):]
		records := make([]stream.Record, len(part))
		for i, d := range part {
			records[i] = stream.Record{Key: d.Account, Data: d.Data}
		}
		if err := r.stream.Publish(r.tb.Context(), records); err != nil {
			r.tb.Fatal(err)
		}
	}
}

// quiet waits until every record is done and no mark waits any more.
func (r *rig) quiet(within time.Duration) {
	r.tb.Helper()
	deadline := time.Now().Add(within)
	calm := 0
	for calm < 3 {
		if time.Now().After(deadline) {
			shards, _ := r.stream.Shards(r.tb.Context())
			n, _, _ := r.store.CountDirty(r.tb.Context())
			r.tb.Fatalf("the pipeline is not quiet after %s: %d marks wait, shards %+v", within, n, shards)
		}
		time.Sleep(50 * time.Millisecond)
		shards, err := r.stream.Shards(r.tb.Context())
		if err != nil {
			r.tb.Fatal(err)
		}
		var behind int64
		for _, s := range shards {
			behind += s.Behind
		}
		waiting, _, err := r.store.CountDirty(r.tb.Context())
		if err != nil {
			r.tb.Fatal(err)
		}
		if behind == 0 && waiting == 0 {
			calm++
		} else {
			calm = 0
		}
	}
}

// scan runs a whole inventory and waits for it.
func (r *rig) scan(within time.Duration) {
	r.tb.Helper()
	job, err := r.worker.Inventory(r.tb.Context(), "test", processor.Extent{})
	if err != nil {
		r.tb.Fatal(err)
	}
	r.await(job.ID, within)
	r.quiet(within)
}

func (r *rig) await(job string, within time.Duration) store.Job {
	r.tb.Helper()
	deadline := time.Now().Add(within)
	for {
		j, err := r.store.Job(r.tb.Context(), job)
		if err != nil {
			r.tb.Fatal(err)
		}
		if j.State != store.JobRunning {
			return j
		}
		if time.Now().After(deadline) {
			r.tb.Fatalf("job %s is not done after %s: %+v", job, within, j)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// findings gives the active findings as "key policy".
func (r *rig) findings() map[string]bool {
	r.tb.Helper()
	out := map[string]bool{}
	page := store.PageRequest{Size: store.MaxPage}
	for {
		got, err := r.store.ListFindings(r.tb.Context(), store.FindingQuery{States: []qrie.State{qrie.Active}}, page)
		if err != nil {
			r.tb.Fatal(err)
		}
		for _, f := range got.Items {
			out[f.Ref.Key()+" "+f.Policy] = true
		}
		if page.Token = got.Next; page.Token == "" {
			return out
		}
	}
}

// expected gives what the oracle says, in the same form.
func (r *rig) expected() map[string]bool {
	out := map[string]bool{}
	for _, e := range r.world.Expect() {
		out[e.Ref.Key()+" "+e.Policy] = true
	}
	return out
}

// compare fails the test for each finding that is missing or should not be.
func (r *rig) compare(when string) {
	r.tb.Helper()
	got, want := r.findings(), r.expected()
	bad := 0
	for k := range want {
		if !got[k] && bad < 20 {
			bad++
			r.tb.Errorf("%s: missing finding %s", when, k)
		}
	}
	for k := range got {
		if !want[k] && bad < 20 {
			bad++
			r.tb.Errorf("%s: finding that should not be %s", when, k)
		}
	}
	drift, err := r.store.Recount(r.tb.Context())
	if err != nil {
		r.tb.Fatal(err)
	}
	for _, d := range drift {
		r.tb.Errorf("%s: counter %s had %d, is %d", when, d.Dimension, d.Had, d.Is)
	}
	if len(want) == 0 {
		r.tb.Errorf("%s: the oracle expects nothing, which proves nothing", when)
	}
}
