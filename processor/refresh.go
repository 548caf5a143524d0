package processor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// refresh is step 2 for one resource: read it, judge it, write what follows.
// It returns once all that is durable, or when the session ended; the lane
// then calls done or drops it.
func (s *session) refresh(ctx context.Context, m touched) {
	defer func() {
		if r := recover(); r != nil {
			s.w.metrics.panics.WithLabelValues("refresh").Inc()
			s.w.Log.Error("refresh panicked", "resource", m.Ref.String(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			s.buryMark(m, fmt.Errorf("BUG: refresh panicked: %v", r))
		}
	}()
	if m.Ref.ID == "" {
		s.listInstead(m)
		return
	}
	if s.handled(m) {
		s.mark(m, "already_seen")
		return
	}
	start := s.w.Now()
	outcome := ""
	err := s.persist(func() (err error) {
		outcome, err = s.attempt(ctx, m)
		return err
	})
	if err != nil {
		return
	}
	s.mark(m, outcome)
	s.w.metrics.refresh.WithLabelValues(m.Ref.Service()).Observe(since(s.w.Now, start))
	if outcome != "parked" {
		for _, e := range m.Events {
			s.seen.add(e.ID + m.Ref.Key())
		}
	}
}

func (s *session) mark(m touched, outcome string) {
	s.w.metrics.marks.WithLabelValues(m.Ref.Service(), outcome).Inc()
}

// handled reports whether every event of the mark was handled before. A look
// that a first look asked for is never skipped.
func (s *session) handled(m touched) bool {
	if len(m.Events) == 0 || m.Attempt > 0 || m.Reason != qrie.ReasonEvent {
		return false
	}
	for _, e := range m.Events {
		if !s.seen.has(e.ID + m.Ref.Key()) {
			return false
		}
	}
	return true
}

// attempt does one refresh. An error means: try again soon, nothing is lost.
func (s *session) attempt(ctx context.Context, m touched) (outcome string, err error) {
	stored, err := s.state(ctx, m.Ref)
	if err != nil {
		return "", err
	}
	obs, fault := s.describe(ctx, m, stored)
	if fault != nil {
		return "parked", s.park(ctx, m, fault)
	}
	if stored == nil && obs.Deleted {
		// Never seen and not there: an event that came before AWS's reads show
		// the resource, or after it was deleted again.
		return "unchanged", s.lookAgain(ctx, m)
	}
	account, ok := s.w.desk.account(m.Ref.Account)
	if !ok {
		return "unknown_account", nil
	}
	note := "no event seen: the change came to light when the resource was read"
	if m.Reason == qrie.ReasonScan {
		note = "found by a scan"
	}
	// Another look is planned beside the writing, so that both share a commit:
	// after an event whose change is not to be seen, and after one so fresh
	// that this may be what an earlier event made, or a part of what this one
	// made (an instance can be seen before its volumes can).
	var planned errgroup.Group
	if len(m.Events) > 0 && (same(stored, obs) || obs.ObservedAt.Sub(m.Events[0].Time) < freshEvent) {
		planned.Go(func() error { return s.lookAgain(ctx, m) })
	}
	eval, outcome, err := s.decide(ctx, look{stored: stored, obs: obs, events: m.Events, note: note, account: account})
	if err := errors.Join(err, planned.Wait()); err != nil || outcome == "stale" {
		return outcome, err
	}
	if !eval.Changed {
		return "unchanged", nil
	}
	if stored != nil && m.Reason == qrie.ReasonScan && len(eval.Next.Cause.Events) == 0 {
		s.w.metrics.drift.WithLabelValues(m.Ref.Service()).Inc()
	}
	return "refreshed", nil
}

// same reports whether an observation shows what is stored.
func same(stored *store.Resource, obs qrie.Observation) bool {
	return stored != nil && stored.Deleted == obs.Deleted && stored.Hash == hashDocument(obs.Ref.Type, obs.Document)
}

// freshEvent is how long after an event AWS's reads may well be older than it.
const freshEvent = 10 * time.Second

func (s *session) state(ctx context.Context, ref qrie.Ref) (*store.Resource, error) {
	stored, err := s.w.Store.ResourceState(ctx, ref)
	if errors.Is(err, qrie.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s from the store: %w", ref, err)
	}
	return &stored, nil
}

// describe reads the resource. A deletion of something stored is confirmed by
// a second look, because a read may be older than the resource.
func (s *session) describe(ctx context.Context, m touched, stored *store.Resource) (qrie.Observation, error) {
	obs, err := s.read(ctx, m.Ref)
	if err == nil && obs.Deleted && stored != nil && !stored.Deleted && sleep(ctx, s.w.ConfirmGone) {
		obs, err = s.read(ctx, m.Ref)
	}
	return obs, err
}

func (s *session) read(ctx context.Context, ref qrie.Ref) (qrie.Observation, error) {
	if err := s.w.allow(ctx, ref); err != nil {
		return qrie.Observation{}, err
	}
	obs, err := s.w.Reader.Describe(ctx, ref)
	outcome := "ok"
	var fault *qrie.Fault
	switch {
	case errors.As(err, &fault):
		outcome = string(fault.Kind)
	case err != nil:
		outcome = string(qrie.Transient)
	case obs.Deleted:
		outcome = "deleted"
	}
	s.w.metrics.describes.WithLabelValues(ref.Service(), outcome).Inc()
	return obs, err
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
			if l.stored, err = s.state(ctx, l.obs.Ref); err != nil {
				return eval, "", err
			}
		case errors.Is(err, qrie.ErrGeneration):
			s.w.metrics.conflicts.WithLabelValues("generation").Inc()
			if err := s.w.desk.reload(ctx); err != nil {
				return eval, "", err
			}
			if l.stored, err = s.state(ctx, l.obs.Ref); err != nil {
				return eval, "", err
			}
		default:
			return eval, "", fmt.Errorf("write %s: %w", l.obs.Ref, err)
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

// lookAgain plans another look after an event whose change was not to be seen.
func (s *session) lookAgain(ctx context.Context, m touched) error {
	if len(m.Events) == 0 || m.Attempt >= len(s.w.Rereads) {
		return nil
	}
	now := s.w.Now()
	err := s.w.Store.PutDirty(ctx, store.DirtyMark{Ref: m.Ref, Events: m.Events, Reason: "settle",
		DueAt: now.Add(s.w.Rereads[m.Attempt]), Attempts: m.Attempt + 1, Since: now})
	if err != nil {
		return fmt.Errorf("plan another look at %s: %w", m.Ref, err)
	}
	return nil
}

// park lets a resource wait that cannot be read now, so that its record does
// not hold up the shard.
func (s *session) park(ctx context.Context, m touched, why error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	reason, pause := "transient", s.w.ParkFor
	var fault *qrie.Fault
	if errors.As(why, &fault) {
		reason = string(fault.Kind)
		switch fault.Kind {
		case qrie.Denied, qrie.Unreached, qrie.Invalid:
			pause *= 60
		}
		pause = max(pause, fault.RetryAfter)
	}
	pause = min(pause<<min(m.Attempt, 6), 30*time.Minute)
	s.w.Log.Info("resource cannot be read now and will be tried again", "resource", m.Ref.String(), "reason", reason, "pause", pause, "error", why)
	now := s.w.Now()
	if err := s.w.Store.PutDirty(ctx, store.DirtyMark{Ref: m.Ref, Events: m.Events, Reason: reason, DueAt: now.Add(pause), Attempts: m.Attempt + 1, Since: now}); err != nil {
		return fmt.Errorf("park %s: %w", m.Ref, err)
	}
	return nil
}

// buryMark keeps a mark that makes the worker panic.
func (s *session) buryMark(m touched, why error) {
	r, err := encode(kindMark, m.Ref.AccountService(), []touched{m})
	if err != nil {
		r.Data, _ = json.Marshal(m.Ref) // plain strings
	}
	r.Shard = s.s.Shard()
	s.letter(r, m.Ref.Key(), r.Data, why)
	s.mark(m, "dead_letter")
}

func sortTransitions(list []qrie.Transition) {
	slices.SortFunc(list, func(a, b qrie.Transition) int { return cmp.Compare(a.Policy, b.Policy) })
}
