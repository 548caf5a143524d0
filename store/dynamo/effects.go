package dynamo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// effects are what the write of one resource changes beside it.
type effects struct {
	transaction
	s  *Store
	id string // of the resource

	resourceType string

	tally store.Tally
	gates map[string]gate // by policy
	n     int             // transitions so far
}

// gate is what the generation of a policy's launch must be for the write.
type gate struct {
	condition string
	values    item
}

func newEffects(s *Store, ref qrie.Ref) *effects {
	return &effects{transaction: transaction{c: s.client}, s: s, id: ref.ResourceID(), resourceType: ref.Type, gates: map[string]gate{}}
}

// gate holds a transition to the launch that store.Judged has let pass.
func (x *effects) gate(t qrie.Transition, launch *qrie.Launch) {
	switch {
	case t.Kind == qrie.Closed && (t.Resolution == qrie.ResolvedDeleted || t.Resolution == qrie.ResolvedAccountRemoved):
	case launch == nil:
		x.gates[t.Policy] = gate{condition: "attribute_not_exists(#Gate)"}
	default:
		x.gates[t.Policy] = gate{"#Gate = :gate AND #Status = :active", item{":gate": number(launch.Generation), ":active": text(string(qrie.LaunchActive))}}
	}
}

// transitions brings findings to where the transitions lead, and adds those
// that led anywhere to the history.
func (x *effects) transitions(ctx context.Context, all []qrie.Transition, r *stored) error {
	if len(all) == 0 {
		return nil
	}
	keys := make([]key, len(all))
	for i, t := range all {
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
		if err := x.transition(t, f, revision); err != nil {
			return err
		}
		if t.Kind != qrie.Closed && !slices.Contains(r.known, t.Policy) {
			r.known = append(slices.Clone(r.known), t.Policy)
			slices.Sort(r.known)
		}
	}
	return nil
}

func (x *effects) transition(t qrie.Transition, f qrie.Finding, revision int64) error {
	before := f
	if !store.ApplyTransition(&f, &t) {
		return nil
	}
	row, err := x.s.findingRow(f, revision+1)
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
	return x.history(t)
}

// write writes the resource (nil: there is none to write) with the rest.
// errCondition: something was written between; read again.
func (x *effects) write(ctx context.Context, old *stored, next stored) error {
	if old != nil {
		row, err := x.s.resourceRow(next)
		if err != nil {
			return err
		}
		condition, values := "attribute_not_exists(#ResourceId)", item(nil)
		if old.Version > 0 {
			condition, values = "#Version = :base", item{":base": number(old.Version)}
		}
		deltas := x.tally.Deltas()
		if len(deltas) == 0 && len(x.ops) == 0 && len(x.gates) == 0 {
			return x.s.put(ctx, resourcesTable, row, condition, values)
		}
		x.put(resourcesTable, row, condition, values)
	}
	x.count()
	if err := x.commit(ctx); err != nil {
		return fmt.Errorf("with its findings and counters: %w", err)
	}
	return nil
}

// Names of the rows of counters.
const (
	policyCounters = "policy#"
	typeCounters   = "type#"
	dayCounters    = "day#"
)

// counterRow is the row and the attribute of a counter. Verdicts are counted in
// the row of the resource's type: a new resource has one for each policy, and a
// row for each would cost two units a policy.
func counterRow(c store.Counter, resourceType string, bucket int) (k key, attribute string) {
	k.pk = c.Account
	if k.pk == "" {
		k.pk = totalPart(bucket)
	}
	switch c.Dimension {
	case store.ByResource:
		k.sk = typeCounters + c.Name
	case store.ByVerdict:
		return key{k.pk, typeCounters + resourceType}, string(c.Dimension) + "/" + c.Name + "/" + c.Part
	case store.ByDay:
		k.sk = dayCounters + c.Name
	default:
		k.sk = policyCounters + c.Name
	}
	return k, string(c.Dimension) + "/" + c.Part
}

// lastPrefix begins the attribute that says when the last one was added.
const lastPrefix = "at/"

// totalBuckets spreads the totals, which every transition changes.
const totalBuckets = 8

// count adds the deltas, one update a row, and holds the gates: on the row of
// totals where there is one to update, else by a check.
func (x *effects) count() {
	bucket := bucketOf(x.id, totalBuckets)
	open := x.gates
	type group struct {
		k key
		change
		add, set []string
	}
	var groups []*group
	byKey := map[key]*group{}
	for _, d := range x.tally.Deltas() {
		k, attribute := counterRow(d.Counter, x.resourceType, bucket)
		g := byKey[k]
		if g == nil {
			g = &group{k: k, change: change{values: item{":one": number(1)}, names: map[string]string{}}, add: []string{"#Rev :one"}}
			if policy, ok := strings.CutPrefix(k.sk, policyCounters); ok && d.Account == "" {
				if held, ok := open[policy]; ok {
					g.condition = held.condition
					for name, v := range held.values {
						g.values[name] = v
					}
					delete(open, policy)
				}
			}
			byKey[k] = g
			groups = append(groups, g)
		}
		n := len(g.names)
		if d.N != 0 {
			g.names[fmt.Sprintf("#C%d", n)], g.values[fmt.Sprintf(":c%d", n)] = attribute, number(d.N)
			g.add = append(g.add, fmt.Sprintf("#C%d :c%d", n, n))
		}
		if !d.At.IsZero() {
			g.names[fmt.Sprintf("#T%d", n)], g.values[fmt.Sprintf(":t%d", n)] = lastPrefix+attribute, number(nanos(d.At))
			g.set = append(g.set, fmt.Sprintf("#T%d = :t%d", n, n))
		}
	}
	for _, g := range groups {
		g.update = "ADD " + strings.Join(g.add, ", ")
		if len(g.set) > 0 {
			g.update += " SET " + strings.Join(g.set, ", ")
		}
		x.update(countersTable, g.k.pk, g.k.sk, g.change)
	}
	for policy, held := range open {
		x.check(countersTable, totalPart(bucket), policyCounters+policy, held.condition, held.values)
	}
}
