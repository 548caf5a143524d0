package streamtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// Several publishers, each with keys of its own, in calls of random sizes:
// every record arrives once, those of a key in one shard and in order.
func oneKeyOneShardInOrder(t *testing.T, s *suite) {
	st := s.open()
	r := finishing(t)
	s.consume(st, r)
	const publishers, keys, each = 4, 8, 60
	var published []stream.Record
	var wg sync.WaitGroup
	for p := range publishers {
		var records []stream.Record
		for i := range each {
			for k := range keys {
				key := fmt.Sprintf("p%d-%d", p, k)
				records = append(records, stream.Record{Key: key, Data: fmt.Appendf(nil, "%s/%06d", key, i)})
			}
		}
		published = append(published, records...)
		var sizes []int
		for left := len(records); left > 0; left -= sizes[len(sizes)-1] {
			sizes = append(sizes, min(left, 1+s.rand.IntN(70)))
		}
		wg.Go(func() {
			for _, n := range sizes {
				if err := st.Publish(t.Context(), records[:n]); err != nil {
					t.Error(err)
					return
				}
				records = records[n:]
			}
		})
	}
	wg.Wait()
	s.until("every record is delivered", func() bool { return has(r.seen(), published) })
	if got := r.count(); got != len(published) && r.ended(stream.Lost) == 0 {
		t.Errorf("%d deliveries of %d records, though no lease was lost", got, len(published))
	}
	inOrder(t, r.all())
}

// inOrder checks that each key came in one shard, and its payloads, where they
// are delivered for the first time, in ascending order.
func inOrder(t *testing.T, deliveries []*delivery) {
	t.Helper()
	shard, last, before := map[string]string{}, map[string]string{}, map[string]bool{}
	for _, d := range deliveries {
		payload := string(d.Data)
		if before[payload] {
			continue
		}
		before[payload] = true
		if at, ok := shard[d.Key]; ok && at != d.Shard {
			t.Errorf("key %s came in %s and in %s", d.Key, at, d.Shard)
		}
		shard[d.Key] = d.Shard
		if payload < last[d.Key] {
			t.Errorf("%s came after %s", payload, last[d.Key])
		}
		last[d.Key] = payload
	}
}

func bytesAreKept(t *testing.T, s *suite) {
	st := s.open()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := bytes.Repeat(every, stream.MaxRecordBytes/256+1)[:stream.MaxRecordBytes]
	want := []stream.Record{
		{Key: "a", Data: []byte("plain")},
		{Key: "b", Data: every},
		{Key: "c", Data: large},
		{Key: strings.Repeat("k", 256), Data: []byte("a key as long as may be")},
		{Key: "d e/é", Data: []byte{0}},
	}
	before := time.Now()
	s.publish(st, want...)
	r := finishing(t)
	s.consume(st, r)
	s.until("five records", func() bool { return r.count() >= len(want) })
	got := r.all()
	for _, w := range want {
		at := slices.IndexFunc(got, func(d *delivery) bool { return d.Key == w.Key })
		if at < 0 {
			t.Errorf("key %q did not arrive", w.Key)
			continue
		}
		if !bytes.Equal(got[at].Data, w.Data) {
			t.Errorf("key %q: %d bytes arrived, want the %d that were published", w.Key, len(got[at].Data), len(w.Data))
		}
		// A stream's clock may be another one's, but not by an hour.
		if off := got[at].Arrived.Sub(before); off < -time.Hour || off > time.Hour {
			t.Errorf("key %q is said to have arrived at %v, published at %v", w.Key, got[at].Arrived, before)
		}
	}
}

func tooLargeWritesNothing(t *testing.T, s *suite) {
	st := s.open()
	records := batch(3, 0, 1)
	records[1].Data = make([]byte, stream.MaxRecordBytes+1)
	if err := st.Publish(t.Context(), records); !errors.Is(err, stream.ErrTooLarge) {
		t.Fatalf("got %v, want ErrTooLarge", err)
	}
	marker := batch(3, 1, 1)
	s.publish(st, marker...)
	r := finishing(t)
	s.consume(st, r)
	s.until("the records that were published later", func() bool { return has(r.seen(), marker) })
	if got := r.count(); got != len(marker) {
		t.Errorf("%d records arrived, want the %d that were not refused", got, len(marker))
	}
}

// Publishers are interrupted at random moments. What the error does not name
// is durable.
func publishNamesWhatIsNotDurable(t *testing.T, s *suite) {
	st := s.open()
	var mu sync.Mutex
	var durable []stream.Record
	failed := 0
	var wg sync.WaitGroup
	for p := range 8 {
		var waits []time.Duration
		for range 12 {
			waits = append(waits, time.Duration(s.rand.IntN(3000))*time.Microsecond)
		}
		wg.Go(func() {
			for i, wait := range waits {
				var records []stream.Record
				for n := range 25 {
					records = append(records, stream.Record{Key: fmt.Sprint(n), Data: fmt.Appendf(nil, "%d/%d/%d", p, i, n)})
				}
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				err := st.Publish(ctx, records)
				cancel()
				names := map[int]bool{}
				if err != nil {
					var e *stream.PublishError
					if !errors.As(err, &e) {
						t.Errorf("got %v, want a *PublishError", err)
						return
					}
					if len(e.Failed) == 0 || !slices.IsSorted(e.Failed) || e.Err == nil {
						t.Errorf("an error that names %v, because of %v", e.Failed, e.Err)
					}
					for _, at := range e.Failed {
						names[at] = true
					}
				}
				mu.Lock()
				failed += len(names)
				for at, r := range records {
					if !names[at] {
						durable = append(durable, r)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d records durable, %d named as failed", len(durable), failed)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var e *stream.PublishError
	if err := st.Publish(ended, batch(2, 0, 2)); !errors.As(err, &e) || len(e.Failed) != 4 || !errors.Is(err, context.Canceled) {
		t.Errorf("publish under a context that has ended: %v", err)
	}

	r := finishing(t)
	s.consume(st, r)
	s.until("every durable record is delivered", func() bool { return has(r.seen(), durable) })
}
