package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
)

// explainLate gives findings the cause that comes after them: a scan found the
// change first, or the read for an earlier event showed it already. otherwise
// is the outcome if the events explain nothing. told is Ambiguous if another change
// has come to light, which they may be behind instead.
func (s *session) explainLate(ctx context.Context, ref qrie.Ref, events []qrie.Event, told qrie.Attribution, otherwise string) (outcome string, err error) {
	if len(events) == 0 {
		return otherwise, nil
	}
	for range 5 {
		whole, err := s.w.Store.Resource(ctx, ref.ResourceID())
		if errors.Is(err, qrie.ErrNotFound) {
			return otherwise, nil
		}
		if err != nil {
			return "", fmt.Errorf("read %s from the store: %w", ref, err)
		}
		late := lateEvents(whole, events)
		if len(late) == 0 {
			return otherwise, nil
		}
		if !s.s.Valid() {
			return "", errSessionEnded
		}
		policies, err := s.explainable(ctx, whole)
		if err != nil {
			return "", err
		}
		err = s.w.Store.Apply(ctx, explanation(whole, late, told, policies, s.w.Now()))
		if err == nil {
			return "explained", nil
		}
		if !errors.Is(err, qrie.ErrConflict) && !errors.Is(err, qrie.ErrStale) {
			return "", fmt.Errorf("explain %s: %w", ref, err)
		}
		s.w.metrics.conflicts.WithLabelValues("version").Inc()
	}
	return "", fmt.Errorf("explain %s: it changed five times meanwhile", ref)
}

// explainable are the policies that have had a finding of a resource, each with
// the generation at which it was judged. A tombstone has no heads to tell.
func (s *session) explainable(ctx context.Context, stored store.Resource) (map[string]int64, error) {
	out := map[string]int64{}
	for policy, h := range stored.Heads {
		if h.Openings > 0 {
			out[policy] = h.Generation
		}
	}
	if !stored.Deleted {
		return out, nil
	}
	found, err := s.w.Store.ListFindings(ctx, store.FindingQuery{Resource: stored.Ref.ResourceID()}, store.PageRequest{Size: store.MaxTransitions})
	if err != nil {
		return nil, fmt.Errorf("read the findings of %s: %w", stored.Ref, err)
	}
	for _, f := range found.Items {
		out[f.Policy] = f.Generation
	}
	return out, nil
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

// creates reports whether each of the events is of a call that makes a resource.
func creates(ref qrie.Ref, events []qrie.Event) bool {
	t, ok := resources.Find(ref.Type)
	return ok && !slices.ContainsFunc(events, func(e qrie.Event) bool { return !slices.Contains(t.Creates, e.Name) })
}

// explanation is the evaluation that adds late events to the causes of a
// resource and its findings. Which findings they explain, the store knows.
func explanation(stored store.Resource, late []qrie.Event, told qrie.Attribution, policies map[string]int64, now time.Time) store.Evaluation {
	next := stored
	next.Version = stored.Version + 1
	next.Document = nil
	if told == qrie.AttributionUnknown && creates(stored.Ref, late) {
		told = qrie.AttributionExact
	}
	next.Cause, _ = stored.Cause.Explain(late, told)
	next.Explained = explain(stored.Explained, qrie.Cause{Events: late})
	eval := store.Evaluation{Base: stored.Version, Reread: true, Explains: true, Next: next}
	for policy, generation := range policies {
		finding := stored.Ref.FindingID(policy)
		eval.Transitions = append(eval.Transitions, qrie.Transition{
			ID: qrie.TransitionID(finding, next.Version, generation, qrie.Explained), Kind: qrie.Explained, Finding: finding,
			Ref: stored.Ref, Name: stored.Name, Policy: policy, At: now,
			Cause: qrie.Cause{Attribution: told, Events: late}, Generation: generation, Version: next.Version,
		})
	}
	sortTransitions(eval.Transitions)
	return eval
}
