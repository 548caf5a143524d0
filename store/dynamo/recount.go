package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qrie-sec/qrie/store"
)

// Recount compares every counter with what it counts. There is no moment at
// which all of it could be read, so a counter is judged only if its row was
// not written while the counting went on: a row's revision grows with every
// write, and what it counts changes in the same transaction. A difference must
// show twice, because an index may lag behind its table. Those that kept
// changing are left to the next recount, and are a metric.
func (s *Store) Recount(ctx context.Context) (drift []store.Drift, err error) {
	defer s.metrics.request("qrie_counters", "recount")(&err)
	select {
	case s.recount <- struct{}{}:
		defer func() { <-s.recount }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	wrong, unjudged, err := s.differences(ctx)
	if err != nil {
		return nil, fmt.Errorf("recount: %w", err)
	}
	if len(wrong) > 0 {
		again, _, err := s.differences(ctx)
		if err != nil {
			return nil, fmt.Errorf("recount: %w", err)
		}
		for c, d := range wrong {
			if a, ok := again[c]; !ok || a.had != d.had || a.is != d.is {
				delete(wrong, c)
			} else {
				wrong[c] = a
			}
		}
	}
	byDimension := map[store.Dimension]float64{store.ByFinding: 0, store.ByVerdict: 0, store.ByResource: 0, store.ByDay: 0}
	for c, d := range wrong {
		if err := s.correct(ctx, c, d); errors.Is(err, errCondition) {
			continue // it was written since: the next recount judges it
		} else if err != nil {
			return nil, fmt.Errorf("correct the counter of %s: %w", counterName(c), err)
		}
		byDimension[c.Dimension]++
		drift = append(drift, store.Drift{Dimension: counterName(c), Had: d.had, Is: d.is})
	}
	slices.SortFunc(drift, func(a, b store.Drift) int { return cmp.Compare(a.Dimension, b.Dimension) })
	for dimension, n := range byDimension {
		s.metrics.drift.WithLabelValues(string(dimension)).Set(n)
	}
	s.metrics.unjudged.Set(float64(unjudged))
	return drift, nil
}

func counterName(c store.Counter) string {
	account := c.Account
	if account == "" {
		account = "all accounts"
	}
	return strings.Join([]string{string(c.Dimension), account, c.Name, c.Part}, " ")
}

// difference is a counter that is not what it should be.
type difference struct {
	had, is      int64
	resourceType string // of a row that has the counter
	revision     int64  // of the row that the correction goes to
}

// correct adds the difference, unless the row was written since.
func (s *Store) correct(ctx context.Context, c store.Counter, d difference) error {
	k, attribute := counterRow(c, d.resourceType, 0)
	condition, values := "#Rev = :r", item{":one": number(1), ":n": number(d.is - d.had), ":r": number(d.revision)}
	if d.revision == 0 {
		condition = "attribute_not_exists(#Rev)"
		delete(values, ":r")
	}
	_, err := s.update(ctx, countersTable, k.pk, k.sk, change{update: "ADD #Counter :n, #Rev :one", condition: condition, values: values,
		names: map[string]string{"#Counter": attribute}})
	return err
}

// counted is all rows of counters at about one moment.
type counted struct {
	sums      map[store.Counter]int64
	revisions map[key]int64
	types     map[store.Counter]string // of a row that has the counter
}

func (s *Store) counted(ctx context.Context) (out counted, err error) {
	accounts, err := s.texts(ctx, accountName)
	if err != nil {
		return out, err
	}
	rows, err := s.rowsOf(ctx, append(accounts, totalParts()...), "")
	if err != nil {
		return out, fmt.Errorf("read the counters: %w", err)
	}
	out = counted{map[store.Counter]int64{}, map[key]int64{}, map[store.Counter]string{}}
	for _, it := range rows {
		out.revisions[keyOf(countersTable, it)] = it.num("Rev")
		for _, c := range countsIn(it) {
			out.sums[c.Counter] += c.n
			out.types[c.Counter], _ = strings.CutPrefix(it.str("Name"), typeCounters)
		}
	}
	return out, nil
}

// still reports that no row of a counter was written between two readings. Of
// verdicts that is any row of a type: a policy may have several.
func still(c store.Counter, before, after counted) bool {
	parts := []string{c.Account}
	if c.Account == "" {
		parts = totalParts()
	}
	for b, part := range parts {
		if c.Dimension != store.ByVerdict {
			k, _ := counterRow(c, "", b)
			if before.revisions[k] != after.revisions[k] {
				return false
			}
			continue
		}
		for k, revision := range after.revisions {
			if k.pk == part && strings.HasPrefix(k.sk, typeCounters) && before.revisions[k] != revision {
				return false
			}
		}
	}
	return true
}

// differences are the counters that are wrong, of those that can be judged.
func (s *Store) differences(ctx context.Context) (wrong map[store.Counter]difference, unjudged int, err error) {
	before, err := s.counted(ctx)
	if err != nil {
		return nil, 0, err
	}
	trimmed, err := s.trimmedDay(ctx)
	if err != nil {
		return nil, 0, err
	}
	is, types, err := s.countRows(ctx)
	if err != nil {
		return nil, 0, err
	}
	after, err := s.counted(ctx)
	if err != nil {
		return nil, 0, err
	}
	now, err := s.trimmedDay(ctx)
	if err != nil {
		return nil, 0, err
	}
	wrong = map[store.Counter]difference{}
	all := map[store.Counter]bool{}
	for _, m := range []map[store.Counter]int64{is, before.sums, after.sums} {
		for c := range maps.Keys(m) {
			all[c] = true
		}
	}
	for c := range all {
		if c.Dimension == store.ByDay && c.Name <= max(trimmed, now) {
			continue
		}
		if !still(c, before, after) {
			unjudged++
			continue
		}
		if is[c] != before.sums[c] {
			d := difference{had: before.sums[c], is: is[c], resourceType: cmp.Or(after.types[c], types[c])}
			k, _ := counterRow(c, d.resourceType, 0)
			d.revision = after.revisions[k]
			wrong[c] = d
		}
	}
	return wrong, unjudged, nil
}
