package local

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// again is a further look at a resource as it is planned in the resource's row,
// which is written with each look anyway: a row of its own with its indexes would
// cost as much as all else that a look writes.
type again struct {
	at    int64  // 0: none is planned
	n     int64  // grows with each change of the plan
	marks []byte // one behind the other
}

// maxAgain is how many bytes of marks are written one behind the other before they
// are merged into one.
const maxAgain = 4 << 10

// oneAgain counts a look that was not planned before.
var oneAgain = store.Delta{Counter: store.Counter{Dimension: byDirty}, N: 1}

// with is the plan as a change leaves it.
func (a again) with(c *change) (again, error) {
	if c.again == nil {
		return a, nil
	}
	next := again{at: nanos(c.Again.DueAt), n: a.n + 1, marks: c.again}
	if a.at == 0 {
		return next, nil
	}
	next.at = min(next.at, a.at)
	next.marks = append(a.marks[:len(a.marks):len(a.marks)], c.again...)
	if len(next.marks) <= maxAgain {
		return next, nil
	}
	m, err := decodeDirty(next.marks)
	if err != nil {
		return a, err
	}
	next.marks, err = encodeDirty(m)
	return next, err
}

// planAgain writes nothing but the further look of a change.
func (s *Store) planAgain(tx *sqlite.Tx, old stored, c *change) error {
	if c.again == nil {
		return nil
	}
	plan, err := old.again.with(c)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE qrie_resources SET again_at = ?, again_n = ?, again = ? WHERE n = ?", plan.at, plan.n, plan.marks, old.n); err != nil {
		return fmt.Errorf("plan another look at %s: %w", c.Next.Ref, err)
	}
	if old.again.at == 0 {
		c.unknown, err = s.addUp(tx, []store.Delta{oneAgain})
	}
	return err
}

// writeTouchAgain is writeTouch with a further look. Its marks are added behind
// those that there are, if they are not too many.
func (s *Store) writeTouchAgain(tx *sqlite.Tx, c *change) error {
	next := &c.Next
	observedAt, due := nanos(next.ObservedAt), nanos(c.Again.DueAt)
	var marks int
	err := tx.QueryRow(`UPDATE qrie_resources
		SET version = version + 1, observed_at = ?, listed_at = max(listed_at, ?), generation = ?,
			again_at = CASE WHEN again_at BETWEEN 1 AND ? THEN again_at ELSE ? END, again_n = again_n + 1, again = CAST(coalesce(again, x'') || ? AS BLOB)
		WHERE rid = ? AND version = ? AND observed_at < ? AND deleted = ? AND due_at = ? AND hash = ? AND heads = ? AND coalesce(length(again), 0) <= ?
		RETURNING length(again)`,
		observedAt, nanos(next.ListedAt), next.Generation, due, due, c.again,
		c.rid, c.Base, observedAt, asInt(next.Deleted), nanos(next.DueAt), next.Hash, c.heads, maxAgain-len(c.again)).Scan(&marks)
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("touch %s: %w", next.Ref, err)
	}
	c.written = true
	if marks == len(c.again) {
		c.unknown, err = s.addUp(tx, []store.Delta{oneAgain})
	}
	return err
}

// The revision of a look that is planned in a row is negative: the row's number
// and, in as many bits, the plan's.
const (
	againBits       = 24
	againMask int64 = 1<<againBits - 1
)

func againRevision(row, n int64) int64 { return -(row<<againBits | n&againMask) }

func ofAgain(revision int64) (row, n int64) { return -revision >> againBits, -revision & againMask }

const againQuery = "SELECT n, again_n, again FROM qrie_resources INDEXED BY qrie_resources_again WHERE again_at > 0 AND again_at <= ? ORDER BY again_at, n LIMIT ?"

// dueAgain reads the planned looks that are due, earliest first.
func (s *Store) dueAgain(ctx context.Context, now time.Time, limit int) ([]store.DirtyMark, error) {
	rows, err := s.db.Query(ctx, againQuery, nanos(now), limit)
	return collect(rows, err, func(r *sql.Rows) (m store.DirtyMark, err error) {
		var row, n int64
		var marks []byte
		if err := r.Scan(&row, &n, &marks); err != nil {
			return m, err
		}
		m, err = decodeDirty(marks)
		m.Revision = againRevision(row, n)
		return m, err
	})
}

// putOffAgain replaces a planned look; ok is false if it is another by now.
func putOffAgain(tx *sqlite.Tx, m store.DirtyMark, body []byte) (ok bool, err error) {
	row, n := ofAgain(m.Revision)
	changed, err := affected(tx, "UPDATE qrie_resources SET again_at = ?, again_n = again_n + 1, again = ? WHERE n = ? AND again_at > 0 AND again_n & ? = ?",
		nanos(m.DueAt), body, row, againMask, n)
	return changed == 1, err
}

// dropAgain removes a planned look, if it is still the same.
func dropAgain(tx *sqlite.Tx, m store.DirtyMark) (dropped int64, err error) {
	row, n := ofAgain(m.Revision)
	return affected(tx, "UPDATE qrie_resources SET again_at = 0, again = NULL WHERE n = ? AND again_at > 0 AND again_n & ? = ?",
		row, againMask, n)
}
