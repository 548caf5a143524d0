package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// explainLate gives findings the cause that comes after them: a scan found the
// change first, or the read for an earlier event showed it already. otherwise
// is the outcome if the events explain nothing.
func (s *session) explainLate(ctx context.Context, m touched, stored store.Resource, otherwise string) (outcome string, err error) {
	if len(lateEvents(stored, m.Events)) == 0 {
		return otherwise, nil
	}
	for range 5 {
		whole, err := s.w.Store.Resource(ctx, m.Ref.ResourceID())
		if errors.Is(err, qrie.ErrNotFound) {
			return otherwise, nil
		}
		if err != nil {
			return "", fmt.Errorf("read %s from the store: %w", m.Ref, err)
		}
		late := lateEvents(whole, m.Events)
		if len(late) == 0 {
			return otherwise, nil
		}
		if !s.s.Valid() {
			return "", errSessionEnded
		}
		err = s.w.Store.Apply(ctx, explanation(whole, late, s.w.Now()))
		if err == nil {
			return "explained", nil
		}
		if !errors.Is(err, qrie.ErrConflict) && !errors.Is(err, qrie.ErrStale) {
			return "", fmt.Errorf("explain %s: %w", m.Ref, err)
		}
		s.w.metrics.conflicts.WithLabelValues("version").Inc()
	}
	return "", fmt.Errorf("explain %s: it changed five times meanwhile", m.Ref)
}

// lateEvents are those that can have made the last change of a resource or an
// earlier one, and that none is ascribed to yet.
func lateEvents(stored store.Resource, events []qrie.Event) (late []qrie.Event) {
	for _, e := range events {
		// What came after the last change was found is behind none.
		if !slices.Contains(stored.Explained, e.ID) && !e.Time.After(stored.ChangedAt) {
			late = append(late, e)
		}
	}
	return late
}

// explanation is the evaluation that adds late events to the causes of a
// resource and its findings. Which findings they explain, the store knows.
func explanation(stored store.Resource, late []qrie.Event, now time.Time) store.Evaluation {
	next := stored
	next.Version = stored.Version + 1
	next.Document = nil
	next.Cause, _ = stored.Cause.Explain(late)
	next.Explained = explain(stored.Explained, qrie.Cause{Events: late})
	eval := store.Evaluation{Base: stored.Version, Reread: true, Explains: true, Next: next}
	for policy, h := range stored.Heads {
		if h.Openings == 0 {
			continue // it never had a finding
		}
		finding := stored.Ref.FindingID(policy)
		eval.Transitions = append(eval.Transitions, qrie.Transition{
			ID: qrie.TransitionID(finding, next.Version, h.Generation, qrie.Explained), Kind: qrie.Explained, Finding: finding,
			Ref: stored.Ref, Name: stored.Name, Policy: policy, Severity: h.Severity, At: now,
			Cause: qrie.Cause{Attribution: qrie.AttributionUnknown, Events: late}, Generation: h.Generation, Version: next.Version,
		})
	}
	sortTransitions(eval.Transitions)
	return eval
}
