package dynamo

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// effects are what the write of one resource changes beside it. Its findings
// are written with it; its transitions and what it changes of the counters go
// into the same transaction as one entry, which the log takes up after.
type effects struct {
	transaction
	s     *Store
	ref   qrie.Ref // of the resource
	tally store.Tally
	made  []qrie.Transition
	gates map[string]gate // by policy
}

func newEffects(s *Store, ref qrie.Ref) *effects {
	return &effects{transaction: transaction{c: s.client}, s: s, ref: ref, gates: map[string]gate{}}
}

// gate holds a transition to the launch that store.Judged has let pass.
func (x *effects) gate(t qrie.Transition, launch *qrie.Launch) {
	if t.Kind == qrie.Explained || t.Kind == qrie.Closed && (t.Resolution == qrie.ResolvedDeleted || t.Resolution == qrie.ResolvedAccountRemoved) {
		return
	}
	x.gates[t.Policy] = gateOf(launch)
}

// transitions brings findings to where the transitions lead.
func (x *effects) transitions(ctx context.Context, all []qrie.Transition, r *stored) error {
	if len(all) == 0 {
		return nil
	}
	keys := make([]key, len(all))
	for i, t := range all {
		if !validID(transitionPrefix, t.ID) {
			return fmt.Errorf("%q is no transition id", t.ID)
		}
		keys[i] = key{pk: t.Finding}
	}
	rows, err := x.s.many(ctx, findingsTable, keys, "")
	if err != nil {
		return err
	}
	for i, t := range all {
		f, revision, err := x.s.finding(rows[keys[i]])
		if err != nil {
			return err
		}
		if err := x.transition(ctx, t, f, revision); err != nil {
			return err
		}
		if t.Kind != qrie.Closed && t.Kind != qrie.Explained && !slices.Contains(r.known, t.Policy) {
			r.known = append(slices.Clone(r.known), t.Policy)
			slices.Sort(r.known)
		}
	}
	return nil
}

func (x *effects) transition(ctx context.Context, t qrie.Transition, f qrie.Finding, revision int64) error {
	before := f
	if !store.ApplyTransition(&f, &t) {
		return nil
	}
	buckets, err := x.s.bucketsOf(ctx, f.Ref.AccountService())
	if err != nil {
		return err
	}
	row, err := x.s.findingRow(f, revision+1, buckets)
	if err != nil {
		return err
	}
	if revision == 0 {
		x.put(findingsTable, row, "attribute_not_exists(#FindingId)", nil)
	} else {
		x.put(findingsTable, row, "#Revision = :r", item{":r": number(revision)})
	}
	x.tally.Finding(before, f)
	x.tally.Transition(t)
	t.At, t.Seq = t.At.UTC(), 0
	x.made = append(x.made, t)
	return nil
}

// write writes the resource (nil: there is none to write) with the rest.
// errCondition: something was written between; read again.
func (x *effects) write(ctx context.Context, old *stored, next stored) error {
	shares := sharesOf(x.ref.Type, x.tally.Deltas())
	if old != nil {
		row, err := x.s.resourceRow(next)
		if err != nil {
			return err
		}
		condition, values := "attribute_not_exists(#ResourceId)", item(nil)
		if old.Version > 0 {
			condition, values = "#Version = :base", item{":base": number(old.Version)}
		}
		if len(x.ops) == 0 && len(x.made) == 0 && len(shares) == 0 && len(x.gates) == 0 {
			return x.s.put(ctx, resourcesTable, row, condition, values)
		}
		x.put(resourcesTable, row, condition, values)
	}
	log := entry{Made: x.made, Shares: shares}
	if err := x.enter(log); err != nil {
		return err
	}
	for _, policy := range slices.Sorted(maps.Keys(x.gates)) {
		g := x.gates[policy]
		x.check(policiesTable, gateKey(policy, bucketOf(x.ref.ResourceID(), gates)), "", g.condition, g.values)
	}
	x.throttled = x.s.onThrottled(x.ref)
	if err := x.commit(ctx); err != nil {
		return fmt.Errorf("with its findings and counters: %w", err)
	}
	if !log.empty() {
		x.s.entered(ctx)
	}
	return nil
}
