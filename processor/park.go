package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// again is a mark for another look after a pause, because one may not have shown
// what the events did. One that comes when AWS's reads have settled may wait for
// that of a later event, which shows the same.
func (m touched) again(next later, now time.Time) *store.DirtyMark {
	d := &store.DirtyMark{Ref: m.Ref, Events: m.Events, Reason: store.ReasonSettle, DueAt: now.Add(next.pause), Attempts: 1, Since: now}
	if next.settled {
		d.Settles = d.DueAt
	}
	return d
}

// lookAgain plans another look where nothing is written with which it could be
// planned. d may be nil.
func (s *session) lookAgain(ctx context.Context, d *store.DirtyMark) error {
	if d == nil {
		return nil
	}
	if err := s.w.Store.PutDirty(ctx, *d); err != nil {
		return fmt.Errorf("plan another look at %s: %w", d.Ref, err)
	}
	return nil
}

// ages are how long after an event its resource is to be looked at again, of all
// such ages, in view of what a look has shown beside what was stored. Where the
// change is not to be seen yet it may be at each. A change that was seen may be
// what an earlier event made, or a part of what this one made: of a new resource
// the rest may come soon (an instance can be seen before its volumes can), and in
// any case one look is taken once AWS's reads have settled.
func (m touched) ages(all []time.Duration, looked time.Time, stored *store.Resource, unchanged bool) []time.Duration {
	if len(m.Events) == 0 {
		return nil
	}
	seen := !unchanged || slices.Contains(stored.Explained, m.Events[0].ID)
	switch {
	case !seen || stored == nil && !m.settled(looked):
		return all
	case m.settled(looked):
		return nil
	}
	for i, age := range all {
		if age >= m.settle() || i == len(all)-1 {
			return all[i:]
		}
	}
	return nil
}

// later is another look.
type later struct {
	pause   time.Duration
	settled bool // it shows what the events did
}

// nextLook tells how long after a look the next one is due; ok is false if the
// newest event is older than the last of the ages at which to look. It follows
// from the age of the event and not from how often was looked: the looks of
// several events share one mark, and the clocks of workers may differ.
func (m touched) nextLook(looked time.Time, ages []time.Duration) (next later, ok bool) {
	if len(m.Events) == 0 {
		return next, false
	}
	happened := m.Events[0].Time
	if arrived := m.Events[0].Arrived; !arrived.IsZero() && arrived.Before(happened) {
		happened = arrived // whoever wrote the event's time was wrong
	}
	age := looked.Sub(happened)
	for _, at := range ages {
		if age < at {
			return later{pause: at - age, settled: at >= m.settle()}, true
		}
	}
	return next, false
}

// workPause is how long to wait for what AWS is still at work on, which no event
// will tell: a third of the time for which the document has been the same, so that
// what takes long costs few looks. ok is false if nothing is to be waited for.
func workPause(stored *store.Resource, obs qrie.Observation, unchanged bool) (pause time.Duration, ok bool) {
	if !unfinished(obs) {
		return 0, false
	}
	if unchanged {
		pause = obs.ObservedAt.Sub(stored.ChangedAt) / 3
	}
	return min(max(pause, minWorkPause), maxWorkPause), true
}

// minWorkPause and maxWorkPause bound the pauses between looks at a resource on
// which AWS is at work: a volume takes seconds, a DB instance minutes, and the
// optimization of its storage hours.
const (
	minWorkPause = 10 * time.Second
	maxWorkPause = 15 * time.Minute
)

// maxPark is how long a resource waits at the most before it is tried again.
const maxPark = 30 * time.Minute

// park lets a resource wait that cannot be read now, so that its record does
// not hold up the shard.
func (s *session) park(ctx context.Context, m touched, why error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	reason, pause, attempts := "transient", min(s.w.ParkFor<<min(m.Attempt, 6), maxPark), m.Attempt+1
	var not *stopped
	var fault *qrie.Fault
	if errors.As(why, &fault) {
		reason = string(fault.Kind)
		if fault.Kind.Lasts() {
			pause = min((60*s.w.ParkFor)<<min(m.Attempt, 6), maxPark)
		}
		pause = max(pause, fault.RetryAfter)
	}
	if errors.As(why, &not) {
		// It was not its own turn that failed. But it must come back as a look
		// that was put off, not as what events say anew: that may be passed over.
		pause, attempts = not.wait, max(m.Attempt, 1)
	}
	s.w.Log.Info("resource cannot be read now and will be tried again", "resource", m.Ref.String(), "reason", reason, "pause", pause, "error", why)
	now := s.w.Now()
	if err := s.w.Store.PutDirty(ctx, store.DirtyMark{Ref: m.Ref, Events: m.Events, Reason: reason, DueAt: now.Add(pause), Attempts: attempts, Since: now}); err != nil {
		return fmt.Errorf("park %s: %w", m.Ref, err)
	}
	return nil
}

// buryMark keeps a mark that makes the worker panic. A scan that waits for it
// tells that the resource could not be read.
func (s *session) buryMark(m touched, why error) {
	r, err := encode(kindMark, m.Ref.AccountService(), []touched{m})
	if err != nil {
		r.Data, _ = json.Marshal(m.Ref) // plain strings
	}
	r.Shard = s.s.Shard()
	s.letter(r, m.Ref.Key(), r.Data, why)
	s.buried.set(m.Ref.Key(), s.w.Now())
	s.mark(m, "dead_letter")
}
