package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
)

// panicTries is how often a mark may make the worker panic before it is buried:
// what panics once may have met something that passes.
const panicTries = 3

// refresh is step 2 for one resource: read it, judge it, write what follows.
// It returns once all that is durable, or when the session ended; the lane
// then calls done or drops it.
func (s *session) refresh(ctx context.Context, m touched) {
	for n := 1; ; n++ {
		why := s.tryRefresh(ctx, m)
		if why == nil {
			return
		}
		if n == panicTries {
			s.buryMark(m, why)
			return
		}
		if !sleep(ctx, time.Second<<n) {
			return
		}
	}
}

// tryRefresh returns an error if it panicked.
func (s *session) tryRefresh(ctx context.Context, m touched) (panicked error) {
	defer func() {
		if r := recover(); r != nil {
			s.w.metrics.panics.WithLabelValues("refresh").Inc()
			s.w.Log.Error("refresh panicked", "resource", m.Ref.String(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			panicked = fmt.Errorf("BUG: refresh panicked: %v", r)
		}
	}()
	if m.Ref.ID == "" {
		_ = s.persist(func() error { return s.listInstead(ctx, m) }) // or the session ended
		return nil
	}
	if s.handled(m) {
		s.mark(m, "already_seen")
		return nil
	}
	start := s.w.Now()
	outcome := ""
	err := s.persist(func() (err error) {
		outcome, err = s.attempt(ctx, m)
		return err
	})
	if err != nil {
		return nil // the session ended
	}
	s.mark(m, outcome)
	s.w.metrics.refresh.WithLabelValues(m.Ref.Service()).Observe(since(s.w.Now, start))
	if outcome != "parked" && outcome != "held" {
		key := m.Ref.Key()
		for _, e := range m.Events {
			s.seen.add(e.ID + key)
		}
	}
	return nil
}

func (s *session) mark(m touched, outcome string) {
	s.w.metrics.marks.WithLabelValues(m.Ref.Service(), outcome).Inc()
}

// handled reports whether every event of the mark was handled before. A look
// that a first look asked for is never skipped.
func (s *session) handled(m touched) bool {
	if !m.fromStream() || m.More {
		return false
	}
	key := m.Ref.Key()
	for _, e := range m.Events {
		if !s.seen.has(e.ID + key) {
			return false
		}
	}
	return true
}

// fromStream reports whether the mark is what events just said, and no look
// that was planned.
func (m touched) fromStream() bool {
	return len(m.Events) > 0 && m.Attempt == 0 && m.Reason == qrie.ReasonEvent && !m.Planned
}

// settleHome is how long after an event IAM's reads may be older than it: IAM is
// replicated to every Region within minutes.
const settleHome = 5*time.Minute + qrie.StaleReads

// covered reports whether what is stored was observed so long after the newest
// event that it shows what that event did. What AWS was at work on then it does not
// show.
func (m touched) covered(stored *store.Resource) bool {
	return stored != nil && !stored.Unfinished && m.fromStream() && m.settled(stored.ObservedAt)
}

// settled reports whether a look that began at a time shows what the newest
// event did.
func (m touched) settled(at time.Time) bool { return at.After(m.Events[0].Time.Add(m.settle())) }

func (m touched) settle() time.Duration { return settleOf(m.Ref) }

func settleOf(ref qrie.Ref) time.Duration {
	if t, ok := resources.Find(ref.Type); ok && t.Home {
		return settleHome
	}
	return qrie.StaleReads
}

// attempt does one refresh. An error means: try again soon, nothing is lost.
func (s *session) attempt(ctx context.Context, m touched) (outcome string, err error) {
	stored, err := s.state(ctx, m.Ref)
	if err != nil {
		return "", err
	}
	if m.covered(stored) {
		return s.explainLate(ctx, m.Ref, lateEvents(*stored, m.Events), qrie.AttributionUnknown, "already_seen")
	}
	if stored != nil && stored.Unfinished {
		m.Events = qrie.NewestEvents(m.Events, stored.Cause.Events)
	}
	obs, fault := s.describe(ctx, m, stored)
	if fault != nil {
		return "parked", s.park(ctx, m, fault)
	}
	if stored == nil && obs.Deleted {
		// Never seen and not there: an event that came before AWS's reads show
		// the resource, or after it was deleted again. Its last look makes a
		// tombstone all the same: somebody else may have seen the resource before,
		// stood still since then, and be about to write it.
		if next, again := m.nextLook(obs.ObservedAt, s.w.Rereads); again {
			return "unchanged", s.lookAgain(ctx, m.again(next, s.w.Now()))
		}
	}
	account, ok, err := s.w.desk.accountNow(ctx, m.Ref.Account)
	if err != nil {
		return "", err
	}
	if gone(stored, obs) {
		if held, err := s.holdDeletion(ctx, m); held || err != nil {
			return "held", err
		}
	}
	if !ok {
		return "unknown_account", nil
	}
	hash := hashDocument(obs.Ref.Type, obs.Document)
	unchanged := stored != nil && stored.Deleted == obs.Deleted && stored.Hash == hash
	if !unchanged {
		if err := s.markRelated(ctx, m, stored, obs); err != nil {
			return "", err
		}
	}
	if stored != nil && !unchanged {
		// What came before the last change was seen may be behind that or this. Of the
		// last it is told first, so that a crash between the two cannot lose it.
		late := slices.DeleteFunc(lateEvents(*stored, m.Events), func(e qrie.Event) bool { return e.MayFollow(stored.ChangedAt) })
		if len(late) > 0 {
			if _, err := s.explainLate(ctx, m.Ref, late, qrie.AttributionAmbiguous, ""); err != nil {
				return "", err
			}
			if stored, err = s.state(ctx, m.Ref); err != nil {
				return "", err
			}
		}
	}
	note := "no event seen: the change came to light when the resource was read"
	switch {
	case stored == nil && obs.Deleted:
		note = "gone before it was read for the first time"
	case m.Reason == qrie.ReasonScan:
		note = "found by a scan"
	}
	next, unsettled := m.nextLook(obs.ObservedAt, m.ages(s.w.Rereads, obs.ObservedAt, stored, unchanged))
	if pause, ok := workPause(stored, obs, unchanged); ok && (!unsettled || pause < next.pause) {
		next, unsettled = later{pause: pause}, true
	}
	var again *store.DirtyMark
	if unsettled {
		again = m.again(next, s.w.Now())
	}
	eval, outcome, err := s.decide(ctx, look{stored: stored, obs: obs, hash: hash, events: m.Events, note: note, account: account, again: again})
	if err != nil {
		return "", err
	}
	if outcome != "" { // nothing was written
		return outcome, s.lookAgain(ctx, again)
	}
	if !eval.Changed {
		if len(m.Events) == 0 || again != nil && !m.settled(obs.ObservedAt) {
			return "unchanged", nil // what the events did may be yet to be seen
		}
		return s.explainLate(ctx, m.Ref, lateEvents(eval.Next, m.Events), qrie.AttributionUnknown, "unchanged")
	}
	if stored != nil && !stored.Unfinished && m.Reason == qrie.ReasonScan && len(eval.Next.Cause.Events) == 0 {
		s.w.metrics.drift.WithLabelValues(m.Ref.Service()).Inc()
	}
	return "refreshed", nil
}

// state is a resource as stored, nil if it is not. One on which AWS was still at
// work comes with its Cause: the events behind what AWS began are behind its end.
func (s *session) state(ctx context.Context, ref qrie.Ref) (*store.Resource, error) {
	stored, err := s.w.Store.ResourceState(ctx, ref)
	if err == nil && stored.Unfinished {
		stored, err = s.w.Store.Resource(ctx, ref.ResourceID())
		stored.Document = nil
	}
	if errors.Is(err, qrie.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s from the store: %w", ref, err)
	}
	return &stored, nil
}

// decide judges and writes, again whenever something changed meanwhile.
func (s *session) decide(ctx context.Context, l look) (store.Evaluation, string, error) {
	for range 5 {
		l.board, l.now = s.w.desk.current(), s.w.Now()
		start := s.w.Now()
		eval := judge(l)
		s.w.metrics.evaluation.Observe(since(s.w.Now, start))
		if !s.s.Valid() {
			return eval, "", errSessionEnded
		}
		err := s.w.Store.Apply(ctx, eval)
		switch {
		case err == nil:
			s.applied(eval)
			return eval, "", nil
		case errors.Is(err, qrie.ErrStale):
			return eval, "stale", nil
		case errors.Is(err, qrie.ErrConflict):
			s.w.metrics.conflicts.WithLabelValues("version").Inc()
		case errors.Is(err, qrie.ErrGeneration):
			s.w.metrics.conflicts.WithLabelValues("generation").Inc()
		default:
			return eval, "", fmt.Errorf("write %s: %w", l.obs.Ref, err)
		}
		if err := s.w.desk.reload(ctx); err != nil {
			return eval, "", err
		}
		var watched bool
		if l.account, watched = s.w.desk.account(l.obs.Ref.Account); !watched {
			return eval, "unknown_account", nil
		}
		if l.stored, err = s.state(ctx, l.obs.Ref); err != nil {
			return eval, "", err
		}
	}
	return store.Evaluation{}, "", fmt.Errorf("write %s: it changed five times while it was judged", l.obs.Ref)
}

// applied counts what an evaluation made.
func (s *session) applied(eval store.Evaluation) {
	for policy, h := range eval.Next.Heads {
		s.w.metrics.evaluations.WithLabelValues(policy, string(h.Outcome)).Inc()
	}
	now := s.w.Now()
	for _, t := range eval.Transitions {
		s.w.metrics.transitions.WithLabelValues(string(t.Severity.Band()), string(t.Kind)).Inc()
		if len(t.Cause.Events) > 0 && !t.Cause.Events[0].Arrived.IsZero() {
			s.w.metrics.toFinding.Observe(max(0, now.Sub(t.Cause.Events[0].Arrived).Seconds()))
		}
	}
}

func sortTransitions(list []qrie.Transition) {
	slices.SortFunc(list, func(a, b qrie.Transition) int { return cmp.Compare(a.Policy, b.Policy) })
}
