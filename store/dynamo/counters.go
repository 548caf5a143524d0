package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/qrie-sec/qrie/store"
)

// Rows of counters hold what they stood at after some batch of the log, whose
// number is in the row. Whoever reads them adds what the batches after it
// changed. So they follow what they count exactly, and a row is written once
// for many changes.

// Groups of counters, which share a row by name.
const (
	policyCounters = "policy#"
	typeCounters   = "type#"
	dayCounters    = "day#"
)

// cell names one counter where it lies.
type cell struct {
	row       key
	attribute string
}

const (
	totalShelf = "total"
	// countShelves spreads the rows of accounts: all of them are read at once
	// for a dashboard, and one account's for its page.
	countShelves = 8
)

func countShelf(group string, bucket int) string { return fmt.Sprintf("%s%d", group, bucket) }

func groupOf(d store.Dimension) string {
	switch d {
	case store.ByFinding:
		return policyCounters
	case store.ByDay:
		return dayCounters
	}
	return typeCounters
}

// rowKey is the row of a group and name, of an account or the totals.
func rowKey(account, group, name string) key {
	if account == "" {
		return key{totalShelf, group + name}
	}
	return key{countShelf(group, bucketOf(account, countShelves)), account + "#" + name}
}

// cellOf is where a counter lies. Verdicts are counted in the row of the
// resource's type: a new resource has one for each policy.
func cellOf(c store.Counter, resourceType string) cell {
	if c.Dimension == store.ByVerdict {
		return cell{rowKey(c.Account, typeCounters, resourceType), string(c.Dimension) + "/" + c.Name + "/" + c.Part}
	}
	return cell{rowKey(c.Account, groupOf(c.Dimension), c.Name), string(c.Dimension) + "/" + c.Part}
}

// counter reads the name of a cell back.
func (c cell) counter() store.Counter {
	dimension, part, _ := strings.Cut(c.attribute, "/")
	out := store.Counter{Dimension: store.Dimension(dimension), Name: c.name(), Part: part}
	if c.row.pk != totalShelf {
		out.Account, _, _ = strings.Cut(c.row.sk, "#")
	}
	if i := strings.LastIndexByte(part, '/'); out.Dimension == store.ByVerdict && i >= 0 {
		out.Name, out.Part = part[:i], part[i+1:]
	}
	return out
}

// name is what the row of a cell is about: a policy, a type, a day.
func (c cell) name() string {
	_, name, _ := strings.Cut(c.row.sk, "#")
	return name
}

// total is the cell of the totals for that of an account.
func (c cell) total() cell {
	group, _, _ := strings.Cut(c.row.pk, "#")
	return cell{rowKey("", group+"#", c.name()), c.attribute}
}

// amount is what a cell holds or what is added to it.
type amount struct {
	n, lastAt int64
}

func (a amount) plus(b amount) amount { return amount{a.n + b.n, max(a.lastAt, b.lastAt)} }

// spread tells each cell that a share changes.
func (sh share) spread(add func(cell, amount)) {
	for _, d := range sh.Deltas {
		c := store.Counter{Dimension: d.Dimension, Account: sh.Account, Name: d.Name, Part: d.Part}
		if sh.Account != "" {
			add(cellOf(c, sh.Type), amount{d.N, d.At})
		}
		if !sh.Alone {
			c.Account = ""
			add(cellOf(c, sh.Type), amount{d.N, d.At})
		}
	}
}

// sums adds up shares. The zero value is ready.
type sums struct {
	order []owner
	of    map[owner]map[delta]amount // deltas without their amounts
}

func (s *sums) add(sh share) {
	deltas := s.of[sh.owner]
	if deltas == nil {
		if s.of == nil {
			s.of = map[owner]map[delta]amount{}
		}
		deltas = map[delta]amount{}
		s.of[sh.owner] = deltas
		s.order = append(s.order, sh.owner)
	}
	for _, d := range sh.Deltas {
		name := delta{Dimension: d.Dimension, Name: d.Name, Part: d.Part}
		deltas[name] = deltas[name].plus(amount{d.N, d.At})
	}
}

// shares are the sums, without those that changed nothing.
func (s *sums) shares() (out []share) {
	for _, o := range s.order {
		sh := share{owner: o}
		for d, sum := range s.of[o] {
			if d.N, d.At = sum.n, sum.lastAt; d.N != 0 || d.At != 0 {
				sh.Deltas = append(sh.Deltas, d)
			}
		}
		slices.SortFunc(sh.Deltas, func(a, b delta) int {
			return cmp.Or(cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Part, b.Part))
		})
		if len(sh.Deltas) > 0 {
			out = append(out, sh)
		}
	}
	return out
}

// counted is what counters stood at after one batch of the log.
type counted struct {
	at    int64
	cells map[cell]amount
}

// counted reads some stretches of counters, exactly as they were after one
// batch, which is no older than this call.
func (s *Store) counted(ctx context.Context, stretches ...stretch) (out counted, err error) {
	if _, err := s.catchUp(ctx); err != nil {
		return out, err
	}
	for n := 1; ; n++ {
		whole, err := s.countedOnce(ctx, stretches, &out)
		if whole || err != nil {
			return out, err
		}
		if n >= s.attempts {
			return out, fmt.Errorf("read the counters: the log was trimmed %d times meanwhile", n)
		}
	}
}

// countedOnce is whole if every batch between the rows and the end of the log
// was there to be read.
func (s *Store) countedOnce(ctx context.Context, stretches []stretch, out *counted) (whole bool, err error) {
	*out = counted{cells: map[cell]amount{}}
	folded, err := s.folded(ctx)
	if err != nil {
		return false, err
	}
	// The rows before the batches: none holds a batch that is not read then.
	rowAt := map[key]int64{}
	var mu sync.Mutex
	err = limited(ctx, stretches, readers, func(ctx context.Context, st stretch) error {
		return s.all(ctx, st, func(it item) error {
			mu.Lock()
			defer mu.Unlock()
			k := keyOf(countersTable, it)
			rowAt[k] = it.num("Folded")
			for attribute := range it {
				if strings.Contains(attribute, "/") && !strings.HasPrefix(attribute, lastPrefix) {
					out.cells[cell{k, attribute}] = amount{it.num(attribute), it.num(lastPrefix + attribute)}
				}
			}
			return nil
		})
	})
	if err != nil {
		return false, fmt.Errorf("read the counters: %w", err)
	}
	end, err := s.newestBatch(ctx)
	if err != nil {
		return false, err
	}
	read := int64(0)
	err = s.eachBatch(ctx, folded+1, end.n, 0, func(b logBatch) (bool, error) {
		read++
		for _, sh := range b.shares {
			sh.spread(func(c cell, a amount) {
				if b.n > rowAt[c.row] && slices.ContainsFunc(stretches, func(st stretch) bool { return st.holds(c.row) }) {
					out.cells[c] = out.cells[c].plus(a)
				}
			})
		}
		return true, nil
	})
	out.at = end.n
	return read == max(end.n-folded, 0), err
}

// holds reports that a row of the table lies in the stretch.
func (s stretch) holds(k key) bool {
	return s.pk == k.pk && k.sk >= lowest(s.low) && k.sk <= highest(s.high)
}

// beginning is the stretch of the rows whose sort keys begin so.
func beginning(t tableID, pk, prefix string) stretch {
	return stretch{table: t, pk: pk, low: lowest(prefix), high: prefix + highest("")}
}

// stretchesOf are where the counters of a group lie: of one account, of each,
// or the totals.
func stretchesOf(group, account string) (out []stretch) {
	switch account {
	case "":
		return []stretch{beginning(countersTable, totalShelf, group)}
	case store.EachAccount:
		for b := range countShelves {
			out = append(out, stretch{table: countersTable, pk: countShelf(group, b)})
		}
		return out
	}
	return []stretch{beginning(countersTable, countShelf(group, bucketOf(account, countShelves)), account+"#")}
}

// counts reads the counters of one account, of each, or the totals; those at
// zero are left out.
func (s *Store) counts(ctx context.Context, d store.Dimension, account string) (all store.Counts, err error) {
	defer s.metrics.Request("qrie_counters", "count_"+string(d))(&err)
	read, err := s.counted(ctx, stretchesOf(groupOf(d), account)...)
	if err != nil {
		return nil, err
	}
	byName := map[store.Counter]store.Count{}
	for c, a := range read.cells {
		name := c.counter()
		if name.Dimension != d {
			continue
		}
		sum := byName[name] // of verdicts: over the types of a policy
		byName[name] = store.Count{Counter: name, N: sum.N + a.n, LastAt: latest(sum.LastAt, moment(a.lastAt))}
	}
	for _, c := range byName {
		if c.N != 0 {
			all = append(all, c)
		}
	}
	all.Sort()
	return all, nil
}

// CountFindings reads the counters of findings.
func (s *Store) CountFindings(ctx context.Context, account string) ([]store.FindingCount, error) {
	all, err := s.counts(ctx, store.ByFinding, account)
	if err != nil {
		return nil, err
	}
	return all.Findings()
}

// CountVerdicts reads the counters of verdicts.
func (s *Store) CountVerdicts(ctx context.Context, account string) ([]store.VerdictCount, error) {
	all, err := s.counts(ctx, store.ByVerdict, account)
	return all.Verdicts(), err
}

// CountResources reads the counters of resources.
func (s *Store) CountResources(ctx context.Context, account string) ([]store.ResourceCount, error) {
	all, err := s.counts(ctx, store.ByResource, account)
	return all.Resources(), err
}

// CountDays reads what was opened and resolved on each day from the given one.
func (s *Store) CountDays(ctx context.Context, from string) ([]store.DayCount, error) {
	all, err := s.counts(ctx, store.ByDay, "")
	return all.Days(from), err
}
