package local

import (
	"context"
	"database/sql"
	"time"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// again is a further look at a resource as it is planned in the resource's row,
// which is written with each look anyway: a row of its own with its indexes would
// cost as much as all else that a look writes. Its marks are in qrie_looks, which
// grows at its end: a row of a resource that grew and shrank with them would push
// its neighbours to other pages each time.
type again struct {
	at    int64 // 0: none is planned, and the last two mean nothing
	n     int64 // grows with each change of the plan
	look  int64 // the newest of its marks, which names the one before it
	looks int64 // how many there are
}

// maxLooks is how many marks a plan has before they are merged into one.
const maxLooks = 8

// oneAgain counts a look that was not planned before.
var oneAgain = store.Delta{Counter: store.Counter{Dimension: byDirty}, N: 1}

// with writes the marks of a change, if it has any, and gives the plan as that
// leaves it.
func (a again) with(tx *sqlite.Tx, c *change) (again, error) {
	if c.again == nil {
		return a, nil
	}
	next := again{at: nanos(c.Again.DueAt), n: a.n + 1, looks: 1}
	marks := c.again
	var before int64
	var err error
	if a.at > 0 {
		next.at = min(next.at, a.at)
		if a.looks < maxLooks {
			next.looks, before = a.looks+1, a.look
		} else if marks, err = mergeLooks(tx, a.look, marks); err != nil {
			return a, err
		}
	}
	next.look, err = addLook(tx, before, marks)
	return next, err
}

// mergeLooks removes the marks of a plan and gives one that holds them and what
// comes after them.
func mergeLooks(tx *sqlite.Tx, look int64, after []byte) ([]byte, error) {
	marks, err := takeLooks(tx, look)
	if err != nil {
		return nil, err
	}
	m, err := decodeDirty(append(marks, after...))
	if err != nil {
		return nil, err
	}
	return encodeDirty(m)
}

func addLook(tx *sqlite.Tx, before int64, marks []byte) (look int64, err error) {
	res, err := tx.Exec("INSERT INTO qrie_looks (before, marks) VALUES (?, ?)", before, marks)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// takeLooks removes the marks of a plan and gives them, oldest first.
func takeLooks(tx *sqlite.Tx, look int64) (marks []byte, err error) {
	for look > 0 {
		var one []byte
		if err := tx.QueryRow("DELETE FROM qrie_looks WHERE n = ? RETURNING before, marks", look).Scan(&look, &one); err != nil {
			return nil, err
		}
		marks = append(one, marks...)
	}
	return marks, nil
}

// The revision of a look that is planned in a row is negative: the row's number
// and, in as many bits, the plan's.
const (
	againBits       = 24
	againMask int64 = 1<<againBits - 1
)

func againRevision(row, n int64) int64 { return -(row<<againBits | n&againMask) }

func ofAgain(revision int64) (row, n int64) { return -revision >> againBits, -revision & againMask }

// againQuery reads the plans that are due, earliest first, and the marks of each,
// oldest first.
const againQuery = `WITH RECURSIVE
	due (n, again_at, again_n, look) AS MATERIALIZED (SELECT n, again_at, again_n, look FROM qrie_resources INDEXED BY qrie_resources_again
		WHERE again_at > 0 AND again_at <= ? ORDER BY again_at, n LIMIT ?),
	chain (n, again_at, again_n, depth, before, marks) AS (
		SELECT d.n, d.again_at, d.again_n, 1, l.before, l.marks FROM due d CROSS JOIN qrie_looks l ON l.n = d.look
		UNION ALL
		SELECT c.n, c.again_at, c.again_n, c.depth + 1, l.before, l.marks FROM chain c CROSS JOIN qrie_looks l ON l.n = c.before)
	SELECT n, again_n, marks FROM chain ORDER BY again_at, n, depth DESC`

// dueAgain reads the planned looks that are due, earliest first.
func (s *Store) dueAgain(ctx context.Context, now time.Time, limit int) ([]store.DirtyMark, error) {
	type plan struct {
		row, n int64
		marks  []byte
	}
	rows, err := s.db.Query(ctx, againQuery, nanos(now), limit)
	marks, err := collect(rows, err, func(r *sql.Rows) (p plan, err error) { return p, r.Scan(&p.row, &p.n, &p.marks) })
	if err != nil {
		return nil, err
	}
	var due []store.DirtyMark
	for len(marks) > 0 {
		first := marks[0]
		i := 1
		for ; i < len(marks) && marks[i].row == first.row; i++ {
			first.marks = append(first.marks, marks[i].marks...)
		}
		marks = marks[i:]
		m, err := decodeDirty(first.marks)
		if err != nil {
			return nil, err
		}
		m.Revision = againRevision(first.row, first.n)
		due = append(due, m)
	}
	return due, nil
}

// putOffAgain replaces a planned look; ok is false if it is another by now.
func putOffAgain(tx *sqlite.Tx, m store.DirtyMark, body []byte) (ok bool, err error) {
	dropped, err := dropAgain(tx, m)
	if dropped == 0 || err != nil {
		return false, err
	}
	look, err := addLook(tx, 0, body)
	if err != nil {
		return false, err
	}
	row, _ := ofAgain(m.Revision)
	_, err = tx.Exec("UPDATE qrie_resources SET again_at = ?, again_n = again_n + 1, look = ?, looks = 1 WHERE n = ?", nanos(m.DueAt), look, row)
	return true, err
}

// dropAgain removes a planned look, if it is still the same.
func dropAgain(tx *sqlite.Tx, m store.DirtyMark) (dropped int64, err error) {
	row, n := ofAgain(m.Revision)
	var look int64
	err = tx.QueryRow("UPDATE qrie_resources SET again_at = 0, again_n = again_n + 1 WHERE n = ? AND again_at > 0 AND again_n & ? = ? RETURNING look", row, againMask, n).Scan(&look)
	if absent(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	_, err = takeLooks(tx, look)
	return 1, err
}
