package stream

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Tracker computes the contiguous watermark of one shard: records finish in
// any order, and the mark moves only over a finished prefix. The zero value is
// ready. It is safe for concurrent use.
type Tracker struct {
	mu      sync.Mutex
	entries []entry // from the oldest unfinished on, by sequence number
	open    int
	bytes   int64
	mark    string
	wake    chan struct{} // closed by the next Done; nil while nobody waits
}

type entry struct {
	seq     string
	arrived time.Time
	bytes   int64
	done    bool
}

// Add appends records in the order of their sequence numbers.
func (t *Tracker) Add(records []Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = slices.Grow(t.entries, len(records))
	for _, r := range records {
		size := int64(len(r.Key) + len(r.Data))
		t.entries = append(t.entries, entry{seq: r.Seq, arrived: r.Arrived, bytes: size})
		t.bytes += size
	}
	t.open += len(records)
}

// Done finishes one record. Unknown and repeated numbers are ignored.
func (t *Tracker) Done(seq string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := slices.BinarySearchFunc(t.entries, seq, func(e entry, seq string) int { return CompareSeq(e.seq, seq) })
	if !ok || t.entries[at].done {
		return
	}
	t.entries[at].done = true
	t.open--
	t.bytes -= t.entries[at].bytes
	if at == 0 {
		n := 0
		for n < len(t.entries) && t.entries[n].done {
			n++
		}
		t.mark = t.entries[n-1].seq
		clear(t.entries[:n]) // lets go of the strings
		t.entries = t.entries[n:]
	}
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
}

// Watermark is the last number of the finished prefix.
func (t *Tracker) Watermark() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mark
}

// Unfinished counts what was added and is not done.
func (t *Tracker) Unfinished() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// UnfinishedBytes is the size of what was added and is not done.
func (t *Tracker) UnfinishedBytes() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// Oldest is when the first unfinished record arrived.
func (t *Tracker) Oldest() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) == 0 {
		return time.Time{}, false
	}
	return t.entries[0].arrived, true
}

// Wait returns nil once at most that many records and bytes are unfinished,
// or the error of ctx.
func (t *Tracker) Wait(ctx context.Context, records int, bytes int64) error {
	for {
		t.mu.Lock()
		if t.open <= records && t.bytes <= bytes {
			t.mu.Unlock()
			return nil
		}
		if t.wake == nil {
			t.wake = make(chan struct{})
		}
		wake := t.wake
		t.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
