package dynamo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// count counts the rows of one account through the indexes; all of them, or
// those that count in the cells named.
func (r *recounting) count(ctx context.Context, account string, only map[cell]difference) (map[cell]int64, error) {
	// Read after the counters, so that no type which they name is missing.
	all, err := r.s.texts(ctx, typeName)
	if err != nil {
		return nil, err
	}
	c := &rowCount{s: r.s, account: account, cells: map[cell]int64{}}
	findings, types := only == nil, all
	if only != nil {
		types = nil
		for cell := range only {
			if cell.counter().Dimension == store.ByFinding {
				findings = true
			} else if t := cell.name(); !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
	}
	if findings {
		if err := c.findings(ctx, all); err != nil {
			return nil, fmt.Errorf("count findings: %w", err)
		}
	}
	for _, t := range types {
		if err := c.resources(ctx, t); err != nil {
			return nil, fmt.Errorf("count resources of %s: %w", t, err)
		}
	}
	r.rows += c.rows
	return c.cells, nil
}

type rowCount struct {
	s       *Store
	account string
	mu      sync.Mutex // of the rest
	cells   map[cell]int64
	rows    int
}

func (r *rowCount) add(c store.Counter, resourceType string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cells[cellOf(c, resourceType)]++
}

func (r *rowCount) read(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows += n
}

func (r *rowCount) findings(ctx context.Context, types []string) error {
	var services []string
	for _, t := range types {
		services = append(services, qrie.ServiceOf(t))
	}
	slices.Sort(services)
	services = slices.Compact(services)
	buckets, err := r.s.bucketsNow(ctx, pairs([]string{r.account}, services))
	if err != nil {
		return err
	}
	for _, state := range statesOf(nil) {
		var parts []string
		for _, service := range services {
			parts = append(parts, ownerShelves(state, r.account, service, buckets)...)
		}
		err := limited(ctx, parts, readers, func(ctx context.Context, part string) error {
			return r.s.all(ctx, stretch{table: findingsTable, index: &findingsByOwner, pk: part, only: "#Policy, #Order"}, func(it item) error {
				var rank int
				if _, err := fmt.Sscanf(it.str("Order"), "%d", &rank); err != nil {
					return fmt.Errorf("place %q of a finding: %w", it.str("Order"), err)
				}
				r.add(store.FindingCounter(r.account, it.str("Policy"), state, qrie.Severity(100-rank)), "")
				r.read(1)
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *rowCount) resources(ctx context.Context, resourceType string) error {
	var shelves []string
	for b := range listBuckets {
		shelves = append(shelves, shelfOf(resourceType, b))
	}
	return limited(ctx, shelves, readers, func(ctx context.Context, shelf string) error {
		st := stretch{table: resourcesTable, index: &resourcesByPlace, pk: shelf,
			low: r.account + placeSeparator, high: r.account + placeSeparator + highest("")}
		for done := false; !done; {
			var page []item
			var last string
			var err error
			if page, last, done, err = r.s.read(ctx, st); err != nil {
				return err
			}
			if err := r.resourcesAt(ctx, page); err != nil {
				return err
			}
			st.low = following(last)
		}
		return nil
	})
}

// resourcesAt counts the resources of one page of an index. What they say is
// compared twice, so it may be a moment old and cost half.
func (r *rowCount) resourcesAt(ctx context.Context, page []item) error {
	keys := make([]key, len(page))
	for i, it := range page {
		keys[i] = keyOf(resourcesTable, it)
	}
	rows, err := r.s.manyLately(ctx, resourcesTable, keys)
	if err != nil {
		return err
	}
	r.read(len(page))
	for _, it := range rows {
		res, err := r.s.resource(it)
		if err != nil {
			return err
		}
		if res.Deleted {
			continue
		}
		r.add(store.ResourceCounter(r.account, res.Ref.Type, false), res.Ref.Type)
		if open, _ := res.OpenFindings(); open > 0 {
			r.add(store.ResourceCounter(r.account, res.Ref.Type, true), res.Ref.Type)
		}
		for policy, h := range res.Heads {
			r.add(store.VerdictCounter(r.account, policy, h.Outcome), res.Ref.Type)
		}
	}
	return nil
}

// dayCount is how many transitions there were on each day, up to the batch At
// of the log.
type dayCount struct {
	At int64 `json:"at,omitempty"`
	// After is the last day that is not judged: transitions of it were trimmed
	// before they were counted, or it is too long past.
	After string                      `json:"after,omitempty"`
	Of    map[string]map[string]int64 `json:"of,omitempty"` // by day and part of the counter
}

// maxDays are counted; no transition is kept for longer.
const maxDays = int(store.KeepHistory/(24*time.Hour)) + 10

// days counts the transitions that came since the last run and compares. Log and
// history are read as they are, so one difference is enough.
func (r *recounting) days(ctx context.Context) error {
	had, err := r.s.counted(ctx, stretchesOf(dayCounters, "")...)
	if err != nil {
		return err
	}
	if whole, err := r.countDays(ctx, had.at); !whole || err != nil {
		return err
	}
	is := map[cell]int64{}
	for day, parts := range r.state.Days.Of {
		for part, n := range parts {
			is[cellOf(store.Counter{Dimension: store.ByDay, Name: day, Part: part}, "")] = n
		}
	}
	var sure []difference
	for c, d := range differences(had.cells, is) {
		if c.counter().Name > r.state.Days.After {
			sure = append(sure, d)
		}
	}
	return r.correct(ctx, sure)
}

// countDays counts up to a batch of the log; whole is false if this run's share
// was read before.
func (r *recounting) countDays(ctx context.Context, to int64) (whole bool, err error) {
	d := &r.state.Days
	trimmedDay, err := r.s.trimmedDay(ctx)
	if err != nil {
		return false, err
	}
	trimmed, err := r.s.trimmedTo(ctx, "Log")
	if err != nil {
		return false, err
	}
	if trimmed > d.At {
		d.After = max(d.After, trimmedDay)
	}
	whole = true
	var tally store.Tally
	err = r.s.eachBatch(ctx, d.At+1, to, logPage, func(b logBatch) (bool, error) {
		if r.rows >= r.s.recountRows {
			whole = false
			return false, nil
		}
		all, err := r.s.transitionsOf(ctx, b)
		if err != nil {
			return false, err
		}
		for _, t := range all {
			if t.ID == "" {
				d.After = max(d.After, trimmedDay)
				continue
			}
			tally.Transition(t)
		}
		r.rows += len(b.at)
		d.At = b.n
		return true, nil
	})
	if err != nil {
		return false, err
	}
	d.add(tally.Deltas())
	return whole, nil
}

func (d *dayCount) add(deltas []store.Delta) {
	if d.Of == nil {
		d.Of = map[string]map[string]int64{}
	}
	for _, delta := range deltas {
		if d.Of[delta.Name] == nil {
			d.Of[delta.Name] = map[string]int64{}
		}
		d.Of[delta.Name][delta.Part] += delta.N
	}
	for len(d.Of) > maxDays {
		oldest := ""
		for day := range d.Of {
			if oldest == "" || day < oldest {
				oldest = day
			}
		}
		delete(d.Of, oldest)
		d.After = max(d.After, oldest)
	}
}
