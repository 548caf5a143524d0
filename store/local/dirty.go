package local

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// maxAdditions is how many marks are written behind the first of a resource
// before they are merged into one, and additionBits holds their number in a
// revision.
const (
	maxAdditions = 8
	additionBits = 8
)

// PutDirty adds a mark or merges it into the one that waits. Mostly that is
// adding it to the row as it is: whoever reads the row merges what is in it, and
// the writer, for whom all wait, need not.
func (s *Store) PutDirty(ctx context.Context, m store.DirtyMark) (err error) {
	defer s.metrics.Request("qrie_dirty", "put")(&err)
	rid, ok := pack(resourcePrefix, m.Ref.ResourceID())
	if !ok {
		return fmt.Errorf("BUG: the id of %s cannot be packed", m.Ref)
	}
	body, err := encodeDirty(m)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if m.Revision < 0 {
			if done, err := putOffAgain(tx, m, body); done || err != nil {
				return err
			}
		}
		added, err := addDirty(tx, rid, m, body)
		if added || err != nil {
			return err
		}
		return mergeDirty(tx, rid, m)
	})
	if err != nil {
		return fmt.Errorf("mark %s: %w", m.Ref, err)
	}
	return nil
}

// addDirty writes the mark as the first of its resource or behind those that
// wait, unless it would change when they are due.
func addDirty(tx *sqlite.Tx, rid []byte, m store.DirtyMark, body []byte) (added bool, err error) {
	limit := maxAdditions
	if m.Revision != 0 {
		limit = 0 // it may replace what waits
	}
	var additions int
	err = tx.QueryRow(`INSERT INTO qrie_dirty (rid, due_at, since, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (rid) DO UPDATE SET additions = additions + 1, body = CAST(body || excluded.body AS BLOB)
		WHERE additions < ? AND due_at <= excluded.due_at AND since BETWEEN 1 AND excluded.since
		RETURNING additions`, rid, nanos(m.DueAt), nanos(m.Since), body, limit).Scan(&additions)
	switch {
	case absent(err):
		return false, nil
	case err != nil:
		return false, err
	case additions == 0:
		return true, addOne(tx, byDirty, 1)
	}
	return true, nil
}

func mergeDirty(tx *sqlite.Tx, rid []byte, m store.DirtyMark) error {
	old, err := scanDirty(tx.QueryRow("SELECT "+dirtyColumns+" FROM qrie_dirty WHERE rid = ?", rid))
	if err != nil {
		return err
	}
	m = old.Merge(m)
	body, err := encodeDirty(m)
	if err != nil {
		return err
	}
	// A row's number is given once in the life of the file, so that the revision
	// is one that the mark has never had.
	_, err = tx.Exec("REPLACE INTO qrie_dirty (rid, due_at, since, body) VALUES (?, ?, ?, ?)", rid, nanos(m.DueAt), nanos(m.Since), body)
	return err
}

// additionMark comes before the length of a mark and the mark, in a row that may
// hold several. A row of an earlier version is one mark and begins otherwise.
const additionMark = 2

func encodeDirty(m store.DirtyMark) ([]byte, error) {
	m.Revision, m.Events = 0, qrie.NewestEvents(m.Events)
	body, err := encodePacked("a dirty mark", m)
	if err != nil {
		return nil, err
	}
	return append(binary.AppendUvarint([]byte{additionMark}, uint64(len(body))), body...), nil
}

// decodeDirty merges the marks of a row.
func decodeDirty(row []byte) (m store.DirtyMark, err error) {
	if len(row) == 0 || row[0] != additionMark {
		err := decode("a dirty mark", row, &m)
		return m, err
	}
	for first := true; len(row) > 0; first = false {
		size, n := binary.Uvarint(row[1:])
		if row[0] != additionMark || n <= 0 || size > uint64(len(row)-1-n) {
			return m, errors.New("decode a dirty mark: the row is damaged")
		}
		var next store.DirtyMark
		if err := decode("a dirty mark", row[1+n:1+n+int(size)], &next); err != nil {
			return m, err
		}
		if row = row[1+n+int(size):]; first {
			m = next
		} else {
			m = m.Merge(next)
		}
	}
	return m, nil
}

const dirtyColumns = "n, additions, body"

// scanDirty reads the columns of one mark.
func scanDirty(row interface{ Scan(...any) error }) (m store.DirtyMark, err error) {
	var n, additions int64
	var body []byte
	if err := row.Scan(&n, &additions, &body); err != nil {
		return m, err
	}
	m, err = decodeDirty(body)
	m.Revision = n<<additionBits | additions
	return m, err
}

// DueDirty reads what is due, earliest first: marks that wait, and looks that are
// planned in the rows of resources.
func (s *Store) DueDirty(ctx context.Context, now time.Time, limit int) (due []store.DirtyMark, err error) {
	defer s.metrics.Request("qrie_dirty", "due")(&err)
	rows, err := s.db.Query(ctx, "SELECT "+dirtyColumns+" FROM qrie_dirty WHERE due_at <= ? ORDER BY due_at, n LIMIT ?", nanos(now), limit)
	due, err = collect(rows, err, func(r *sql.Rows) (store.DirtyMark, error) { return scanDirty(r) })
	if err == nil {
		var again []store.DirtyMark
		again, err = s.dueAgain(ctx, now, limit)
		due = append(due, again...)
	}
	if err != nil {
		return nil, fmt.Errorf("read due marks: %w", err)
	}
	slices.SortStableFunc(due, func(a, b store.DirtyMark) int { return a.DueAt.Compare(b.DueAt) })
	return due[:min(len(due), limit)], nil
}

// deletedAtOnce is how many marks one write removes.
const deletedAtOnce = 50

// DeleteDirty removes marks that nobody has touched since they were read.
func (s *Store) DeleteDirty(ctx context.Context, marks []store.DirtyMark) (err error) {
	defer s.metrics.Request("qrie_dirty", "delete")(&err)
	for part := range slices.Chunk(marks, deletedAtOnce) {
		var gone []store.DirtyMark
		if err := s.db.Write(ctx, func(tx *sqlite.Tx) (err error) { gone, err = deleteDirty(tx, part); return err }); err != nil {
			return err
		}
		for _, m := range gone {
			if rid, ok := pack(resourcePrefix, m.Ref.ResourceID()); ok && m.Revision < 0 {
				s.states.taken(rid, m.Revision)
			}
		}
	}
	return nil
}

func deleteDirty(tx *sqlite.Tx, marks []store.DirtyMark) (gone []store.DirtyMark, err error) {
	for _, m := range marks {
		n, err := deleteMark(tx, m)
		if err != nil {
			return nil, fmt.Errorf("remove the mark of %s: %w", m.Ref, err)
		}
		if n > 0 {
			gone = append(gone, m)
		}
	}
	return gone, addOne(tx, byDirty, -int64(len(gone)))
}

func deleteMark(tx *sqlite.Tx, m store.DirtyMark) (gone int64, err error) {
	if m.Revision < 0 {
		return dropAgain(tx, m)
	}
	return affected(tx, "DELETE FROM qrie_dirty WHERE n = ? AND additions = ?", m.Revision>>additionBits, m.Revision&(1<<additionBits-1))
}

// CountDirty reads the counter and the oldest mark. Marks are written as they
// come, so that is among the first; one that was merged anew stands later. Of
// looks that are planned in the rows of resources, which are minutes ahead at
// the most, it takes the first that is due.
func (s *Store) CountDirty(ctx context.Context) (n int64, oldest time.Time, err error) {
	defer s.metrics.Request("qrie_dirty", "count")(&err)
	var since int64
	err = s.db.QueryRow(ctx, `SELECT coalesce((SELECT count FROM qrie_counters WHERE dimension = ?1 AND account = '' AND name = '' AND part = ''), 0),
		coalesce((SELECT min(since) FROM (SELECT since FROM qrie_dirty ORDER BY n LIMIT 100)), 0)`, string(byDirty)).Scan(&n, &since)
	if err != nil {
		return 0, oldest, fmt.Errorf("count waiting marks: %w", err)
	}
	oldest = moment(since)
	first, err := s.dueAgain(ctx, moment(math.MaxInt64), 1)
	if err != nil {
		return 0, oldest, fmt.Errorf("read the first of the planned looks: %w", err)
	}
	if len(first) > 0 && (oldest.IsZero() || first[0].Since.Before(oldest)) {
		oldest = first[0].Since
	}
	return n, oldest, nil
}
