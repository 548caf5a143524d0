package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Session is one stretch of ownership of one shard, from winning the lease to
// losing or giving it up. Adapters make it; handlers call Context, Valid and
// Done. Its methods are safe for concurrent use.
type Session struct {
	shard  string
	epoch  int64
	ctx    context.Context
	cancel context.CancelFunc
	now    func() time.Time
	until  atomic.Int64 // Unix nanoseconds on the injected clock
	track  Tracker
}

// NewSession opens a session that is valid until the given moment of now.
func NewSession(ctx context.Context, shard string, epoch int64, now func() time.Time, until time.Time) *Session {
	s := &Session{shard: shard, epoch: epoch, now: now}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.until.Store(until.UnixNano())
	return s
}

// Shard is the id of the shard.
func (s *Session) Shard() string { return s.shard }

// Epoch grows with every change of owner of the shard.
func (s *Session) Epoch() int64 { return s.epoch }

// Context ends when the session is lost or over.
func (s *Session) Context() context.Context { return s.ctx }

// Valid reports whether the lease still holds. It turns false before anybody
// else can have taken the lease; every effect asks it first.
func (s *Session) Valid() bool {
	return s.ctx.Err() == nil && s.now().UnixNano() < s.until.Load()
}

// Extend moves the end of validity after a renewal.
func (s *Session) Extend(until time.Time) { s.until.Store(until.UnixNano()) }

// Cancel ends the session's context. Adapters call it when the lease is lost
// and after End.
func (s *Session) Cancel() { s.cancel() }

// Track notes records that are about to be handed to the handler, in order.
func (s *Session) Track(records []Record) { s.track.Add(records) }

// Done says that every effect of the record is durable. Calling it twice is
// calling it once.
func (s *Session) Done(seq string) { s.track.Done(seq) }

// Watermark is the sequence number up to which every record is done, empty if
// none is. A checkpoint never passes it.
func (s *Session) Watermark() string { return s.track.Watermark() }

// Unfinished counts the records that are tracked and not done.
func (s *Session) Unfinished() int { return s.track.Unfinished() }

// Oldest is when the oldest unfinished record arrived; ok is false if all are
// done. Its age is the honest lag of the shard.
func (s *Session) Oldest() (arrived time.Time, ok bool) { return s.track.Oldest() }

// Tracker computes the contiguous watermark of one shard: records finish in
// any order, and the mark moves only over a finished prefix. The zero value is
// ready. It is safe for concurrent use.
type Tracker struct {
	mu      sync.Mutex
	entries []entry // from the oldest unfinished on
	index   map[string]int
	base    int // entries removed so far; index holds absolute positions
	open    int
	mark    string
}

type entry struct {
	seq     string
	arrived time.Time
	done    bool
}

// Add appends records in the order of their sequence numbers.
func (t *Tracker) Add(records []Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.index == nil {
		t.index = map[string]int{}
	}
	for _, r := range records {
		t.index[r.Seq] = t.base + len(t.entries)
		t.entries = append(t.entries, entry{seq: r.Seq, arrived: r.Arrived})
		t.open++
	}
}

// Done finishes one record. Unknown and repeated numbers are ignored.
func (t *Tracker) Done(seq string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.index[seq]
	if !ok {
		return
	}
	e := &t.entries[at-t.base]
	if e.done {
		return
	}
	e.done = true
	t.open--
	n := 0
	for n < len(t.entries) && t.entries[n].done {
		t.mark = t.entries[n].seq
		delete(t.index, t.mark)
		n++
	}
	if n > 0 {
		t.entries = t.entries[n:] // append copies the live part when it must grow
		t.base += n
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

// Oldest is when the first unfinished record arrived.
func (t *Tracker) Oldest() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) == 0 {
		return time.Time{}, false
	}
	return t.entries[0].arrived, true
}
