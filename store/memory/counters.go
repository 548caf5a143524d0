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

// reading is a counter that is not zero.
type reading struct {
	store.Counter
	counter
}

// readings are the counters of one account, of each, or the totals.
func (s *Store) readings(ctx context.Context, d store.Dimension, account string) ([]reading, error) {
	return ask(ctx, s, "Count "+string(d), func() (all []reading, err error) {
		for key, c := range s.counters {
			if key.Dimension == d && c.n != 0 && (key.Account == account || account == store.EachAccount && key.Account != "") {
				all = append(all, reading{key, c})
			}
		}
		slices.SortFunc(all, func(a, b reading) int {
			return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Part, b.Part))
		})
		return all, nil
	})
}

// CountFindings implements store.Counters.
func (s *Store) CountFindings(ctx context.Context, account string) (counts []store.FindingCount, err error) {
	all, err := s.readings(ctx, store.ByFinding, account)
	for _, r := range all {
		c, err := r.Finding(r.n, r.last)
		if err != nil {
			return nil, err
		}
		counts = append(counts, c)
	}
	return counts, err
}

// CountVerdicts implements store.Counters.
func (s *Store) CountVerdicts(ctx context.Context, account string) (counts []store.VerdictCount, err error) {
	all, err := s.readings(ctx, store.ByVerdict, account)
	for _, r := range all {
		counts = append(counts, r.Verdict(r.n))
	}
	return counts, err
}

// CountResources implements store.Counters.
func (s *Store) CountResources(ctx context.Context, account string) (counts []store.ResourceCount, err error) {
	all, err := s.readings(ctx, store.ByResource, account)
	for _, r := range all {
		if n := len(counts); n == 0 || counts[n-1].Account != r.Account || counts[n-1].Type != r.Name {
			counts = append(counts, store.ResourceCount{Account: r.Account, Type: r.Name})
		}
		c := &counts[len(counts)-1]
		if r.Counter == store.ResourceCounter(r.Account, r.Name, true) {
			c.Failing = r.n
		} else {
			c.Total = r.n
		}
	}
	return counts, err
}

// CountDays implements store.Counters.
func (s *Store) CountDays(ctx context.Context, from string) (counts []store.DayCount, err error) {
	all, err := s.readings(ctx, store.ByDay, "")
	for _, r := range all {
		if r.Name < from {
			continue
		}
		band, resolved := r.Day()
		i := slices.IndexFunc(counts, func(c store.DayCount) bool { return c.Day == r.Name && c.Band == band })
		if i < 0 {
			i = len(counts)
			counts = append(counts, store.DayCount{Day: r.Name, Band: band})
		}
		if resolved {
			counts[i].Resolved = r.n
		} else {
			counts[i].Opened = r.n
		}
	}
	return counts, err
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
