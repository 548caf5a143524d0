package dynamo

import (
	"context"
	"slices"
	"strings"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// findingPlan is how a filter is answered: the partitions of an index, the
// ranges of severity in each, and what is checked on each row.
type findingPlan struct {
	index  *index
	parts  []string
	ranges []store.SeverityRange
	check  rowCheck
}

// plan takes an index and leaves to the check what it does not answer: an
// account narrows best, then a policy, type or service. ok is false if nothing
// stored can meet the filter.
func (s *Store) plan(ctx context.Context, q store.FindingQuery) (p findingPlan, ok bool, err error) {
	states := statesOf(q.States)
	p.ranges = store.SeverityRanges(q.Bands)
	all, err := s.kinds(ctx)
	if err != nil {
		return p, false, err
	}
	var kinds []kind
	var services []string
	for _, k := range all {
		if among(q.Policies, k.policy) && among(q.Types, k.resourceType) && among(q.Services, k.service()) {
			kinds = append(kinds, k)
			services = append(services, k.service())
		}
	}
	slices.Sort(services)
	services = slices.Compact(services)
	if len(states) == 0 || len(p.ranges) == 0 || len(kinds) == 0 {
		return p, false, nil
	}
	p.check = rowCheck{policies: q.Policies, types: q.Types, services: q.Services, accounts: q.Accounts, regions: q.Regions,
		openedFrom: nanos(q.OpenedFrom), text: q.Text}
	parts := len(states) * len(p.ranges)
	var owners int // partitions of the accounts, if they are few enough to be looked up
	var buckets map[string]int
	if n := len(q.Accounts) * len(services); n > 0 && n*parts <= maxSources {
		if buckets, err = s.bucketsNow(ctx, pairs(q.Accounts, services)); err != nil {
			return p, false, err
		}
		for _, n := range buckets {
			owners += n
		}
	}
	switch {
	case owners > 0 && owners*parts <= maxSources:
		p.index, p.check.accounts, p.check.services = &findingsByOwner, nil, nil
		for _, state := range states {
			for _, account := range q.Accounts {
				for _, service := range services {
					p.parts = append(p.parts, ownerShelves(state, account, service, buckets)...)
				}
			}
		}
	case len(kinds) < len(all) && len(kinds)*listBuckets*parts <= maxSources:
		p.index, p.check.policies, p.check.types, p.check.services = &findingsByPolicy, nil, nil, nil
		for _, state := range states {
			for _, k := range kinds {
				for b := range listBuckets {
					p.parts = append(p.parts, policyShelf(state, k, b))
				}
			}
		}
	default:
		p.index = &findingsAll
		for _, state := range states {
			for b := range listBuckets {
				p.parts = append(p.parts, stateShelf(state, b))
			}
		}
	}
	return p, true, nil
}

// sources are the ranges to merge, behind a place in the order.
func (p findingPlan) sources(after string, size int) (out []*source) {
	n := len(p.parts) * len(p.ranges)
	fetch := size + 1
	if n > 1 {
		fetch = min(fetch, max(8, 2*size/n))
	}
	for _, part := range p.parts {
		for _, r := range p.ranges {
			low, high := rankKey(r.Greatest), rankKey(r.Least)+highest("")
			if after != "" {
				low = max(low, following(after))
			}
			out = append(out, &source{stretch: stretch{table: findingsTable, index: p.index, pk: part, low: low, high: high}, fetch: fetch})
		}
	}
	return out
}

func (p findingPlan) meets(it item) bool { return p.check.meets(it) }

// rowCheck is what an index does not answer. Empty members ask for nothing.
type rowCheck struct {
	states                                       []qrie.State
	ranges                                       []store.SeverityRange
	policies, types, services, accounts, regions []string
	openedFrom                                   int64
	text                                         string
}

func (c rowCheck) meets(it item) bool {
	return among(c.policies, it.str("Policy")) && among(c.types, it.str("Type")) && among(c.services, qrie.ServiceOf(it.str("Type"))) &&
		among(c.accounts, it.str("Account")) && among(c.regions, it.str("Region")) &&
		(c.openedFrom == 0 || it.num("OpenedAt") >= c.openedFrom) && (c.text == "" || strings.Contains(it.str("Haystack"), c.text))
}

// meetsPlace checks what the ranges of an index would.
func (c rowCheck) meetsPlace(f qrie.Finding) bool {
	in := slices.ContainsFunc(c.ranges, func(r store.SeverityRange) bool { return f.Severity >= r.Least && f.Severity <= r.Greatest })
	return in && slices.Contains(c.states, f.State)
}

// statesOf leaves out words that are no state.
func statesOf(states []qrie.State) (out []qrie.State) {
	for _, s := range []qrie.State{qrie.Active, qrie.Resolved} {
		if len(states) == 0 || slices.Contains(states, s) {
			out = append(out, s)
		}
	}
	return out
}

func among(values []string, v string) bool {
	return len(values) == 0 || slices.Contains(values, v)
}
