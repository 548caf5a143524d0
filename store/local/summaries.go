package local

import (
	"context"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// Summary reads an entry of the summary cache.
func (s *Store) Summary(ctx context.Context, key string) (v store.Summary, err error) {
	defer s.metrics.Request("qrie_summary", "get")(&err)
	var payload []byte
	var computedAt int64
	err = s.db.QueryRow(ctx, "SELECT payload, computed_at, written_fence FROM qrie_summary WHERE key = ? AND payload IS NOT NULL", key).
		Scan(&payload, &computedAt, &v.Fence)
	if absent(err) {
		return v, fmt.Errorf("summary %s: %w", key, qrie.ErrNotFound)
	}
	if err != nil {
		return v, fmt.Errorf("read summary %s: %w", key, err)
	}
	v.Key, v.Payload, v.ComputedAt = key, payload, moment(computedAt)
	return v, nil
}

// LockSummary takes the right to refresh an entry. Each taking gives another
// fence, also to the same owner: of two refreshes the later one counts.
func (s *Store) LockSummary(ctx context.Context, key, owner string, now time.Time, ttl time.Duration) (fence int64, ok bool, err error) {
	defer s.metrics.Request("qrie_summary", "lock")(&err)
	if err := store.ValidLock("summary", key, owner); err != nil {
		return 0, false, err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		fence, ok = 0, false
		err := tx.QueryRow(`INSERT INTO qrie_summary (key, computed_at, written_fence, owner, until, fence) VALUES (?1, 0, 0, ?2, ?3, 1)
			ON CONFLICT (key) DO UPDATE SET owner = ?2, until = ?3, fence = fence + 1 WHERE owner IN ('', ?2) OR until <= ?4
			RETURNING fence`, key, owner, nanos(now.Add(ttl)), nanos(now)).Scan(&fence)
		if absent(err) {
			return nil // held by another owner
		}
		ok = err == nil
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("lock summary %s: %w", key, err)
	}
	return fence, ok, nil
}

// PutSummary stores an entry under the fence of its refresh and gives the lock
// back. A lock that ran out and that nobody took still counts.
func (s *Store) PutSummary(ctx context.Context, v store.Summary, owner string) (err error) {
	defer s.metrics.Request("qrie_summary", "put")(&err)
	if err := v.Valid(); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		n, err := affected(tx, `UPDATE qrie_summary SET payload = ?, computed_at = ?, written_fence = fence, owner = '', until = 0
			WHERE key = ? AND fence = ? AND owner IN ('', ?)`, []byte(v.Payload), nanos(v.ComputedAt), v.Key, v.Fence, owner)
		return fenced(n, err, "summary "+v.Key, owner, v.Fence)
	})
}

// UnlockSummary gives the lock back.
func (s *Store) UnlockSummary(ctx context.Context, key, owner string, fence int64) (err error) {
	defer s.metrics.Request("qrie_summary", "unlock")(&err)
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		n, err := affected(tx, "UPDATE qrie_summary SET owner = '', until = 0 WHERE key = ? AND fence = ? AND owner IN ('', ?)", key, fence, owner)
		return fenced(n, err, "summary "+key, owner, fence)
	})
}

func fenced(n int64, err error, what, owner string, fence int64) error {
	if err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	if n == 0 {
		return fmt.Errorf("%s, owner %s with fence %d: %w", what, owner, fence, qrie.ErrFenced)
	}
	return nil
}

// Lock takes or renews a named lock. A renewal keeps the fence; taking it
// after it ran out, or from another owner, gives the next.
func (s *Store) Lock(ctx context.Context, name, owner string, now time.Time, ttl time.Duration) (fence int64, ok bool, err error) {
	defer s.metrics.Request("qrie_locks", "lock")(&err)
	if err := store.ValidLock("lock", name, owner); err != nil {
		return 0, false, err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		fence, ok = 0, false
		err := tx.QueryRow(`INSERT INTO qrie_locks (name, owner, until, fence) VALUES (?1, ?2, ?3, 1)
			ON CONFLICT (name) DO UPDATE SET owner = ?2, until = ?3, fence = fence + (owner <> ?2 OR until <= ?4)
			WHERE owner = ?2 OR until <= ?4 RETURNING fence`, name, owner, nanos(now.Add(ttl)), nanos(now)).Scan(&fence)
		if absent(err) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("take lock %s: %w", name, err)
	}
	return fence, ok, nil
}
