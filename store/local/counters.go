package local

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// Counters of this adapter's own, beside those of the port.
const (
	byDirty  store.Dimension = "dirty"
	byLetter store.Dimension = "dead_letter"
)

// addUp adds deltas to the counters, in the rows that are known by number and
// the others by name.
func (s *Store) addUp(tx *sqlite.Tx, deltas []store.Delta) (unknown []store.Counter, err error) {
	for _, d := range deltas {
		if n, ok := s.rows.get(d.Counter); ok {
			_, err = tx.Exec("UPDATE qrie_counters SET count = count + ?, last_at = max(last_at, ?) WHERE n = ?", d.N, nanos(d.At), n)
		} else {
			unknown = append(unknown, d.Counter)
			err = addByName(tx, d)
		}
		if err != nil {
			return nil, fmt.Errorf("count by %s: %w", d.Dimension, err)
		}
	}
	return unknown, nil
}

func addByName(tx *sqlite.Tx, d store.Delta) error {
	_, err := tx.Exec(`INSERT INTO qrie_counters (dimension, account, name, part, count, last_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (dimension, account, name, part) DO UPDATE SET count = count + excluded.count, last_at = max(last_at, excluded.last_at)`,
		string(d.Dimension), d.Account, d.Name, d.Part, d.N, nanos(d.At))
	return err
}

// counterRows remembers the numbers of counters, because four strings for each
// cost more than the rest of the update. Counters are never removed, so a
// number that was once committed stays true.
type counterRows struct {
	mu sync.RWMutex
	n  map[store.Counter]int64
}

// maxCounterRows bounds the memory at some tens of megabytes.
const maxCounterRows = 100_000

func (c *counterRows) get(key store.Counter) (n int64, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n, ok = c.n[key]
	return n, ok
}

// learn looks up counters whose transaction is committed.
func (c *counterRows) learn(ctx context.Context, db *sqlite.DB, keys []store.Counter) {
	for _, key := range keys {
		var n int64
		err := db.QueryRow(ctx, "SELECT n FROM qrie_counters WHERE dimension = ? AND account = ? AND name = ? AND part = ?",
			string(key.Dimension), key.Account, key.Name, key.Part).Scan(&n)
		if err != nil {
			return // it is looked up again when it is next needed
		}
		c.mu.Lock()
		if c.n == nil || len(c.n) >= maxCounterRows {
			c.n = map[store.Counter]int64{}
		}
		c.n[key] = n
		c.mu.Unlock()
	}
}

// addOne changes a counter that has no name but its dimension.
func addOne(tx *sqlite.Tx, d store.Dimension, n int64) error {
	if err := addByName(tx, store.Delta{Counter: store.Counter{Dimension: d}, N: n}); err != nil {
		return fmt.Errorf("count by %s: %w", d, err)
	}
	return nil
}

func scanCount(r *sql.Rows) (c store.Count, err error) {
	var lastAt int64
	err = r.Scan((*string)(&c.Dimension), &c.Account, &c.Name, &c.Part, &c.N, &lastAt)
	c.LastAt = moment(lastAt)
	return c, err
}

const countColumns = "dimension, account, name, part, count, last_at"

// counts reads the counters of one account, of each, or the totals; those at
// zero are left out.
func (s *Store) counts(ctx context.Context, d store.Dimension, account string) (all store.Counts, err error) {
	defer s.metrics.Request("qrie_counters", "count_"+string(d))(&err)
	query := "SELECT " + countColumns + " FROM qrie_counters WHERE dimension = ? AND account = ? AND count <> 0 ORDER BY account, name, part"
	if account == store.EachAccount {
		query = "SELECT " + countColumns + " FROM qrie_counters WHERE dimension = ? AND account > ? AND count <> 0 ORDER BY account, name, part"
		account = ""
	}
	rows, err := s.db.Query(ctx, query, string(d), account)
	all, err = collect(rows, err, scanCount)
	if err != nil {
		return nil, fmt.Errorf("read the counters of each %s: %w", d, err)
	}
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
