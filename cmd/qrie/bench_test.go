package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/sim"
)

// BenchmarkPipeline measures events a second from publish to checkpoint: decode,
// describe from the simulated organisation, write, evaluate thirteen policies,
// transitions, all durable, with the worker's default settings. One operation
// is one event; about three events name one refreshed resource.
func BenchmarkPipeline(b *testing.B) {
	r, stop := inventoried(b)
	defer stop()
	w := r.world

	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	var deliveries []sim.Delivery
	for len(deliveries) < b.N {
		deliveries = append(deliveries, w.Load(b.N-len(deliveries))...)
	}
	deliveries = deliveries[:b.N]
	before := r.counter("qrie_marks_total", "refreshed")
	begin := heap()
	b.ResetTimer()
	// Four publishers, as EventBridge delivers from many accounts at once.
	var wg sync.WaitGroup
	for part := range slices.Chunk(deliveries, (len(deliveries)+3)/4) {
		wg.Go(func() { r.publish(part) })
	}
	wg.Wait()
	published := b.Elapsed()
	r.settled(10 * time.Minute)
	b.StopTimer()
	refreshed := r.counter("qrie_marks_total", "refreshed") - before
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/published.Seconds(), "published/s")
	b.ReportMetric(float64(b.N)/max(refreshed, 1), "events/refresh")
	deliveries = nil
	b.ReportMetric(heap()-begin, "heap-growth-MiB")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLatency measures from publish to the committed transition while
// events arrive at a steady pace.
func BenchmarkLatency(b *testing.B) {
	for _, rate := range []int{500, 2500} {
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

// inventoried runs the pipeline over 20,000 resources that are all known.
func inventoried(b *testing.B) (r *rig, stop func()) {
	b.Helper()
	r = newRig(b, b.TempDir(), sim.New(sim.Options{Seed: 1, Accounts: 50, Resources: 20_000}), defaults)
	stop = r.run()
	id, err := r.worker.Inventory(b.Context(), "benchmark")
	if err != nil {
		b.Fatal(err)
	}
	r.await(id, 5*time.Minute)
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
