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

// PutDirty adds a mark or merges it into the one that waits.
func (s *Store) PutDirty(ctx context.Context, m store.DirtyMark) (err error) {
	defer s.metrics.Request("qrie_dirty", "put")(&err)
	rid, ok := pack(resourcePrefix, m.Ref.ResourceID())
	if !ok {
		return fmt.Errorf("BUG: the id of %s cannot be packed", m.Ref)
	}
	m.Events = qrie.NewestEvents(m.Events)
	body, err := encodePacked("a dirty mark", m)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		fresh, err := affected(tx, "INSERT INTO qrie_dirty (rid, due_at, since, body) VALUES (?, ?, ?, ?) ON CONFLICT (rid) DO NOTHING",
			rid, nanos(m.DueAt), nanos(m.Since), body)
		if err != nil {
			return err
		}
		if fresh == 1 {
			return addOne(tx, byDirty, 1)
		}
		return mergeDirty(tx, rid, m)
	})
	if err != nil {
		return fmt.Errorf("mark %s: %w", m.Ref, err)
	}
	return nil
}

func mergeDirty(tx *sqlite.Tx, rid []byte, m store.DirtyMark) error {
	old, err := scanDirty(tx.QueryRow("SELECT "+dirtyColumns+" FROM qrie_dirty WHERE rid = ?", rid))
	if err != nil {
		return err
	}
	m = old.Merge(m)
	body, err := encodePacked("a dirty mark", m)
	if err != nil {
		return err
	}
	// A row's number is given once in the life of the file, and so is the
	// revision of a mark: that is what it is.
	_, err = tx.Exec("REPLACE INTO qrie_dirty (rid, due_at, since, body) VALUES (?, ?, ?, ?)", rid, nanos(m.DueAt), nanos(m.Since), body)
	return err
}

const dirtyColumns = "n, body"

// scanDirty reads the columns of one mark.
func scanDirty(row interface{ Scan(...any) error }) (m store.DirtyMark, err error) {
	var revision int64
	var body []byte
	if err := row.Scan(&revision, &body); err != nil {
		return m, err
	}
	err = decode("a dirty mark", body, &m)
	m.Revision = revision
	return m, err
}

// DueDirty reads what is due, earliest first.
func (s *Store) DueDirty(ctx context.Context, now time.Time, limit int) (due []store.DirtyMark, err error) {
	defer s.metrics.Request("qrie_dirty", "due")(&err)
	rows, err := s.db.Query(ctx, "SELECT "+dirtyColumns+" FROM qrie_dirty WHERE due_at <= ? ORDER BY due_at, n LIMIT ?", nanos(now), limit)
	due, err = collect(rows, err, func(r *sql.Rows) (store.DirtyMark, error) { return scanDirty(r) })
	if err != nil {
		return nil, fmt.Errorf("read due marks: %w", err)
	}
	return due, nil
}

// DeleteDirty removes a mark that nobody has touched since it was read.
func (s *Store) DeleteDirty(ctx context.Context, ref qrie.Ref, revision int64) (err error) {
	defer s.metrics.Request("qrie_dirty", "delete")(&err)
	rid, ok := pack(resourcePrefix, ref.ResourceID())
	if !ok {
		return fmt.Errorf("BUG: the id of %s cannot be packed", ref)
	}
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		n, err := affected(tx, "DELETE FROM qrie_dirty WHERE rid = ? AND n = ?", rid, revision)
		if err != nil {
			return fmt.Errorf("remove the mark of %s: %w", ref, err)
		}
		if n == 0 {
			return fmt.Errorf("mark of %s, revision %d: %w", ref, revision, qrie.ErrConflict)
		}
		return addOne(tx, byDirty, -1)
	})
}

// CountDirty reads the counter and the oldest mark.
func (s *Store) CountDirty(ctx context.Context) (n int64, oldest time.Time, err error) {
	defer s.metrics.Request("qrie_dirty", "count")(&err)
	var since int64
	err = s.db.QueryRow(ctx, `SELECT coalesce((SELECT count FROM qrie_counters WHERE dimension = ?1 AND account = '' AND name = '' AND part = ''), 0),
		coalesce((SELECT min(since) FROM qrie_dirty), 0)`, string(byDirty)).Scan(&n, &since)
	if err != nil {
		return 0, oldest, fmt.Errorf("count waiting marks: %w", err)
	}
	return n, moment(since), nil
}
