package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

type counter struct {
	n    int64
	last time.Time
}

func (s *state) count(t *store.Tally) {
	for _, d := range t.Deltas() {
		c := s.counters[d.Counter]
		s.counters[d.Counter] = counter{c.n + d.N, latest(c.last, d.At)}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// read gives the counters of one account, of each, or the totals, without
// those that are zero.
func (s *Store) read(ctx context.Context, d store.Dimension, account string) (store.Counts, error) {
	return ask(ctx, s, "Count "+string(d), func() (all store.Counts, err error) {
		for key, c := range s.counters {
			if key.Dimension == d && c.n != 0 && (key.Account == account || account == store.EachAccount && key.Account != "") {
				all = append(all, store.Count{Counter: key, N: c.n, LastAt: c.last})
			}
		}
		all.Sort()
		return all, nil
	})
}

// CountFindings implements store.Counters.
func (s *Store) CountFindings(ctx context.Context, account string) ([]store.FindingCount, error) {
	all, err := s.read(ctx, store.ByFinding, account)
	if err != nil {
		return nil, err
	}
	return all.Findings()
}

// CountVerdicts implements store.Counters.
func (s *Store) CountVerdicts(ctx context.Context, account string) ([]store.VerdictCount, error) {
	all, err := s.read(ctx, store.ByVerdict, account)
	return all.Verdicts(), err
}

// CountResources implements store.Counters.
func (s *Store) CountResources(ctx context.Context, account string) ([]store.ResourceCount, error) {
	all, err := s.read(ctx, store.ByResource, account)
	return all.Resources(), err
}

// CountDays implements store.Counters.
func (s *Store) CountDays(ctx context.Context, from string) ([]store.DayCount, error) {
	all, err := s.read(ctx, store.ByDay, "")
	return all.Days(from), err
}

// Recount implements store.Counters.
func (s *Store) Recount(ctx context.Context) ([]store.Drift, error) {
	return ask(ctx, s, "Recount", func() (drift []store.Drift, err error) {
		is := s.recount()
		for key := range s.counters {
			if _, ok := is[key]; !ok {
				is[key] = 0
			}
		}
		for key, n := range is {
			c := s.counters[key]
			if n == c.n || key.Dimension == store.ByDay && key.Name <= s.daysTrimmed {
				continue
			}
			name := strings.Join([]string{string(key.Dimension), cmp.Or(key.Account, "all accounts"), key.Name, key.Part}, " ")
			drift = append(drift, store.Drift{Dimension: name, Had: c.n, Is: n})
			s.counters[key] = counter{n, c.last}
		}
		slices.SortFunc(drift, func(a, b store.Drift) int { return cmp.Compare(a.Dimension, b.Dimension) })
		return drift, nil
	})
}

// recount counts everything that is stored, as if it had just come to be.
func (s *state) recount() map[store.Counter]int64 {
	var tally store.Tally
	for _, r := range s.resources {
		tally.Resource(store.Resource{}, r.Resource)
	}
	for _, f := range s.findings {
		tally.Finding(qrie.Finding{}, f.Finding)
	}
	for _, t := range s.history {
		tally.Transition(t.Transition)
	}
	counts := map[store.Counter]int64{}
	for _, d := range tally.Deltas() {
		counts[d.Counter] = d.N
	}
	return counts
}
