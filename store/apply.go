package store

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
)

// MaxVersions bounds the history of one resource. It may be passed by a few
// before an adapter trims.
const MaxVersions = 200

// MaxTransitions bounds the transitions of one evaluation, which are written as
// one: more policies than that cannot change their verdicts on a resource at once.
const MaxTransitions = 40

// Admit decides whether an evaluation may be written over what is stored
// (Version 0 if nothing is). repeat says that it is there already: nothing is
// to be done. Otherwise the error is ErrStale or ErrConflict, as Apply promises.
func Admit(stored Resource, e Evaluation) (repeat bool, err error) {
	next := e.Next
	if e.Explains {
		if stored.Version != e.Base {
			return false, fmt.Errorf("%s was read at version %d, stored is %d: %w", next.Ref, e.Base, stored.Version, qrie.ErrConflict)
		}
		return false, nil
	}
	if stored.Version == 0 {
		if e.Base != 0 {
			return false, fmt.Errorf("%s was read at version %d and is gone: %w", next.Ref, e.Base, qrie.ErrConflict)
		}
		return false, nil
	}
	same := stored.Deleted == next.Deleted && stored.Hash == next.Hash && maps.Equal(stored.Heads, next.Heads)
	if e.Reread {
		if same && stored.Version == e.Base+1 && stored.Generation == next.Generation {
			return true, nil
		}
	} else {
		switch next.ObservedAt.Compare(stored.ObservedAt) {
		case 0:
			if same {
				return true, nil
			}
			fallthrough
		case -1:
			return false, fmt.Errorf("%s observed at %s, stored is %s: %w", next.Ref, stamp(next.ObservedAt), stamp(stored.ObservedAt), qrie.ErrStale)
		}
	}
	if stored.Version != e.Base {
		return false, fmt.Errorf("%s was read at version %d, stored is %d: %w", next.Ref, e.Base, stored.Version, qrie.ErrConflict)
	}
	return false, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Valid reports what is wrong with an evaluation by itself: a mistake of the
// program that made it, which trying again does not mend.
func (e Evaluation) Valid() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("evaluation of %s: %s", e.Next.Ref, fmt.Sprintf(format, args...))
	}
	next := e.Next
	switch {
	case next.Ref.Account == "" || next.Ref.Type == "" || next.Ref.ID == "":
		return bad("the ref lacks its account, type or id")
	case next.ObservedAt.IsZero() && !e.Reread:
		return bad("it does not say when it was observed")
	case e.Base == 0 && !e.Changed:
		return bad("a resource that is not stored has changed by definition")
	case e.Explains && (!e.Reread || e.Base == 0):
		return bad("what is explained is stored, and was not observed")
	case e.Reread && e.Changed:
		return bad("stored documents were judged anew, so they cannot have changed")
	case e.Changed && len(next.Document) == 0 && !next.Deleted:
		return bad("a changed resource needs its document")
	case e.Again != nil && e.Again.Ref.Key() != next.Ref.Key():
		return bad("the further look is at %s", e.Again.Ref)
	case len(e.Transitions) > MaxTransitions:
		return bad("%d transitions; one evaluation makes %d at the most", len(e.Transitions), MaxTransitions)
	}
	seen := map[string]bool{}
	for _, t := range e.Transitions {
		switch {
		case t.Finding != next.Ref.FindingID(t.Policy):
			return bad("transition %s is of another finding", t.ID)
		case seen[t.Policy]:
			return bad("policy %s has two transitions", t.Policy)
		case t.At.IsZero():
			return bad("transition %s does not say when", t.ID)
		case !t.Severity.Valid():
			return bad("transition %s has severity %d, which is not within 0 to 100", t.ID, t.Severity)
		case e.Explains != (t.Kind == qrie.Explained):
			return bad("transition %s is %s: an evaluation explains, or it judges", t.ID, t.Kind)
		case e.Explains && t.Version != e.Base+1:
			return bad("transition %s is of version %d, and explains one that is written as %d", t.ID, t.Version, e.Base+1)
		case !e.Explains && next.Heads[t.Policy].Open != (t.Kind != qrie.Closed):
			return bad("transition %s (%s) does not fit the head of policy %s", t.ID, t.Kind, t.Policy)
		}
		seen[t.Policy] = true
	}
	return nil
}

// MaxEvidenceBytes bounds the evidence that is kept of one finding. A row of a
// store is bounded, and a person reads the first few violations.
const MaxEvidenceBytes = 16 << 10

// Normal is the evaluation as it is stored: within its bounds, and with what may
// be left out filled in.
func (e Evaluation) Normal() Evaluation {
	if e.Next.Heads == nil {
		e.Next.Heads = map[string]Head{}
	}
	if e.Next.ListedAt.IsZero() {
		e.Next.ListedAt = e.Next.ObservedAt
	}
	if e.Next.FirstSeen.IsZero() {
		e.Next.FirstSeen = e.Next.ObservedAt
	}
	if e.Next.Deleted {
		e.Next.DueAt = time.Time{}
	}
	if e.Changed {
		e.Next.ChangedAt = latest(e.Next.ChangedAt, e.VersionAt())
	}
	e.Next.Explained = e.Next.Explained[:min(len(e.Next.Explained), MaxExplained)]
	e.Transitions = slices.Clone(e.Transitions)
	for i := range e.Transitions {
		e.Transitions[i].Evidence = boundEvidence(e.Transitions[i].Evidence)
	}
	return e
}

// VersionAt is the time of what a changed resource adds to its history.
func (e Evaluation) VersionAt() time.Time { return cmp.Or(e.RemovedAt, e.Next.ObservedAt) }

// Follow is what a resource as stored (the zero Resource if none is) becomes by an
// evaluation, as Normal gives it, that was admitted over it.
func (e Evaluation) Follow(old Resource) Resource {
	next := e.Next
	next.Version = e.Base + 1
	next.ListedAt = latest(old.ListedAt, next.ListedAt)
	if e.Reread {
		next.ObservedAt = old.ObservedAt
	}
	if old.Version > 0 {
		next.FirstSeen = old.FirstSeen
	}
	if e.Changed {
		if next.Deleted {
			next.Document = nil
		}
		return next
	}
	next.ChangedAt, next.Document = old.ChangedAt, old.Document
	if !e.Explains {
		next.Cause = old.Cause
	}
	if !e.Reread && len(e.Transitions) == 0 {
		// No document came with it, so nothing that a document tells has changed.
		next.Ref, next.Deleted, next.Name, next.Tags = old.Ref, old.Deleted, old.Name, old.Tags
		next.Explained, next.Missing, next.Ties, next.Unfinished = old.Explained, old.Missing, old.Ties, old.Unfinished
	}
	return next
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// boundEvidence keeps the first violations and then the first pointers that
// there is room for. Total still counts all.
func boundEvidence(e qrie.Evidence) qrie.Evidence {
	room := MaxEvidenceBytes
	for i, v := range e.Violations {
		if room -= len(v); room < 0 {
			e.Violations, e.Pointers = e.Violations[:i], nil
			return e
		}
	}
	for i, p := range e.Pointers {
		if room -= len(p); room < 0 {
			e.Pointers = e.Pointers[:i]
			return e
		}
	}
	return e
}

// Unexplained names a policy whose finding would open or close without a
// transition, empty if there is none. Counters and heads would part for ever.
func (e Evaluation) Unexplained(stored Resource) string {
	explained := make(map[string]bool, len(e.Transitions))
	for _, t := range e.Transitions {
		explained[t.Policy] = t.Kind != qrie.Explained
	}
	for policy, h := range e.Next.Heads {
		if h.Open != stored.Heads[policy].Open && !explained[policy] {
			return policy
		}
	}
	for policy, h := range stored.Heads {
		if _, ok := e.Next.Heads[policy]; !ok && h.Open && !explained[policy] {
			return policy
		}
	}
	return ""
}

// Judged checks the generation of a transition against its launch as stored
// (nil if there is none): ErrGeneration, unless the transition resolves for a
// reason that no launch has a say in. A finding of a suspended policy is
// resolved when its resource is deleted, and one of a deleted policy when the
// policy is indeed not launched.
func Judged(t qrie.Transition, launch *qrie.Launch) error {
	if t.Kind == qrie.Explained {
		return nil
	}
	if t.Kind == qrie.Closed {
		switch t.Resolution {
		case qrie.ResolvedDeleted, qrie.ResolvedAccountRemoved:
			return nil
		case qrie.ResolvedPolicyDeleted:
			if launch == nil {
				return nil
			}
		}
	}
	if launch == nil {
		return fmt.Errorf("policy %s is not launched: %w", t.Policy, qrie.ErrGeneration)
	}
	if launch.Status != qrie.LaunchActive || launch.Generation != t.Generation {
		return fmt.Errorf("policy %s was judged at generation %d and is %s at %d: %w",
			t.Policy, t.Generation, launch.Status, launch.Generation, qrie.ErrGeneration)
	}
	return nil
}

// ApplyTransition brings a finding (an empty one if none is stored) to where
// the transition leads, and mends the kind of t by what the store knows: a
// finding that was there before is reopened, not opened. It reports false, and
// changes nothing, for the resolving of what is not active.
func ApplyTransition(f *qrie.Finding, t *qrie.Transition) bool {
	if t.Kind == qrie.Explained {
		return explain(f, t)
	}
	if t.Kind == qrie.Closed {
		if f.ID == "" || f.State != qrie.Active {
			return false
		}
		cause := t.Cause
		f.State, f.Resolution, f.ResolvedAt, f.ResolvedCause = qrie.Resolved, t.Resolution, t.At.UTC(), &cause
		// What is resolved keeps the words and the weight it had.
		t.Severity = f.Severity
		if t.Summary == "" {
			t.Summary = f.Summary
		}
	} else {
		switch {
		case f.ID == "":
			t.Kind = qrie.Opened
			f.ID, f.Policy, f.FirstSeen = t.Finding, t.Policy, t.At.UTC()
		case f.State != qrie.Active:
			t.Kind = qrie.Reopened
			f.Reopened++
		default:
			t.Kind = qrie.Changed
		}
		if t.Kind != qrie.Changed {
			f.State, f.OpenedAt, f.Cause = qrie.Active, t.At.UTC(), t.Cause
			f.Resolution, f.ResolvedAt, f.ResolvedCause = "", time.Time{}, nil
		}
		f.Severity, f.Summary, f.Evidence = t.Severity, t.Summary, t.Evidence
	}
	f.Ref, f.Name = t.Ref, t.Name
	f.ChangedAt, f.Generation, f.Version = t.At.UTC(), t.Generation, t.Version
	return true
}

// explain adds events to the causes of a finding in whose spans they are. What
// may be behind the opening and the resolving is told of both, unless it is known
// to be behind one of them. It reports false, and changes nothing, if no event says
// what is not known yet.
func explain(f *qrie.Finding, t *qrie.Transition) bool {
	if f.ID == "" {
		return false
	}
	opening, told, found := t.Cause.Events, t.Cause.Attribution, false
	if was := f.ResolvedCause; was != nil {
		var resolving []qrie.Event
		opening = nil
		for _, e := range t.Cause.Events {
			mayResolve := was.Spans(e) && !f.Cause.Lists(e)
			if mayResolve {
				resolving = append(resolving, e)
			}
			mayOpen := f.Cause.Spans(e) && !was.Lists(e)
			if mayOpen {
				opening = append(opening, e)
			}
			if mayOpen && mayResolve {
				told = qrie.AttributionAmbiguous
			}
		}
		if cause, ok := was.Explain(resolving, told); ok {
			f.ResolvedCause, t.Cause, found = &cause, cause, true
		}
	}
	if cause, ok := f.Cause.Explain(opening, told); ok {
		f.Cause = cause
		if !found {
			t.Cause, found = cause, true
		}
	}
	t.Ref, t.Name, t.Severity, t.Resolution, t.Summary = f.Ref, f.Name, f.Severity, f.Resolution, f.Summary
	return found
}

// Join fills the members of a finding that are kept on its resource, which is
// nil if it is no longer stored: then the finding was last judged when it last
// changed.
func Join(f *qrie.Finding, r *Resource) {
	f.LastEvaluated = f.ChangedAt
	if r == nil {
		return
	}
	f.LastEvaluated = r.ObservedAt
	if h := r.Heads[f.Policy]; f.State == qrie.Active && h.Outcome == qrie.Unknown {
		f.Unknown = h.Reason
	}
}

// Forget is the resource without the head of a policy that is no longer
// launched, and the transition that resolves its finding.
func Forget(r Resource, f qrie.Finding, why qrie.Resolution, generation int64, at time.Time) (Resource, qrie.Transition) {
	r.Version++
	r.Heads = maps.Clone(r.Heads)
	delete(r.Heads, f.Policy)
	return r, qrie.Transition{
		ID: qrie.TransitionID(f.ID, r.Version, generation, qrie.Closed), Kind: qrie.Closed, Finding: f.ID,
		Ref: f.Ref, Name: f.Name, Policy: f.Policy, Severity: f.Severity, Resolution: why, Summary: f.Summary,
		Cause: qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, Note: "the policy is no longer launched"},
		At:    at.UTC(), Generation: generation, Version: r.Version,
	}
}
