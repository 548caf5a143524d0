package streamtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// delivery is one record in one session.
type delivery struct {
	stream.Record
	session *stream.Session
	done    bool
}

// recorder is a handler that keeps what it is given and holds the adapter to
// the order of calls that stream.Handler promises. What becomes of a record is
// up to each, which may be nil.
type recorder struct {
	t    testing.TB
	each func(*delivery)

	mu         sync.Mutex
	deliveries []*delivery
	sessions   map[*stream.Session]*calls
	ends       map[stream.EndReason]int
}

// calls is what was called for one session.
type calls struct {
	busy, ended bool
	last        string
	open        []*delivery
}

func newRecorder(t testing.TB, each func(*delivery)) *recorder {
	return &recorder{t: t, each: each, sessions: map[*stream.Session]*calls{}, ends: map[stream.EndReason]int{}}
}

// finish is an each that has every effect at once.
func (r *recorder) finish(d *delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finishLocked(d)
}

func (r *recorder) finishLocked(d *delivery) {
	if !d.done {
		d.done = true
		d.session.Done(d.Seq)
	}
}

// finishing is a recorder that finishes everything at once.
func finishing(t testing.TB) *recorder {
	r := newRecorder(t, nil)
	r.each = r.finish
	return r
}

// Begin implements stream.Handler.
func (r *recorder) Begin(s *stream.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions[s] != nil {
		r.t.Errorf("Begin twice for one session of %s", s.Shard())
	}
	r.sessions[s] = &calls{}
}

// Handle implements stream.Handler.
func (r *recorder) Handle(s *stream.Session, records []stream.Record) {
	r.mu.Lock()
	c := r.sessions[s]
	switch {
	case c == nil:
		c = &calls{}
		r.sessions[s] = c
		r.t.Errorf("Handle before Begin, %s", s.Shard())
	case c.ended:
		r.t.Errorf("Handle after End, %s", s.Shard())
	case c.busy:
		r.t.Errorf("two calls at once for one session of %s", s.Shard())
	case len(records) == 0:
		r.t.Errorf("Handle without records, %s", s.Shard())
	}
	c.busy = true
	var taken []*delivery
	for _, record := range records {
		if record.Shard != s.Shard() {
			r.t.Errorf("a record of %s was handed to the session of %s", record.Shard, s.Shard())
		}
		if stream.CompareSeq(record.Seq, c.last) <= 0 {
			r.t.Errorf("%s: record %s came after %s", s.Shard(), record.Seq, c.last)
		}
		c.last = record.Seq
		d := &delivery{Record: record, session: s}
		taken = append(taken, d)
		c.open = append(c.open, d)
	}
	r.deliveries = append(r.deliveries, taken...)
	r.mu.Unlock()
	if r.each != nil {
		for _, d := range taken {
			r.each(d)
		}
	}
	r.mu.Lock()
	c.busy = false
	r.mu.Unlock()
}

// End implements stream.Handler.
func (r *recorder) End(s *stream.Session, why stream.EndReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.sessions[s]
	switch {
	case c == nil:
		r.t.Errorf("End without Begin, %s", s.Shard())
		return
	case c.ended:
		r.t.Errorf("End twice for one session of %s", s.Shard())
	case c.busy:
		r.t.Errorf("End while Handle runs, %s", s.Shard())
	}
	if why == stream.Lost && (s.Context().Err() == nil || s.Valid()) {
		r.t.Errorf("End(lost) of %s: context %v, valid %v; both must have ended", s.Shard(), s.Context().Err(), s.Valid())
	}
	unfinished := slices.ContainsFunc(c.open, func(d *delivery) bool { return !d.done })
	if why == stream.Released && unfinished && s.Context().Err() == nil {
		r.t.Errorf("End(released) of %s with unfinished records and a context that lives", s.Shard())
	}
	if why == stream.ShardEnd && unfinished {
		r.t.Errorf("End(shard_end) of %s with unfinished records", s.Shard())
	}
	c.ended = true
	r.ends[why]++
}

// Gap implements stream.Handler.
func (r *recorder) Gap(s *stream.Session, from, to time.Time) {
	r.t.Errorf("a gap in %s from %v to %v, though nothing is old enough to be dropped", s.Shard(), from, to)
}

// seen is how often each payload was delivered.
func (r *recorder) seen() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]int{}
	for _, d := range r.deliveries {
		seen[string(d.Data)]++
	}
	return seen
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.deliveries)
}

// all is a copy of the deliveries, in their order.
func (r *recorder) all() []*delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.deliveries)
}

func (r *recorder) ended(why stream.EndReason) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ends[why]
}

// open is the sessions that have begun and not ended.
func (r *recorder) open() []*stream.Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	var open []*stream.Session
	for s, c := range r.sessions {
		if !c.ended {
			open = append(open, s)
		}
	}
	return open
}

// has reports whether every record was delivered, at least once.
func has(seen map[string]int, records []stream.Record) bool {
	for _, r := range records {
		if seen[string(r.Data)] == 0 {
			return false
		}
	}
	return true
}

// block waits for the gate, or the end of the session.
func block(ctx context.Context, gate <-chan struct{}) {
	select {
	case <-gate:
	case <-ctx.Done():
	}
}
