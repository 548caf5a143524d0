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

	"github.com/aws/aws-sdk-go-v2/aws"
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

// BenchmarkServer writes to the local Kinesis server as fast as it takes, an
// operation being 1,000 records of 2.5 KB, while they are read: first with bare
// calls at the pace that Kinesis allows, a goroutine for each shard that does
// nothing else, then by a worker whose handler is empty. The server bounds both.
// The ratio of the times until all is read tells what the worker costs.
func BenchmarkServer(b *testing.B) {
	needServers(b)
	const shards, perOp = 8, 1000
	records := make([]stream.Record, perOp)
	for i := range records {
		records[i] = stream.Record{Key: fmt.Sprint(i % 256), Data: bytes.Repeat([]byte("x"), 2500)}
	}
	total := int64(b.N * perOp)
	// until is the time until all that is written is read.
	until := func(read func(s *Stream) (count func() int64)) time.Duration {
		opts := testOptions(newTestStream(b, shards))
		opts.LeaseTime, opts.MaxUnfinished, opts.KeyRun = 0, 0, 500
		s := openTest(b, opts)
		count := read(s)
		began := time.Now()
		for range b.N {
			if err := s.Publish(b.Context(), records); err != nil {
				b.Fatal(err)
			}
		}
		eventually(b, 5*time.Minute, "every record", func() bool { return count() >= total })
		return time.Since(began)
	}
	bare := until(func(s *Stream) func() int64 {
		var n atomic.Int64
		for _, shard := range openShards(b, s.opts.Stream) {
			go func() {
				pace := time.NewTicker(readInterval)
				defer pace.Stop()
				it, _, err := s.point(b.Context(), behindMark(*shard.ShardId, ""))
				for err == nil && n.Load() < total {
					<-pace.C
					var out *kinesis.GetRecordsOutput
					if out, err = s.api.GetRecords(b.Context(), &kinesis.GetRecordsInput{ShardIterator: &it, Limit: aws.Int32(maxRecords)}); err == nil {
						it = *out.NextShardIterator
						n.Add(int64(len(out.Records)))
					}
				}
				if err != nil {
					b.Error(err)
				}
			}()
		}
		return n.Load
	})
	b.SetBytes(perOp * 2500)
	b.ResetTimer()
	worker := until(func(s *Stream) func() int64 {
		h := &counter{}
		consume(b, s, "w", h)
		eventually(b, 30*time.Second, "every shard", func() bool { return s.metrics.open() == shards })
		return h.n.Load
	})
	b.StopTimer()
	b.ReportMetric(float64(total)/bare.Seconds(), "bare-records/s")
	b.ReportMetric(float64(total)/worker.Seconds(), "records/s")
	b.ReportMetric(bare.Seconds()/worker.Seconds(), "ratio")
}
