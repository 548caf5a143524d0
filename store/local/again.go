package local

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// again is a further look at a resource as it is planned in the resource's row,
// which is written with each look anyway: a row of its own with its indexes would
// cost as much as all else that a look writes.
//
// Its events are, of looks that showed a change, the causes of the versions that they
// wrote, and need not be written again. Those of other looks are marks in qrie_looks,
// which grows at its end: a row of a resource that grew and shrank with them would push
// its neighbours to other pages each time.
type again struct {
	at    int64 // 0: none is planned, and only n means something
	n     int64 // grows with each change of the plan
	look  int64 // the newest of its marks, which names the one before it; 0 for none
	looks int64 // how many there are

	from    int64 // the first of the versions whose events it is about, and all later ones; 0 for none
	settles int64 // of these: when one look shows all that they did, or 0
	since   int64 // and since when it is planned
}

// maxLooks is how many marks a plan has before they are merged into one.
const maxLooks = 8

// oneAgain counts a look that was not planned before.
var oneAgain = store.Delta{Counter: store.Counter{Dimension: byDirty}, N: 1}

// told reports whether the version that an evaluation writes tells the events of the look
// that it plans.
func told(e store.Evaluation) bool {
	return e.Changed && e.Again.Reason == store.ReasonSettle && e.Again.Attempts == 1 && !e.Again.Since.IsZero() &&
		qrie.SameEvents(e.Again.Events, e.Next.Cause.Events)
}

// with gives the plan as a change leaves it, and writes the marks of that, if it has any.
// document is the version that the change wrote.
func (a again) with(tx *sqlite.Tx, c *change, document int64) (again, error) {
	if c.Again == nil {
		return a, nil
	}
	due, next := nanos(c.Again.DueAt), a
	if a.at == 0 {
		next = again{at: due}
	}
	next.at, next.n = min(next.at, due), a.n+1
	if c.again == nil {
		return next.tell(document, c.Again), nil
	}
	marks := c.again
	var err error
	if next.looks == maxLooks {
		if marks, err = mergeLooks(tx, next.look, marks); err != nil {
			return a, err
		}
		next.look, next.looks = 0, 0
	}
	next.look, err = addLook(tx, next.look, marks)
	next.looks++
	return next, err
}

// tell adds the events of a version to those that a plan is about.
func (a again) tell(version int64, m *store.DirtyMark) again {
	all := store.DirtyMark{Settles: m.Settles, Since: m.Since}
	if a.from == 0 {
		a.from = version
	} else {
		all = store.DirtyMark{Settles: moment(a.settles), Since: moment(a.since)}.Merge(all)
	}
	a.settles, a.since = nanos(all.Settles), nanos(all.Since)
	return a
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

// againQuery reads the plans that are due, earliest first, and of each what it is about,
// oldest first: marks, and the causes of versions.
const againQuery = `WITH RECURSIVE
	due (n, again_at, again_n, look, again_from, document) AS MATERIALIZED (SELECT n, again_at, again_n, look, again_from, document
		FROM qrie_resources INDEXED BY qrie_resources_again WHERE again_at > 0 AND again_at <= ? ORDER BY again_at, n LIMIT ?),
	looks (n, again_at, again_n, depth, before, marks) AS (
		SELECT d.n, d.again_at, d.again_n, 1, l.before, l.marks FROM due d CROSS JOIN qrie_looks l ON l.n = d.look
		UNION ALL
		SELECT c.n, c.again_at, c.again_n, c.depth + 1, l.before, l.marks FROM looks c CROSS JOIN qrie_looks l ON l.n = c.before),
	causes (n, again_at, again_n, again_from, depth, before, cause) AS (
		SELECT d.n, d.again_at, d.again_n, d.again_from, 1, v.before, v.cause FROM due d CROSS JOIN qrie_versions v ON v.n = d.document
			WHERE d.again_from > 0
		UNION ALL
		SELECT c.n, c.again_at, c.again_n, c.again_from, c.depth + 1, v.before, v.cause FROM causes c CROSS JOIN qrie_versions v ON v.n = c.before
			WHERE c.before >= c.again_from)
	SELECT n, again_at, again_n, 0 AS told, depth, marks, 0, 0, '', '', '', '', 0, NULL FROM looks
	UNION ALL
	SELECT c.n, c.again_at, c.again_n, 1, c.depth, c.cause, r.again_settles, r.again_since, r.type, r.account, r.region, r.id, r.global, r.detail
		FROM causes c CROSS JOIN qrie_resources r ON r.n = c.n
	ORDER BY again_at, n, told, depth DESC`

// planPart is a row of againQuery.
type planPart struct {
	n, at, again int64 // the number of the resource's row, and its plan
	told, depth  int64 // 1 for a cause, and how many of its kind are newer
	body         []byte

	settles, since            int64 // of a cause, as all that follows
	kind, account, region, id string
	global                    bool
	detail                    []byte
}

func (p *planPart) into() []any {
	return []any{&p.n, &p.at, &p.again, &p.told, &p.depth, &p.body,
		&p.settles, &p.since, &p.kind, &p.account, &p.region, &p.id, &p.global, &p.detail}
}

// mark gives what a part adds to a planned look.
func (p *planPart) mark() (store.DirtyMark, error) {
	if p.told == 0 {
		return decodeDirty(p.body)
	}
	var d detail
	var cause qrie.Cause
	err := decode("the cause", p.body, &cause)
	if err == nil && p.depth == 1 { // the Ref of the newest is kept
		err = decode("the detail", p.detail, &d)
	}
	if err != nil {
		return store.DirtyMark{}, fmt.Errorf("%s %s: %w", p.kind, p.id, err)
	}
	ref := qrie.Ref{Type: p.kind, Account: p.account, Region: p.region, ID: p.id, ARN: d.ARN, Global: p.global}
	return store.DirtyMark{Ref: ref, Events: cause.Events, Reason: store.ReasonSettle, DueAt: moment(p.at),
		Settles: moment(p.settles), Attempts: 1, Since: moment(p.since)}, nil
}

// dueAgain reads the planned looks that are due, earliest first.
func (s *Store) dueAgain(ctx context.Context, now time.Time, limit int) ([]store.DirtyMark, error) {
	rows, err := s.db.Query(ctx, againQuery, nanos(now), limit)
	parts, err := collect(rows, err, func(r *sql.Rows) (p planPart, err error) { return p, r.Scan(p.into()...) })
	if err != nil {
		return nil, err
	}
	var due []store.DirtyMark
	for i, p := range parts {
		m, err := p.mark()
		if err != nil {
			return nil, err
		}
		if i > 0 && parts[i-1].n == p.n {
			m = due[len(due)-1].Merge(m)
			due = due[:len(due)-1]
		}
		m.DueAt, m.Revision = moment(p.at), againRevision(p.n, p.again)
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
	_, err = tx.Exec("UPDATE qrie_resources SET again_at = ?, again_n = again_n + 1, look = ?, looks = 1, again_from = 0 WHERE n = ?", nanos(m.DueAt), look, row)
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
