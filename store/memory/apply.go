package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// resource is a resource with its document, and its history, oldest first.
type resource struct {
	store.Resource
	versions []store.Version
}

// finding is a finding with its evidence, and the id of its resource.
type finding struct {
	qrie.Finding
	resource string
}

// transition is an entry of the history.
type transition struct {
	qrie.Transition
	resource string
	waiting  bool // in the outbox
}

// Apply implements store.Resources.
func (s *Store) Apply(ctx context.Context, e store.Evaluation) error {
	if err := e.Valid(); err != nil {
		return err
	}
	e = cloneEvaluation(e).Normal()
	return s.do(ctx, "Apply "+e.Next.Ref.Key(), func() error { return s.apply(e) })
}

// apply changes nothing before every condition holds.
func (s *state) apply(e store.Evaluation) error {
	id := e.Next.Ref.ResourceID()
	old := s.resources[id]
	if repeat, err := store.Admit(old.Resource, e); repeat || err != nil {
		if repeat {
			s.plan(e)
		}
		return err
	}
	if policy := e.Unexplained(old.Resource); policy != "" {
		return fmt.Errorf("evaluation of %s: the finding of policy %s opens or closes without a transition", e.Next.Ref, policy)
	}
	for _, t := range e.Transitions {
		var launch *qrie.Launch
		if l, err := s.launches.get(t.Policy); err == nil {
			launch = &l
		}
		if err := store.Judged(t, launch); err != nil {
			return err
		}
	}
	next := follow(old, e)
	var tally store.Tally
	tally.Resource(old.Resource, next.Resource)
	s.write(id, next)
	for _, t := range e.Transitions {
		s.transit(id, t, &tally)
	}
	s.count(&tally)
	s.plan(e)
	return nil
}

// plan marks the resource for the further look that an evaluation asks for.
func (s *state) plan(e store.Evaluation) {
	if e.Again != nil {
		s.putDirty(*e.Again)
	}
}

func (s *state) write(id string, r resource) {
	if s.opts.Wrote != nil {
		s.opts.Wrote(Written{r.Ref, r.Version, r.ObservedAt, r.Deleted})
	}
	s.resources[id] = r
}

// follow is what an evaluation makes of a resource and its history.
func follow(old resource, e store.Evaluation) resource {
	next := resource{Resource: e.Follow(old.Resource), versions: old.versions}
	if !e.Changed {
		if n := len(next.versions); e.Explains && n > 0 {
			next.versions = slices.Clone(next.versions) // whoever reads the old ones may still do so
			next.versions[n-1].Cause = next.Cause
		}
		return next
	}
	// A slice of its own: whoever reads the old one may still do so.
	keep := old.versions[max(0, len(old.versions)+1-store.MaxVersions):]
	next.versions = append(keep[:len(keep):len(keep)], store.Version{Resource: next.Ref.ResourceID(), Version: next.Version,
		ObservedAt: e.VersionAt(), Deleted: next.Deleted, Cause: next.Cause, Document: next.Document})
	return next
}

// transit brings a finding to where a transition leads and adds the transition
// to the history and the outbox, once for each id. Resolving what is not
// active writes nothing.
func (s *state) transit(resource string, t qrie.Transition, tally *store.Tally) {
	f := finding{s.findings[t.Finding].Finding, resource}
	before := f.Finding
	if !store.ApplyTransition(&f.Finding, &t) {
		return
	}
	s.findings[f.ID] = f
	tally.Finding(before, f.Finding)
	if s.historyIDs[t.ID] {
		return
	}
	s.seq++
	t.Seq = s.seq
	s.historyIDs[t.ID] = true
	s.history = append(s.history, transition{t, resource, true})
	tally.Transition(t)
}
