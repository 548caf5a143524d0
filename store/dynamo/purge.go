package dynamo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/qrie-sec/qrie"
)

// PurgeFindings forgets resolved findings of a policy that is not launched.
func (s *Store) PurgeFindings(ctx context.Context, policy string, limit int) (purged int, err error) {
	defer s.metrics.Request("qrie_findings", "purge")(&err)
	kinds, err := s.kinds(ctx)
	if err != nil {
		return 0, fmt.Errorf("forget findings of %s: %w", policy, err)
	}
	_, of, err := s.launchSet(ctx)
	if err != nil {
		return 0, fmt.Errorf("forget findings of %s: %w", policy, err)
	}
	if of[policy] != 0 {
		return 0, fmt.Errorf("forget findings of %s: it is launched: %w", policy, qrie.ErrConflict)
	}
	var found []string
	for _, k := range kinds {
		if k.policy != policy {
			continue
		}
		m := merge{c: s.client, bound: limit + listBuckets*maxFetch}
		for b := range listBuckets {
			m.sources = append(m.sources, &source{fetch: 50, stretch: stretch{table: findingsTable, index: &findingsByPolicy, pk: policyShelf(qrie.Resolved, k, b)}})
		}
		for len(found) < limit {
			r, ok, err := m.next(ctx)
			if err != nil {
				return 0, fmt.Errorf("forget findings of %s: %w", policy, err)
			}
			if !ok {
				break
			}
			found = append(found, r.item.str("FindingId"))
		}
	}
	var n atomic.Int64
	err = limited(ctx, found, closers, func(ctx context.Context, id string) error {
		gone, err := s.purge(ctx, policy, id)
		if gone {
			n.Add(1)
		}
		return err
	})
	if err != nil {
		return int(n.Load()), fmt.Errorf("forget findings of %s: %w", policy, err)
	}
	// One that an index still named, and that is gone, counts: there may be more.
	return len(found), nil
}

// purge forgets one finding, unless it came back.
func (s *Store) purge(ctx context.Context, policy, id string) (bool, error) {
	it, err := s.get(ctx, findingsTable, id, "")
	if err != nil {
		return false, err
	}
	f, revision, err := s.finding(it)
	if err != nil || revision == 0 || f.State != qrie.Resolved {
		return false, err
	}
	x := newEffects(s, f.Ref)
	x.gates[policy] = gateOf(nil)
	x.remove(findingsTable, id, "", "#Revision = :r", item{":r": number(revision)})
	x.tally.Finding(f, qrie.Finding{})
	err = x.write(ctx, nil, stored{})
	if errors.Is(err, errCondition) {
		launches, read := s.launches(ctx, []string{policy})
		if read != nil {
			return false, read
		}
		if launches[policy] != nil {
			return false, fmt.Errorf("it is launched: %w", qrie.ErrConflict)
		}
		return false, nil // it came back just now
	}
	return err == nil, err
}
