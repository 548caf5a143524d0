package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
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
// more resources there are, the fewer of their changes share a describe. The
// cost of simulating it is in the figure.
func BenchmarkPipeline(b *testing.B) {
	for _, resources := range []int{20_000, 42_000, 50_000} {
		b.Run(fmt.Sprintf("%d resources", resources), func(b *testing.B) {
			r, stop := known(b, 50, resources, 0)
			defer stop()
			before := r.amount()
			b.ResetTimer()
			r.load(b.N / 2)
			half := heapMiB()
			r.load(b.N - b.N/2)
			r.caughtUp(10 * time.Minute)
			b.StopTimer()
			a := r.amount()
			described := max(a.described-before.described, 1)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric((a.cpu-before.cpu).Seconds()/float64(b.N)*1e6, "cpu-µs/event")
			b.ReportMetric(float64(b.N)/described, "events/describe")
			b.ReportMetric((a.changed-before.changed)/described, "changes/describe")
			b.ReportMetric((a.transitions-before.transitions)/described, "transitions/describe")
			b.ReportMetric(half, "heap-MiB-at-half")
			b.ReportMetric(heapMiB(), "heap-MiB-at-end")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// amount is the work done so far.
type amount struct {
	described, changed, transitions float64
	cpu                             time.Duration // of the process
}

func (r *rig) amount() amount {
	r.tb.Helper()
	a := amount{described: r.total("qrie_describes_total"), changed: r.total("qrie_marks_total", "refreshed"),
		transitions: r.total("qrie_finding_transitions_total")}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		r.tb.Fatal(err)
	}
	a.cpu = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	return a
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
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	for taken()-before < published.Load() {
		time.Sleep(20 * time.Millisecond)
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

func heapMiB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkLatency measures from publish to the committed transition while
// events arrive at a steady pace.
func BenchmarkLatency(b *testing.B) {
	for _, rate := range []int{500, 2500, 5000} {
		b.Run(fmt.Sprintf("%d events a second", rate), func(b *testing.B) {
			r, stop := known(b, 50, 20_000, 0)
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
// ns/op is of one event. The same number of resources is busy in each of them,
// so that each change waits as often for the one before it. The last size takes a
// quarter of an hour to be known and runs with QRIE_BENCH_LARGE=1 alone.
func BenchmarkScale(b *testing.B) {
	for _, size := range []struct{ accounts, resources int }{{10, 10_000}, {1000, 10_000}, {50, 10_000}, {50, 100_000}, {50, 1_000_000}} {
		b.Run(fmt.Sprintf("%d accounts, %d resources", size.accounts, size.resources), func(b *testing.B) {
			if size.resources > 100_000 && os.Getenv("QRIE_BENCH_LARGE") == "" {
				b.Skip("takes a quarter of an hour: QRIE_BENCH_LARGE=1")
			}
			r, stop := known(b, size.accounts, size.resources, 10_000)
			defer stop()
			described := r.total("qrie_describes_total")
			b.ResetTimer()
			r.load(b.N)
			r.caughtUp(10 * time.Minute)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/max(r.total("qrie_describes_total")-described, 1), "events/describe")
			b.ReportMetric(heapMiB(), "heap-MiB")
		})
	}
}

// known runs the pipeline over an organisation that is all known, and of which
// some resources or all (0) are busy.
func known(b *testing.B, accounts, resources, busy int) (r *rig, stop func()) {
	b.Helper()
	tuneMemory(os.LookupEnv)
	r = newRig(b, b.TempDir(), sim.New(sim.Options{Seed: 1, Accounts: accounts, Resources: resources, Busy: busy}), defaults)
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

// total adds up a counter over all series, or those that have a label of one of
// the values.
func (r *rig) total(name string, values ...string) (sum float64) {
	for _, m := range r.family(name) {
		if len(values) == 0 || slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return slices.Contains(values, l.GetValue()) }) {
			sum += m.GetCounter().GetValue()
		}
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
