package main

import (
	"encoding/binary"
	"maps"
	"slices"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"syscall"
	"github.com/qrie-sec/qrie/sqlite"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/sim"
)

// BenchmarkPipeline measures events a second, sustained, from publish to
// checkpoint: decode, describe from the simulated organisation, write, evaluate
// thirteen policies, transitions, all durable, with the worker's default
// settings. One operation is one event; the organisation makes about three for
// each resource that it changes, and changes no faster than qrie follows. The
// cost of simulating it is in the figure.
func BenchmarkPipeline(b *testing.B) {
	r, stop := inventoried(b)
	defer stop()
	refreshed := r.counter("qrie_marks_total", "refreshed")
	b.ResetTimer()
	T0 := sqlite.T
	f0 := sqlite.Frames
	tt := r.total("qrie_finding_transitions_total")
	mk := map[string]float64{}
	for _, o := range []string{"refreshed","unchanged","stale","parked","held","already_seen","coalesced","deleted"} { mk[o] = r.counter("qrie_marks_total", o) }
	ps := r.total("qrie_evaluations_total")
	c0 := cpuTime()
	r.load(b.N / 2)
	b.StopTimer()
	half := heapMiB()
	b.StartTimer()
	r.load(b.N - b.N/2)
	r.caughtUp(10 * time.Minute)
	b.StopTimer()
	refreshed = r.counter("qrie_marks_total", "refreshed") - refreshed
	for o := range mk { fmt.Println(o, r.counter("qrie_marks_total", o)-mk[o]) }
	fmt.Println("transitions", r.total("qrie_finding_transitions_total")-tt, "evaluations", r.total("qrie_evaluations_total")-ps)
	walPages(r.db)
	fmt.Println("frames", sqlite.Frames-f0)
	fmt.Printf("%+v\n%+v\ncpu %v of %v\n", T0, sqlite.T, cpuTime()-c0, b.Elapsed())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/max(refreshed, 1), "events/refresh")
	b.ReportMetric(half, "heap-MiB-at-half")
	b.ReportMetric(heapMiB(), "heap-MiB-at-end")
	b.ReportMetric(0, "ns/op")
}

// load lets four publishers change the organisation and publish n events of
// it, as EventBridge delivers from many accounts at once. They wait while too
// many are on their way. It returns once every event has become marks.
func (r *rig) load(n int) {
	const batch, underway = 300, 20_000
	var left, published atomic.Int64
	left.Store(int64(n))
	taken := func() int64 { return int64(r.total("qrie_events_total")) }
	before := taken()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for left.Add(-batch) > -batch {
				list := r.world.Load(batch)
				r.publish(list)
				published.Add(int64(len(list)))
				for published.Load()-(taken()-before) > underway {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	for taken()-before < published.Load() {
		time.Sleep(5 * time.Millisecond)
	}
}

// caughtUp waits until everything is done that is in the stream now: events,
// their marks, and the second looks that are due by now. Second looks go on
// for some minutes after the last event and are no part of it.
func (r *rig) caughtUp(within time.Duration) {
	r.tb.Helper()
	deadline := time.Now().Add(within)
	target := map[string]int64{}
	for first := true; ; first = false {
		shards, err := r.stream.Shards(r.tb.Context())
		if err != nil {
			r.tb.Fatal(err)
		}
		behind := 0
		for _, s := range shards {
			done, _ := strconv.ParseInt(s.Checkpoint, 10, 64) // empty before the first
			if first {
				target[s.ID] = done + s.Behind
			}
			if done < target[s.ID] {
				behind++
			}
		}
		if behind == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.tb.Fatalf("not caught up after %s: %+v", within, shards)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heapMiB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkLatency measures from publish to the committed transition while
// events arrive at a steady pace.
func BenchmarkLatency(b *testing.B) {
	for _, rate := range []int{500, 1500, 2500} {
		b.Run(fmt.Sprintf("%d events a second", rate), func(b *testing.B) {
			r, stop := inventoried(b)
			defer stop()
			const tick = 20 * time.Millisecond
			b.ResetTimer()
			ticker := time.NewTicker(tick)
			defer ticker.Stop()
			for sent := 0; sent < b.N; {
				list := r.world.Load(rate / int(time.Second/tick))
				r.publish(list)
				sent += len(list)
				<-ticker.C
			}
			r.settled(time.Minute)
			b.StopTimer()
			b.ReportMetric(r.quantile("qrie_event_to_finding_seconds", .5)*1000, "p50-ms")
			b.ReportMetric(r.quantile("qrie_event_to_finding_seconds", .99)*1000, "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkScale measures what an event costs in small and large organisations:
// ns/op is of one event. The last size takes a quarter of an hour to be known
// and runs with QRIE_BENCH_LARGE=1 alone.
func BenchmarkScale(b *testing.B) {
	for _, size := range []struct{ accounts, resources int }{{10, 10_000}, {1000, 10_000}, {50, 10_000}, {50, 100_000}, {50, 1_000_000}} {
		b.Run(fmt.Sprintf("%d accounts, %d resources", size.accounts, size.resources), func(b *testing.B) {
			if size.resources > 100_000 && os.Getenv("QRIE_BENCH_LARGE") == "" {
				b.Skip("takes a quarter of an hour: QRIE_BENCH_LARGE=1")
			}
			r, stop := known(b, size.accounts, size.resources)
			defer stop()
			b.ResetTimer()
			r.load(b.N)
			r.caughtUp(10 * time.Minute)
			b.StopTimer()
			b.ReportMetric(heapMiB(), "heap-MiB")
		})
	}
}

// inventoried runs the pipeline over 20,000 resources that are all known.
func inventoried(b *testing.B) (r *rig, stop func()) {
	b.Helper()
	return known(b, 50, 20_000)
}

// known runs the pipeline over an organisation that is all known.
func known(b *testing.B, accounts, resources int) (r *rig, stop func()) {
	b.Helper()
	r = newRig(b, b.TempDir(), sim.New(sim.Options{Seed: 1, Accounts: accounts, Resources: resources}), defaults)
	stop = r.run()
	job, err := r.worker.Inventory(b.Context(), "benchmark", processor.Extent{})
	if err != nil {
		b.Fatal(err)
	}
	r.await(job.ID, 30*time.Minute)
	r.settled(5 * time.Minute)
	return r, stop
}

// settled waits until every record is done.
func (r *rig) settled(within time.Duration) {
	r.tb.Helper()
	deadline := time.Now().Add(within)
	for {
		shards, err := r.stream.Shards(r.tb.Context())
		if err != nil {
			r.tb.Fatal(err)
		}
		var behind int64
		for _, s := range shards {
			behind += s.Behind
		}
		if behind == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.tb.Fatalf("not settled after %s: %+v", within, shards)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// family gathers one metric.
func (r *rig) family(name string) []*dto.Metric {
	r.tb.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()
		}
	}
	return nil
}

// counter adds up a counter over all series that have a label of that value.
func (r *rig) counter(name, value string) (sum float64) {
	for _, m := range r.family(name) {
		for _, l := range m.GetLabel() {
			if l.GetValue() == value {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// total adds up a counter over all series.
func (r *rig) total(name string) (sum float64) {
	for _, m := range r.family(name) {
		sum += m.GetCounter().GetValue()
	}
	return sum
}

// quantile is the upper bound of the histogram bucket that q falls into.
func (r *rig) quantile(name string, q float64) float64 {
	for _, m := range r.family(name) {
		h := m.GetHistogram()
		for _, bucket := range h.GetBucket() {
			if float64(bucket.GetCumulativeCount()) >= q*float64(h.GetSampleCount()) {
				return bucket.GetUpperBound()
			}
		}
	}
	return -1
}

// defaults takes the hurry of tests back: what is measured is what users run.
func defaults(o *processor.Options) { o.Floor, o.ConfirmGone, o.Rereads = 0, 0, nil }

func walPages(db *sqlite.DB) {
	var path string
	var seq int
	var name string
	if err := db.Reader().QueryRow("PRAGMA database_list").Scan(&seq, &name, &path); err != nil {
		fmt.Println(err)
		return
	}
	b, _ := os.ReadFile(path + "-wal")
	salt := string(b[16:24])
	pages := map[int]int{}
	n, total, commits := 0, 0, 0
	for at := 32; at+24+4096 <= len(b); at += 24 + 4096 {
		if string(b[at+8:at+16]) != salt {
			break
		}
		pages[int(binary.BigEndian.Uint32(b[at:]))]++
		if binary.BigEndian.Uint32(b[at+4:]) != 0 {
			commits++
		}
		n++
	}
	for _, q := range []string{"SELECT count(*), avg(length(body)), avg(additions) FROM qrie_dirty", "SELECT count(*), avg(length(detail)), avg(length(heads)) FROM qrie_resources", "SELECT count(*), avg(length(cause)), avg(length(document)) FROM qrie_versions", "SELECT count(*), avg(length(body)), avg(length(evidence)) FROM qrie_transitions", "SELECT count(*), avg(length(body)), avg(length(evidence)) FROM qrie_findings", "SELECT count(*), avg(length(data)), 0 FROM stream_records"} {
		var n, a, bb any
		db.Reader().QueryRow(q).Scan(&n, &a, &bb)
		fmt.Println(q, n, a, bb)
	}
	os.MkdirAll("/tmp/bodies", 0o755)
	if rows, err := db.Reader().Query("SELECT n, detail FROM qrie_resources WHERE length(detail) > 700 LIMIT 400"); err == nil {
		for rows.Next() {
			var n int
			var b []byte
			rows.Scan(&n, &b)
			os.WriteFile(fmt.Sprint("/tmp/bodies/", n), b, 0o600)
		}
		rows.Close()
	}
	for i, q := range []string{"SELECT body FROM qrie_dirty ORDER BY random() LIMIT 1", "SELECT body FROM qrie_transitions ORDER BY seq DESC LIMIT 1", "SELECT body FROM qrie_findings ORDER BY n DESC LIMIT 1", "SELECT data FROM stream_records ORDER BY id DESC LIMIT 1", "SELECT heads FROM qrie_resources LIMIT 1","SELECT data FROM stream_records WHERE data LIKE '{\"v%' LIMIT 1", "SELECT evidence FROM qrie_transitions WHERE evidence IS NOT NULL LIMIT 1", "SELECT cause FROM qrie_versions ORDER BY n DESC LIMIT 1"} {
		var b []byte
		fmt.Println(db.Reader().QueryRow(q).Scan(&b))
		os.WriteFile(fmt.Sprint("/tmp/sample", i), b, 0o600)
	}
	var bd []byte
	db.Reader().QueryRow("SELECT body FROM qrie_dirty WHERE additions=0 LIMIT 1").Scan(&bd)
	os.WriteFile("/tmp/dirty.bin", bd, 0o600)
	rows, err := db.Reader().Query("SELECT name, pageno, pagetype FROM dbstat")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rows.Close()
	by := map[string][2]int{}
	for rows.Next() {
		var name, kind string
		var no int
		rows.Scan(&name, &no, &kind)
		if c := pages[no]; c > 0 {
			x := by[name+" "+kind]
			by[name+" "+kind] = [2]int{x[0] + c, x[1] + 1}
			total += c
		}
	}
	fmt.Println("WAL frames", n, "commits", commits, "known", total)
	for _, k := range slices.SortedFunc(maps.Keys(by), func(a, b string) int { return by[b][0] - by[a][0] }) {
		fmt.Println(k, by[k])
	}
}
