package processor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// When deletions are held back: a role that points at another account, or a
// service that answers with nothing, makes everything look deleted at once.
// Deletions that an event names are never held.
const (
	guardWindow = 10 * time.Minute
	guardLeast  = 50 // deletions of a type in an account within the window ...
	guardShare  = 5  // ... that are also more than a fifth of what is stored
	// guardPause is how long one that is held waits to be looked at again.
	guardPause = 30 * time.Minute
	// guardRelease is how long deletions go through once somebody has let them.
	guardRelease = 24 * time.Hour
)

// guard counts the deletions that came to light without an event, by type and
// account. It belongs to a session: all of a type in an account are of one
// shard. It is safe for concurrent use.
type guard struct {
	mu    sync.Mutex
	gone  map[circuitKey]*departures
	swept time.Time
}

// departures are those of one type in one account.
type departures struct {
	since  time.Time
	count  int64
	stored int64 // of the type in the account, when since began
	held   time.Time
}

// holds counts one more deletion and reports whether it is one too many.
// stored tells how many there are of the type in the account.
func (g *guard) holds(k circuitKey, now time.Time, stored func() (int64, error)) (bool, error) {
	g.mu.Lock()
	d := g.gone[k]
	fresh := d == nil || now.Sub(d.since) > guardWindow
	g.mu.Unlock()
	if fresh {
		n, err := stored()
		if err != nil {
			return false, err
		}
		g.mu.Lock()
		g.begin(k, &departures{since: now, stored: n}, now)
		g.mu.Unlock()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	d = g.gone[k]
	if d.count >= guardLeast && d.count*guardShare >= d.stored {
		d.held = now
		return true, nil
	}
	d.count++
	return false, nil
}

// hold notes that a deletion is held that needed no counting.
func (g *guard) hold(k circuitKey, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begin(k, &departures{since: now}, now)
	g.gone[k].held = now
}

// begin starts a window, unless another deletion has just done so, and forgets
// those that are over. g.mu is held.
func (g *guard) begin(k circuitKey, d *departures, now time.Time) {
	if g.gone == nil {
		g.gone = map[circuitKey]*departures{}
	}
	if now.Sub(g.swept) > guardWindow {
		for other, o := range g.gone {
			if now.Sub(o.since) > guardWindow {
				delete(g.gone, other)
			}
		}
		g.swept = now
	}
	if old := g.gone[k]; old == nil || now.Sub(old.since) > guardWindow {
		if old != nil {
			d.held = old.held
		}
		g.gone[k] = d
	}
}

// heldSince reports whether a deletion was held since then.
func (g *guard) heldSince(k circuitKey, since time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.gone[k]
	return d != nil && !d.held.Before(since)
}

// named reports whether one of the events names the resource itself, or one that
// may have taken it along.
func (m touched) named() bool {
	if m.Through {
		return true
	}
	for _, e := range m.Events {
		if !e.Wide {
			return true
		}
	}
	return false
}

// holdDeletion reports whether a deletion waits for somebody to look, and then
// plans another look at it.
func (s *session) holdDeletion(ctx context.Context, m touched) (bool, error) {
	if m.named() {
		return false, nil
	}
	k, now := circuitKey{m.Ref.Account, m.Ref.Type}, s.w.Now()
	if s.w.health.has(k, store.MassDelete) {
		released, err := s.w.health.released(ctx, k)
		if err != nil || released {
			return false, err
		}
		s.deletions.hold(k, now)
	} else if held, err := s.deletions.holds(k, now, func() (int64, error) { return s.storedOf(ctx, k) }); err != nil || !held {
		return false, err
	}
	d := store.DirtyMark{Ref: m.Ref, Events: m.Events, Reason: string(store.MassDelete), DueAt: now.Add(guardPause), Attempts: m.Attempt, Since: now}
	if err := s.w.Store.PutDirty(ctx, d); err != nil {
		return false, fmt.Errorf("put off the deletion of %s: %w", m.Ref, err)
	}
	s.w.metrics.held.WithLabelValues(m.Ref.Service()).Inc()
	return true, s.w.health.put(ctx, m.Ref.Account, store.Condition{Type: m.Ref.Type, State: store.MassDelete, Since: now, UpdatedAt: now,
		Reason: fmt.Sprintf("more than %d resources and a fifth of all are gone at once, and no event says who deleted them; nothing is resolved until somebody has looked", guardLeast)})
}

// storedOf counts what is stored of a type in an account.
func (s *session) storedOf(ctx context.Context, k circuitKey) (n int64, err error) {
	counts, err := s.w.Store.CountResources(ctx, k.account)
	if err != nil {
		return 0, fmt.Errorf("count the resources of %s: %w", k.account, err)
	}
	for _, c := range counts {
		if c.Type == k.resourceType {
			n += c.Total
		}
	}
	return n, nil
}

// allSeen ends the alarm over deletions of a type once a scan of it met none
// that was held.
func (s *session) allSeen(t scanTask) {
	k := circuitKey{t.Account, t.Type}
	if !s.deletions.heldSince(k, t.Started) {
		s.w.health.clear(s.ctx, k, store.MassDelete)
	}
}

// gone reports whether an observation is the first to say that a resource was
// deleted.
func gone(stored *store.Resource, obs qrie.Observation) bool {
	return obs.Deleted && stored != nil && !stored.Deleted
}
