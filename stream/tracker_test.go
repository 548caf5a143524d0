package stream_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/qrie-sec/qrie/stream"
)

func record(n int64) stream.Record {
	return stream.Record{
		Seq:     strconv.FormatInt(n, 10),
		Data:    make([]byte, n%7),
		Arrived: time.Unix(n, 0),
	}
}

// The tracker is compared with the plainest thing that can say the same: a
// list of every record ever added, read from its beginning.
func TestTrackerProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tracker stream.Tracker
		var seqs []int64
		done := map[int64]bool{}
		last := rapid.Int64Range(0, 1<<40).Draw(t, "start")
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				var records []stream.Record
				for range rapid.IntRange(0, 20).Draw(t, "records") {
					last += rapid.Int64Range(1, 1000).Draw(t, "gap")
					seqs = append(seqs, last)
					records = append(records, record(last))
				}
				tracker.Add(records)
			},
			"done": func(t *rapid.T) {
				if len(seqs) == 0 {
					t.Skip("nothing to finish")
				}
				n := rapid.SampledFrom(seqs).Draw(t, "seq") // often a second time
				done[n] = true
				tracker.Done(strconv.FormatInt(n, 10))
			},
			"done of the oldest": func(t *rapid.T) {
				for _, n := range seqs {
					if !done[n] {
						done[n] = true
						tracker.Done(strconv.FormatInt(n, 10))
						return
					}
				}
			},
			"done of an unknown one": func(t *rapid.T) {
				tracker.Done(strconv.FormatInt(last+rapid.Int64Range(1, 1<<50).Draw(t, "beyond"), 10))
			},
			"": func(t *rapid.T) {
				mark, open, bytes := "", 0, int64(0)
				var oldest time.Time
				prefix := true
				for _, n := range seqs {
					if done[n] {
						if prefix {
							mark = strconv.FormatInt(n, 10)
						}
						continue
					}
					if prefix {
						prefix, oldest = false, time.Unix(n, 0)
					}
					open++
					bytes += n % 7
				}
				if got := tracker.Watermark(); got != mark {
					t.Fatalf("watermark %q, want %q", got, mark)
				}
				if gotOpen, gotBytes := tracker.Unfinished(), tracker.UnfinishedBytes(); gotOpen != open || gotBytes != bytes {
					t.Fatalf("%d records of %d bytes unfinished, want %d of %d", gotOpen, gotBytes, open, bytes)
				}
				arrived, ok := tracker.Oldest()
				if ok != (open > 0) || !arrived.Equal(oldest) {
					t.Fatalf("oldest %v, %v; want %v", arrived, ok, oldest)
				}
			},
		})
	})
}

func TestTrackerWait(t *testing.T) {
	var tracker stream.Tracker
	tracker.Add([]stream.Record{record(6), record(13), record(20)}) // six bytes each
	if err := tracker.Wait(t.Context(), 3, 18); err != nil {
		t.Fatalf("nothing to wait for: %v", err)
	}
	waited := make(chan error, 2)
	go func() { waited <- tracker.Wait(t.Context(), 1, 1<<20) }()
	go func() { waited <- tracker.Wait(t.Context(), 100, 6) }()
	tracker.Done("13")
	select {
	case <-waited:
		t.Fatal("Wait returned with two records unfinished")
	case <-time.After(20 * time.Millisecond):
	}
	tracker.Done("20")
	for range 2 {
		if err := <-waited; err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tracker.Wait(ctx, 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// A shard at work: batches come in, records finish in another order within a
// window as wide as what a handler has in hand.
func BenchmarkTracker(b *testing.B) {
	for _, window := range []int{1, 1000, 5000} {
		b.Run(strconv.Itoa(window), func(b *testing.B) {
			records := make([]stream.Record, b.N+window)
			for i := range records {
				records[i] = stream.Record{Seq: strconv.Itoa(1_000_000 + i)}
			}
			var tracker stream.Tracker
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += window {
				batch := records[i : i+window]
				tracker.Add(batch)
				for j := range batch { // every other one from the front, the rest from the back
					at := j / 2
					if j%2 == 1 {
						at = len(batch) - 1 - j/2
					}
					tracker.Done(batch[at].Seq)
				}
			}
		})
	}
}
