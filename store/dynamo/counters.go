package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie/store"
)

// count is a counter as it is read.
type count struct {
	store.Counter
	n, lastAt int64
}

// readers bounds the requests that one reading of many accounts makes at once.
const readers = 8

// rowsOf reads the rows of counters under some accounts or buckets of totals,
// of those whose name begins so.
func (s *Store) rowsOf(ctx context.Context, parts []string, prefix string) (out []item, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	var mu sync.Mutex
	for _, part := range parts {
		group.Go(func() error {
			return s.all(ctx, stretch{table: countersTable, pk: part, low: lowest(prefix), high: prefix + highest("")}, func(it item) error {
				mu.Lock()
				defer mu.Unlock()
				out = append(out, it)
				return nil
			})
		})
	}
	return out, group.Wait()
}

func totalParts() (out []string) {
	for b := range totalBuckets {
		out = append(out, totalPart(b))
	}
	return out
}

// countsIn reads the counters of a row.
func countsIn(it item) (out []count) {
	account, name := it.str("Account"), it.str("Name")
	if strings.HasPrefix(account, "*") {
		account = ""
	}
	for _, prefix := range []string{policyCounters, typeCounters, dayCounters} {
		name = strings.TrimPrefix(name, prefix)
	}
	for attribute := range it {
		dimension, part, ok := strings.Cut(attribute, "/")
		if !ok || strings.HasPrefix(attribute, lastPrefix) {
			continue
		}
		c := store.Counter{Dimension: store.Dimension(dimension), Account: account, Name: name, Part: part}
		if i := strings.LastIndexByte(part, '/'); c.Dimension == store.ByVerdict && i >= 0 {
			c.Name, c.Part = part[:i], part[i+1:]
		}
		out = append(out, count{c, it.num(attribute), it.num(lastPrefix + attribute)})
	}
	return out
}

// counts reads the counters of one account, of each, or the totals; those at
// zero are left out.
func (s *Store) counts(ctx context.Context, d store.Dimension, account string) (all []count, err error) {
	defer s.metrics.request("qrie_counters", "count_"+string(d))(&err)
	parts := []string{account}
	switch account {
	case "":
		parts = totalParts()
	case store.EachAccount:
		if parts, err = s.texts(ctx, accountName); err != nil {
			return nil, err
		}
	}
	k, _ := counterRow(store.Counter{Dimension: d}, "", 0)
	rows, err := s.rowsOf(ctx, parts, k.sk)
	if err != nil {
		return nil, fmt.Errorf("read the counters of each %s: %w", d, err)
	}
	sums := map[store.Counter]count{}
	for _, it := range rows {
		for _, c := range countsIn(it) {
			if c.Dimension == d {
				sum := sums[c.Counter]
				sums[c.Counter] = count{c.Counter, sum.n + c.n, max(sum.lastAt, c.lastAt)}
			}
		}
	}
	for _, c := range sums {
		if c.n != 0 {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b count) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Part, b.Part))
	})
	return all, nil
}

// CountFindings reads the counters of findings.
func (s *Store) CountFindings(ctx context.Context, account string) ([]store.FindingCount, error) {
	all, err := s.counts(ctx, store.ByFinding, account)
	out := make([]store.FindingCount, 0, len(all))
	for _, c := range all {
		f, err := c.Finding(c.n, moment(c.lastAt))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, err
}

// CountVerdicts reads the counters of verdicts.
func (s *Store) CountVerdicts(ctx context.Context, account string) ([]store.VerdictCount, error) {
	all, err := s.counts(ctx, store.ByVerdict, account)
	out := make([]store.VerdictCount, 0, len(all))
	for _, c := range all {
		out = append(out, c.Verdict(c.n))
	}
	return out, err
}

// CountResources reads the counters of resources.
func (s *Store) CountResources(ctx context.Context, account string) ([]store.ResourceCount, error) {
	all, err := s.counts(ctx, store.ByResource, account)
	var out []store.ResourceCount
	for _, c := range all {
		n := len(out)
		if n == 0 || out[n-1].Account != c.Account || out[n-1].Type != c.Name {
			out = append(out, store.ResourceCount{Account: c.Account, Type: c.Name})
			n++
		}
		if c.Part == store.ResourceCounter("", "", true).Part {
			out[n-1].Failing = c.n
		} else {
			out[n-1].Total = c.n
		}
	}
	return out, err
}

// CountDays reads what was opened and resolved on each day from the given one.
func (s *Store) CountDays(ctx context.Context, from string) ([]store.DayCount, error) {
	all, err := s.counts(ctx, store.ByDay, "")
	var out []store.DayCount
	at := map[store.DayCount]int{}
	for _, c := range all {
		if c.Name < from {
			continue
		}
		band, resolved := c.Day()
		k := store.DayCount{Day: c.Name, Band: band}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, k)
		}
		if resolved {
			out[i].Resolved = c.n
		} else {
			out[i].Opened = c.n
		}
	}
	return out, err
}
