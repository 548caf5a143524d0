package dynamo

import (
	"context"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// countRows counts from the rows themselves, through the indexes.
func (s *Store) countRows(ctx context.Context) (sums map[store.Counter]int64, types map[store.Counter]string, err error) {
	r := &rowCount{s: s, sums: map[store.Counter]int64{}, types: map[store.Counter]string{}}
	for _, part := range []struct {
		what string
		read func(context.Context) error
	}{{"findings", r.findings}, {"resources", r.resources}, {"transitions", r.days}} {
		if err := part.read(ctx); err != nil {
			return nil, nil, fmt.Errorf("count %s: %w", part.what, err)
		}
	}
	return r.sums, r.types, nil
}

type rowCount struct {
	s     *Store
	sums  map[store.Counter]int64
	types map[store.Counter]string // of verdicts: a type that has some
}

func (r *rowCount) both(c store.Counter, resourceType string) {
	for _, account := range []string{c.Account, ""} {
		c.Account = account
		r.sums[c]++
		r.types[c] = resourceType
	}
}

func (r *rowCount) findings(ctx context.Context) error {
	for _, state := range statesOf(nil) {
		for b := range listBuckets {
			err := r.s.all(ctx, stretch{table: findingsTable, index: &findingsAll, pk: stateShelf(state, b), only: "#Account, #Policy, #Order"}, func(it item) error {
				var rank int
				if _, err := fmt.Sscanf(it.str("Order"), "%d", &rank); err != nil {
					return fmt.Errorf("place %q of a finding: %w", it.str("Order"), err)
				}
				r.both(store.FindingCounter(it.str("Account"), it.str("Policy"), state, qrie.Severity(100-rank)), "")
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rowCount) resources(ctx context.Context) error {
	types, err := r.s.texts(ctx, typeName)
	if err != nil {
		return err
	}
	for _, t := range types {
		for b := range listBuckets {
			st := stretch{table: resourcesTable, index: &resourcesByPlace, pk: shelfOf(t, b)}
			for done := false; !done; {
				var page []item
				var last string
				if page, last, done, err = r.s.read(ctx, st); err != nil {
					return err
				}
				if err := r.resourcesAt(ctx, page); err != nil {
					return err
				}
				st.low = following(last)
			}
		}
	}
	return nil
}

func (r *rowCount) resourcesAt(ctx context.Context, page []item) error {
	keys := make([]key, len(page))
	for i, it := range page {
		keys[i] = keyOf(resourcesTable, it)
	}
	rows, err := r.s.many(ctx, resourcesTable, keys, "")
	if err != nil {
		return err
	}
	for _, it := range rows {
		res, err := r.s.resource(it)
		if err != nil {
			return err
		}
		if res.Deleted {
			continue
		}
		r.both(store.ResourceCounter(res.Ref.Account, res.Ref.Type, false), res.Ref.Type)
		if open, _ := res.OpenFindings(); open > 0 {
			r.both(store.ResourceCounter(res.Ref.Account, res.Ref.Type, true), res.Ref.Type)
		}
		for policy, h := range res.Heads {
			r.both(store.VerdictCounter(res.Ref.Account, policy, h.Outcome), res.Ref.Type)
		}
	}
	return nil
}

// days counts the transitions in the log, after all are in it.
func (r *rowCount) days(ctx context.Context) error {
	if err := r.s.giveSeqs(ctx); err != nil {
		return err
	}
	var tally store.Tally
	err := r.s.eachBatch(ctx, func(_ logBatch, found map[string]qrie.Transition) (bool, error) {
		for _, t := range found {
			tally.Transition(t)
		}
		return true, nil
	})
	for _, d := range tally.Deltas() {
		r.sums[d.Counter] += d.N
	}
	return err
}
