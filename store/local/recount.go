package local

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// Recount compares every counter with what it counts, both read at one moment,
// and then adds the differences. Because it adds and does not set, writes that
// went on meanwhile stay counted, and the writer waits for the correction only.
func (s *Store) Recount(ctx context.Context) (drift []store.Drift, err error) {
	defer s.metrics.Request("qrie_counters", "recount")(&err)
	select {
	case s.recount <- struct{}{}: // two corrections of one drift would make another
		defer func() { <-s.recount }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	had, is, err := s.countBoth(ctx)
	if err != nil {
		return nil, fmt.Errorf("recount: %w", err)
	}
	var deltas []store.Delta
	wrong := map[store.Dimension]int{store.ByFinding: 0, store.ByVerdict: 0, store.ByResource: 0, store.ByDay: 0, byDirty: 0, byLetter: 0}
	for c := range had {
		if _, ok := is[c]; !ok {
			is[c] = 0
		}
	}
	for c, n := range is {
		if n == had[c] {
			continue
		}
		wrong[c.Dimension]++
		deltas = append(deltas, store.Delta{Counter: c, N: n - had[c]})
		drift = append(drift, store.Drift{Dimension: c.String(), Had: had[c], Is: n})
	}
	slices.SortFunc(drift, func(a, b store.Drift) int { return cmp.Compare(a.Dimension, b.Dimension) })
	s.metrics.Drifted(wrong)
	for chunk := range slices.Chunk(deltas, maintainChunk) {
		if err := s.db.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := s.addUp(tx, chunk)
			return err
		}); err != nil {
			return nil, fmt.Errorf("correct the counters: %w", err)
		}
	}
	return drift, nil
}

// countBoth reads the counters as they stand and as they should.
func (s *Store) countBoth(ctx context.Context) (had, is map[store.Counter]int64, err error) {
	tx, err := s.db.Reader().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	had, is = map[store.Counter]int64{}, map[store.Counter]int64{}
	var trimmed string
	if err := tx.QueryRowContext(ctx, "SELECT value FROM qrie_meta WHERE name = 'day_trimmed'").Scan(&trimmed); err != nil {
		return nil, nil, fmt.Errorf("read how far transitions are trimmed: %w", err)
	}
	rows, err := tx.QueryContext(ctx, "SELECT "+countColumns+" FROM qrie_counters WHERE count <> 0")
	counts, err := collect(rows, err, scanCount)
	if err != nil {
		return nil, nil, fmt.Errorf("read the counters: %w", err)
	}
	// After the transaction has begun, so that no row of it has an unknown name.
	if err := s.names.load(ctx, s.db); err != nil {
		return nil, nil, err
	}
	for _, c := range counts {
		if c.Dimension != store.ByDay || c.Name > trimmed {
			had[c.Counter] = c.N
		}
	}
	r := recount{names: &s.names, tx: tx, sums: is, trimmed: trimmed}
	for _, part := range []struct {
		what string
		read func(context.Context) error
	}{{"findings", r.findings}, {"resources", r.resources}, {"transitions", r.days}, {"waiting work", r.work}} {
		if err := part.read(ctx); err != nil {
			return nil, nil, fmt.Errorf("count %s: %w", part.what, err)
		}
	}
	for c, n := range is {
		if n == 0 {
			delete(is, c)
		}
	}
	return had, is, nil
}

// recount counts from the rows themselves.
type recount struct {
	names   *names
	tx      *sql.Tx
	sums    map[store.Counter]int64
	trimmed string // transitions up to the end of this day may be gone
}

func (r *recount) both(c store.Counter, n int64) {
	r.sums[c] += n
	c.Account = ""
	r.sums[c] += n
}

func (r *recount) findings(ctx context.Context) error {
	accounts := r.names.byID(accountName)
	policies := map[int64]string{}
	for _, k := range r.names.kinds() {
		policies[k.n] = k.policy
	}
	rows, err := r.tx.QueryContext(ctx, "SELECT account, kind, active, rank, count(*) FROM qrie_findings GROUP BY account, kind, active, rank")
	_, err = collect(rows, err, func(rows *sql.Rows) (_ struct{}, err error) {
		var account, kind, rank, n int64
		var active bool
		if err := rows.Scan(&account, &kind, &active, &rank, &n); err != nil {
			return struct{}{}, err
		}
		state := qrie.Resolved
		if active {
			state = qrie.Active
		}
		r.both(store.FindingCounter(accounts[account], policies[kind], state, qrie.Severity(100-rank)), n)
		return struct{}{}, nil
	})
	return err
}

func (r *recount) resources(ctx context.Context) error {
	rows, err := r.tx.QueryContext(ctx, "SELECT account, type, open, heads FROM qrie_resources WHERE NOT deleted")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var account, resourceType string
		var open int64
		var encoded sql.RawBytes
		if err := rows.Scan(&account, &resourceType, &open, &encoded); err != nil {
			return err
		}
		r.both(store.ResourceCounter(account, resourceType, false), 1)
		if open > 0 {
			r.both(store.ResourceCounter(account, resourceType, true), 1)
		}
		var heads map[string]store.Head
		if err := decode("heads", encoded, &heads); err != nil {
			return err
		}
		for policy, h := range heads {
			r.both(store.VerdictCounter(account, policy, h.Outcome), 1)
		}
	}
	return rows.Err()
}

const nanosOfDay = int64(24 * time.Hour)

func (r *recount) days(ctx context.Context) error {
	rows, err := r.tx.QueryContext(ctx, `SELECT at / ?1, severity, kind = ?2, count(*) FROM qrie_transitions WHERE kind NOT IN (?3, ?4) GROUP BY 1, 2, 3`,
		nanosOfDay, string(qrie.Closed), string(qrie.Changed), string(qrie.Explained))
	_, err = collect(rows, err, func(rows *sql.Rows) (_ struct{}, err error) {
		var day, severity, n int64
		var resolved bool
		if err := rows.Scan(&day, &severity, &resolved, &n); err != nil {
			return struct{}{}, err
		}
		c := store.DayCounter(moment(day*nanosOfDay), qrie.Severity(severity).Band(), resolved)
		if c.Name > r.trimmed {
			r.sums[c] += n
		}
		return struct{}{}, nil
	})
	return err
}

func (r *recount) work(ctx context.Context) error {
	var dirty, letters int64
	if err := r.tx.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM qrie_dirty) + (SELECT count(*) FROM qrie_resources WHERE again_at > 0), (SELECT count(*) FROM qrie_dead_letters)").Scan(&dirty, &letters); err != nil {
		return err
	}
	r.sums[store.Counter{Dimension: byDirty}] = dirty
	r.sums[store.Counter{Dimension: byLetter}] = letters
	return nil
}
