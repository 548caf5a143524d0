package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// lock is a right that its owner has until it runs out.
type lock struct {
	owner string // empty: nobody
	until time.Time
	fence int64
}

// held reports whether another has it.
func (l lock) held(by string, now time.Time) bool {
	return l.owner != "" && l.owner != by && now.Before(l.until)
}

// grant is the answer to who asks for a lock.
type grant struct {
	fence int64
	ok    bool
}

// Lock implements store.Work. A renewal keeps the fence; taking it after it
// ran out, or from another owner, gives the next.
func (s *Store) Lock(ctx context.Context, name, owner string, now time.Time, ttl time.Duration) (int64, bool, error) {
	if err := store.ValidLock("lock", name, owner); err != nil {
		return 0, false, err
	}
	g, err := ask(ctx, s, "Lock "+name, func() (grant, error) {
		l := s.locks[name]
		if l.held(owner, now) {
			return grant{}, nil
		}
		if l.owner != owner || !now.Before(l.until) {
			l.fence++
		}
		s.locks[name] = lock{owner, now.Add(ttl), l.fence}
		return grant{l.fence, true}, nil
	})
	return g.fence, g.ok, err
}

// summary is an entry of the summary cache, and the lock of its refresh.
type summary struct {
	store.Summary // without a payload until the first is put
	lock
}

// Summary implements store.Summaries.
func (s *Store) Summary(ctx context.Context, key string) (store.Summary, error) {
	return ask(ctx, s, "Summary "+key, func() (store.Summary, error) {
		v, ok := s.summaries[key]
		if !ok || v.Payload == nil {
			return store.Summary{}, fmt.Errorf("summary %s: %w", key, qrie.ErrNotFound)
		}
		out := v.Summary
		out.Payload = slices.Clone(out.Payload)
		return out, nil
	})
}

// LockSummary implements store.Summaries. Each taking gives another fence,
// also to the same owner: of two refreshes the later one counts.
func (s *Store) LockSummary(ctx context.Context, key, owner string, now time.Time, ttl time.Duration) (int64, bool, error) {
	if err := store.ValidLock("summary", key, owner); err != nil {
		return 0, false, err
	}
	g, err := ask(ctx, s, "LockSummary "+key, func() (grant, error) {
		v, ok := s.summaries[key]
		if !ok {
			v = &summary{}
			s.summaries[key] = v
		}
		if v.held(owner, now) {
			return grant{}, nil
		}
		v.lock = lock{owner, now.Add(ttl), v.fence + 1}
		return grant{v.fence, true}, nil
	})
	return g.fence, g.ok, err
}

// PutSummary implements store.Summaries. A lock that ran out and that nobody
// took still counts.
func (s *Store) PutSummary(ctx context.Context, v store.Summary, owner string) error {
	if err := v.Valid(); err != nil {
		return err
	}
	v.ComputedAt, v.Payload = moment(v.ComputedAt), slices.Clone(v.Payload)
	return s.do(ctx, "PutSummary "+v.Key, func() error {
		stored, err := s.refreshed(v.Key, owner, v.Fence)
		if err != nil {
			return err
		}
		stored.Summary = v
		return nil
	})
}

// UnlockSummary implements store.Summaries.
func (s *Store) UnlockSummary(ctx context.Context, key, owner string, fence int64) error {
	return s.do(ctx, "UnlockSummary "+key, func() error {
		_, err := s.refreshed(key, owner, fence)
		return err
	})
}

// refreshed takes the lock back from who has it under a fence.
func (s *state) refreshed(key, owner string, fence int64) (*summary, error) {
	v, ok := s.summaries[key]
	if !ok || v.fence != fence || v.owner != "" && v.owner != owner {
		return nil, fmt.Errorf("summary %s, owner %s with fence %d: %w", key, owner, fence, qrie.ErrFenced)
	}
	v.owner = ""
	return v, nil
}
