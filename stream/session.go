package stream

import (
	"context"
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
	until  atomic.Pointer[time.Time]
	track  Tracker
}

// NewSession opens a session that is valid until the given moment of now.
func NewSession(ctx context.Context, shard string, epoch int64, now func() time.Time, until time.Time) *Session {
	s := &Session{shard: shard, epoch: epoch, now: now}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.Extend(until)
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
//
// Both clocks must agree: the monotonic one, because a wall clock that is set
// back would make the session look younger, and the wall clock, because the
// monotonic one stands still while the machine sleeps.
func (s *Session) Valid() bool {
	now, until := s.now(), *s.until.Load()
	return s.ctx.Err() == nil && now.Before(until) && now.Round(0).Before(until.Round(0))
}

// Extend moves the end of validity after a renewal. Count from the moment at
// which the renewal began, not from its answer.
func (s *Session) Extend(until time.Time) { s.until.Store(&until) }

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

// UnfinishedBytes is the size of those records, keys included.
func (s *Session) UnfinishedBytes() int64 { return s.track.UnfinishedBytes() }

// Oldest is when the oldest unfinished record arrived; ok is false if all are
// done. Its age is the honest lag of the shard.
func (s *Session) Oldest() (arrived time.Time, ok bool) { return s.track.Oldest() }

// Wait returns nil once at most that many records and bytes are unfinished,
// or the error of ctx. Adapters push back with it, and drain.
func (s *Session) Wait(ctx context.Context, records int, bytes int64) error {
	return s.track.Wait(ctx, records, bytes)
}
