package local_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
	"github.com/qrie-sec/qrie/stream/local"
)

func benchRecords(n int) []stream.Record {
	records := make([]stream.Record, n)
	for i := range records {
		records[i] = stream.Record{Key: fmt.Sprintf("%012d_ec2", i%50), Data: make([]byte, 2048)}
	}
	return records
}

// Publish of 2 KiB records: one publisher with a call of so many, or 64 of
// them with one record a call.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{1, 50, 500} {
		b.Run(fmt.Sprintf("call=%d", size), func(b *testing.B) {
			f := open(b, local.Options{})
			records := benchRecords(size)
			b.ReportAllocs()
			for range b.N {
				if err := f.Publish(b.Context(), records); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "records/s")
		})
	}
	b.Run("call=1/publishers=64", func(b *testing.B) {
		f := open(b, local.Options{})
		records := benchRecords(64)
		b.ReportAllocs()
		var wg sync.WaitGroup
		for p := range 64 {
			wg.Go(func() {
				for i := p; i < b.N; i += 64 {
					if err := f.Publish(b.Context(), records[p:p+1]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

// Consume of a backlog of 2 KiB records, with checkpoints.
func BenchmarkConsume(b *testing.B) {
	f := open(b, local.Options{})
	records := benchRecords(500)
	for i := 0; i < b.N; i += len(records) {
		if err := f.Publish(b.Context(), records[:min(len(records), b.N-i)]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	consumeN(b, f, b.N)
}

// Publish and Consume at the same time, in calls of 50.
func BenchmarkPublishAndConsume(b *testing.B) {
	f := open(b, local.Options{})
	records := benchRecords(50)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for i := p * 50; i < b.N; i += 4 * 50 {
				if err := f.Publish(b.Context(), records[:min(50, b.N-i)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	consumeN(b, f, b.N)
	wg.Wait()
}

func consumeN(b *testing.B, s stream.Stream, n int) {
	var seen atomic.Int64
	all := make(chan struct{})
	h := &counter{done: func() {
		if seen.Add(1) == int64(n) {
			close(all)
		}
	}}
	stop := consume(b, s, h)
	<-all
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	b.StopTimer()
	if err := stop(); err != nil {
		b.Fatal(err)
	}
}

// counter finishes every record at once.
type counter struct{ done func() }

func (c *counter) Begin(*stream.Session)                     {}
func (c *counter) End(*stream.Session, stream.EndReason)     {}
func (c *counter) Gap(*stream.Session, time.Time, time.Time) {}
func (c *counter) Handle(s *stream.Session, records []stream.Record) {
	for _, r := range records {
		s.Done(r.Seq)
		c.done()
	}
}
