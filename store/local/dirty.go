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
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		old, err := readDirty(tx, rid)
		if err != nil {
			return fmt.Errorf("mark %s: %w", m.Ref, err)
		}
		if old != nil {
			m = old.Merge(m)
		} else {
			m.Events = qrie.NewestEvents(m.Events)
			if err := addOne(tx, byDirty, 1); err != nil {
				return err
			}
		}
		// Revisions are given once in the life of the file: one that was
		// deleted must not match a later mark.
		if err := tx.QueryRow("UPDATE qrie_meta SET value = value + 1 WHERE name = 'dirty_revision' RETURNING value").Scan(&m.Revision); err != nil {
			return fmt.Errorf("mark %s: %w", m.Ref, err)
		}
		body, err := encode("a dirty mark", m)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO qrie_dirty (rid, due_at, since, revision, body) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (rid) DO UPDATE SET due_at = excluded.due_at, since = excluded.since, revision = excluded.revision, body = excluded.body`,
			rid, nanos(m.DueAt), nanos(m.Since), m.Revision, body)
		if err != nil {
			return fmt.Errorf("mark %s: %w", m.Ref, err)
		}
		return nil
	})
}

func readDirty(tx *sqlite.Tx, rid []byte) (*store.DirtyMark, error) {
	var body []byte
	err := tx.QueryRow("SELECT body FROM qrie_dirty WHERE rid = ?", rid).Scan(&body)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := new(store.DirtyMark)
	return m, decode("a dirty mark", body, m)
}

// DueDirty reads what is due, earliest first.
func (s *Store) DueDirty(ctx context.Context, now time.Time, limit int) (due []store.DirtyMark, err error) {
	defer s.metrics.Request("qrie_dirty", "due")(&err)
	rows, err := s.db.Query(ctx, "SELECT body FROM qrie_dirty WHERE due_at <= ? ORDER BY due_at, n LIMIT ?", nanos(now), limit)
	due, err = collect(rows, err, func(r *sql.Rows) (m store.DirtyMark, err error) {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return m, err
		}
		return m, decode("a dirty mark", body, &m)
	})
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
		n, err := affected(tx, "DELETE FROM qrie_dirty WHERE rid = ? AND revision = ?", rid, revision)
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
