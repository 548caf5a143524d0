package kinesis

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/qrie-sec/qrie/stream"
)

// counter finishes what it is given and notes how long it took to come.
type counter struct {
	n  atomic.Int64
	mu sync.Mutex
	ms []float64
}

func (c *counter) Begin(*stream.Session)                     {}
func (c *counter) End(*stream.Session, stream.EndReason)     {}
func (c *counter) Gap(*stream.Session, time.Time, time.Time) {}

func (c *counter) Handle(s *stream.Session, records []stream.Record) {
	now := time.Now()
	c.mu.Lock()
	for _, r := range records {
		c.ms = append(c.ms, float64(now.Sub(r.Arrived).Microseconds())/1000)
	}
	c.mu.Unlock()
	for _, r := range records {
		s.Done(r.Seq)
	}
	c.n.Add(int64(len(records)))
}

// BenchmarkConsume reads 20 shards at their full rate, 1,000 records of 1 KB a
// second each: an iteration is a second of that. The latencies are from the
// arrival of a record to the handler.
func BenchmarkConsume(b *testing.B) {
	const shards, rate = 20, 20_000
	f := newFake(shards)
	s, err := newStream(f, newMemTable(), Options{Stream: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	h := &counter{}
	stop := consume(b, s, "w", h)
	eventually(b, 30*time.Second, "every shard", func() bool { return s.metrics.open() == shards })
	data := bytes.Repeat([]byte("x"), 1000)
	var keys [4096]string
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	b.SetBytes(rate * 1000)
	b.ResetTimer()
	sent := int64(0)
	began := time.Now()
	for range b.N {
		for end := sent + rate; sent < end; {
			due := min(end, int64(time.Since(began).Seconds()*rate))
			for ; sent < due; sent++ {
				f.put(keys[sent%int64(len(keys))], data)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	eventually(b, 10*time.Second, "every record", func() bool { return h.n.Load() == sent })
	b.StopTimer()
	slices.Sort(h.ms)
	b.ReportMetric(float64(sent)/time.Since(began).Seconds(), "records/s")
	b.ReportMetric(h.ms[len(h.ms)/2], "p50-ms")
	b.ReportMetric(h.ms[len(h.ms)*99/100], "p99-ms")
	if err := stop(); err != nil {
		b.Error(err)
	}
}

// BenchmarkPublish publishes 500 records of 500 keys a time into the fake.
func BenchmarkPublish(b *testing.B) {
	s := publishing(b, newFake(4), Options{})
	records := recordsOf(500, 500, 1000)
	b.SetBytes(500 * 1000)
	for b.Loop() {
		if err := s.Publish(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
}

// A handler that takes no record to its end, and 20 full shards: memory stays
// within its bound.
func TestStalledHandlerBoundsMemory(t *testing.T) {
	const shards = 20
	f := newFake(shards)
	data := bytes.Repeat([]byte("x"), 2500)
	for i := range 200_000 {
		f.put(fmt.Sprint("key", i%4096), data)
	}
	f.change = func(out *kinesis.GetRecordsOutput) {
		for i := range out.Records {
			out.Records[i].Data = bytes.Clone(out.Records[i].Data) // as they come from the network
		}
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	s, err := newStream(f, newMemTable(), Options{Stream: "stalled", DrainTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	d := &diary{hold: func(stream.Record) bool { return true }}
	stop := consume(t, s, "w", d)
	eventually(t, 20*time.Second, "as much as may be", func() bool {
		n := len(d.data())
		time.Sleep(700 * time.Millisecond)
		return n > 0 && n == len(d.data()) && s.metrics.open() == shards
	})
	held := heap() - before
	t.Logf("%d records of 2.5 KB in hand, %d MB more on the heap", len(d.data()), held>>20)
	if limit := int64(256 << 20); held > limit {
		t.Errorf("%d MB, want at most %d", held>>20, limit>>20)
	}
	if total := int64(len(d.data())) * 2500; total > 2*DefaultMaxTotalBytes {
		t.Errorf("%d MB were handed over, far above %d", total>>20, DefaultMaxTotalBytes>>20)
	}
	if stop() == nil {
		t.Error("a drain with records unfinished returned nil")
	}
}

// BenchmarkServer reads what the local Kinesis server takes, as fast as four
// publishers can write to it: an operation is 1,000 records of 2.5 KB. behind-ms
// is how long after the last record was taken all are handled: a worker that
// does not keep up is behind by more, the longer it runs.
func BenchmarkServer(b *testing.B) {
	needServers(b)
	opts := testOptions(newTestStream(b, 4))
	opts.LeaseTime, opts.MaxUnfinished, opts.KeyRun = 0, 0, 500
	s := openTest(b, opts)
	h := &counter{}
	consume(b, s, "w", h)
	eventually(b, 30*time.Second, "every shard", func() bool { return s.metrics.open() == 4 })
	const perOp = 1000
	data := bytes.Repeat([]byte("x"), 2500)
	b.SetBytes(perOp * int64(len(data)))
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	began := time.Now()
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				records := make([]stream.Record, perOp)
				for i := range records {
					records[i] = stream.Record{Key: fmt.Sprint(p, "/", i%16), Data: data}
				}
				if err := s.Publish(b.Context(), records); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	taken := time.Now()
	eventually(b, 2*time.Minute, "every record", func() bool { return h.n.Load() == int64(b.N)*perOp })
	b.StopTimer()
	slices.Sort(h.ms)
	b.ReportMetric(float64(b.N*perOp)/taken.Sub(began).Seconds(), "records/s")
	b.ReportMetric(float64(time.Since(taken).Milliseconds()), "behind-ms")
	b.ReportMetric(h.ms[len(h.ms)/2], "p50-ms")
	b.ReportMetric(h.ms[len(h.ms)*99/100], "p99-ms")
}
