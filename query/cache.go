package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// How a summary is kept. The store holds the entry and the lock, so that all
// servers share one; this process holds the waiting.
const (
	// maxStale is the age from which on an entry is no longer served while a
	// new one is computed: a day-old number helps nobody.
	maxStale = 24 * time.Hour
	// lockAge is the time after which a server that took the lock and died is
	// no longer waited for. A refresh that takes longer is fenced off.
	lockAge = 30 * time.Second
	// jitterShare spreads the refreshes of entries made at the same time.
	jitterShare = 0.1
	// coldWait is how long a request waits where there is nothing to serve.
	coldWait = 5 * time.Second
	// lockPoll is how often the store is asked whether another server, which
	// holds the lock, has finished.
	lockPoll = 100 * time.Millisecond
)

// entry is what the store keeps of a summary.
type entry struct {
	Stamp    string          `json:"stamp"`     // of what it was computed from
	FreshFor time.Duration   `json:"fresh_for"` // jittered when it was computed
	Data     json.RawMessage `json:"data"`
}

// cacheOptions are what one cached summary is made of.
type cacheOptions struct {
	key     string
	fresh   time.Duration
	compute func(context.Context) (any, error)
	// stamp changes when a refresh is due at once: policies changed, a scan
	// ended. It is read on every request and must be cheap.
	stamp   func(context.Context) (string, error)
	now     func() time.Time
	jitter  func() float64
	owner   string // of locks; unique among servers
	metrics *metrics
	log     *slog.Logger
}

// cache is one summary: computed lazily, by one server at a time, and served
// while it is being computed again. run does the computing; get never does.
type cache struct {
	cacheOptions
	store store.Summaries
	// wait and poll are coldWait and lockPoll, but for tests.
	wait, poll time.Duration

	mu      sync.Mutex
	pending *refresh      // nil while none is asked for
	asked   chan *refresh // holds pending until run takes it
}

// refresh is one attempt at computing the entry, which any number of requests
// wait for.
type refresh struct {
	done chan struct{}
	err  error // set before done is closed
}

func newCache(s store.Summaries, o cacheOptions) *cache {
	return &cache{cacheOptions: o, store: s, wait: coldWait, poll: lockPoll, asked: make(chan *refresh, 1)}
}

// cached is an entry as it is served.
type cached struct {
	data       json.RawMessage
	computedAt time.Time
	age        time.Duration
	stale      bool
}

// get returns the entry: at once if there is one that is not too old, after
// its computation otherwise. With a problem "unavailable" that took too long.
func (c *cache) get(ctx context.Context) (cached, error) {
	stamp, err := c.stamp(ctx)
	if err != nil {
		return cached{}, err
	}
	have, ok, err := c.read(ctx, stamp)
	switch {
	case err != nil:
		return cached{}, err
	case ok && !have.stale:
		c.metrics.summary("fresh", have.age)
		return have, nil
	case ok:
		c.ask()
		c.metrics.summary("stale", have.age)
		return have, nil
	}
	return c.await(ctx, stamp)
}

// await waits for a computation where there is nothing to serve meanwhile.
func (c *cache) await(ctx context.Context, stamp string) (cached, error) {
	r := c.ask()
	timer := time.NewTimer(c.wait)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-ctx.Done():
		return cached{}, ctx.Err()
	case <-timer.C:
		c.metrics.summary("lock_wait", 0)
		return cached{}, kindUnavailable.problem("the summary is being computed for the first time: try again in a moment").retryAfter(2 * time.Second)
	}
	if r.err != nil {
		return cached{}, r.err
	}
	have, ok, err := c.read(ctx, stamp)
	if err == nil && !ok {
		err = fmt.Errorf("summary %s: it was computed and is not stored", c.key)
	}
	if err != nil {
		return cached{}, err
	}
	have.stale = false // it was computed for this request
	c.metrics.summary("miss", have.age)
	return have, nil
}

// read looks at the stored entry. ok is false where there is none that may be
// served.
func (c *cache) read(ctx context.Context, stamp string) (have cached, ok bool, err error) {
	stored, err := c.store.Summary(ctx, c.key)
	if errors.Is(err, qrie.ErrNotFound) {
		return cached{}, false, nil
	}
	if err != nil {
		return cached{}, false, fmt.Errorf("read summary %s: %w", c.key, err)
	}
	var e entry
	if err := json.Unmarshal(stored.Payload, &e); err != nil {
		// A damaged entry is no worse than none: it is computed again.
		c.log.Warn("a stored summary cannot be read", "key", c.key, "error", err)
		return cached{}, false, nil
	}
	age := max(0, c.now().Sub(stored.ComputedAt))
	if age > maxStale {
		return cached{}, false, nil
	}
	return cached{
		data: e.Data, computedAt: stored.ComputedAt.UTC(), age: age,
		stale: age >= e.FreshFor || e.Stamp != stamp,
	}, true, nil
}

// ask makes run compute the entry, once for all who ask meanwhile.
func (c *cache) ask() *refresh {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil {
		c.pending = &refresh{done: make(chan struct{})}
		c.asked <- c.pending // never blocks: there is one pending at a time
	}
	return c.pending
}

// run computes the entry whenever it is asked for, until ctx ends.
func (c *cache) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-c.asked:
			r.err = c.refresh(ctx)
			if r.err != nil && ctx.Err() == nil {
				c.log.Error("a summary was not refreshed", "key", c.key, "error", r.err)
			}
			c.mu.Lock()
			c.pending = nil
			c.mu.Unlock()
			close(r.done)
		}
	}
}

// refresh takes the lock, computes and stores the entry. While another server
// holds the lock it waits for that one's entry, or for the lock to expire.
func (c *cache) refresh(ctx context.Context) error {
	before, had, err := c.computedAt(ctx)
	if err != nil {
		return err
	}
	for {
		fence, ok, err := c.store.LockSummary(ctx, c.key, c.owner, c.now(), lockAge)
		if err != nil {
			return fmt.Errorf("lock summary %s: %w", c.key, err)
		}
		if ok {
			return c.computeLocked(ctx, fence)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.poll):
		}
		now, has, err := c.computedAt(ctx)
		if err != nil {
			return err
		}
		if has && (!had || now.After(before)) {
			return nil // the other server did it
		}
	}
}

func (c *cache) computedAt(ctx context.Context) (at time.Time, ok bool, err error) {
	stored, err := c.store.Summary(ctx, c.key)
	if errors.Is(err, qrie.ErrNotFound) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("read summary %s: %w", c.key, err)
	}
	return stored.ComputedAt, true, nil
}

// computeLocked computes the entry under the lock and gives the lock back,
// also after an error.
func (c *cache) computeLocked(ctx context.Context, fence int64) error {
	done, err := c.done(ctx)
	if done || err != nil {
		return c.unlock(ctx, fence, err)
	}
	payload, at, err := c.computeEntry(ctx)
	if err != nil {
		return c.unlock(ctx, fence, err)
	}
	err = c.store.PutSummary(ctx, store.Summary{Key: c.key, Payload: payload, ComputedAt: at, Fence: fence}, c.owner)
	switch {
	case errors.Is(err, qrie.ErrFenced):
		// It took longer than the lock lasts, and another server has taken
		// over: that one's entry is as good and not older.
		c.log.Warn("a refresh was too slow and was fenced off", "key", c.key, "fence", fence)
		return nil
	case err != nil:
		return c.unlock(ctx, fence, fmt.Errorf("store summary %s: %w", c.key, err))
	}
	return nil
}

// done tells whether another server, or the refresh before this one, stored a
// fresh entry between the look that found none and the taking of the lock.
func (c *cache) done(ctx context.Context) (bool, error) {
	stamp, err := c.stamp(ctx)
	if err != nil {
		return false, err
	}
	have, ok, err := c.read(ctx, stamp)
	return ok && !have.stale, err
}

// unlock gives the lock back, also when ctx has ended: the next server need
// then not wait for it to expire. It returns err with what went wrong itself.
func (c *cache) unlock(ctx context.Context, fence int64, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if unlockErr := c.store.UnlockSummary(ctx, c.key, c.owner, fence); unlockErr != nil && !errors.Is(unlockErr, qrie.ErrFenced) {
		return errors.Join(err, fmt.Errorf("unlock summary %s: %w", c.key, unlockErr))
	}
	return err
}

// computeEntry takes the stamp and the time first: what changes while it
// computes makes the entry due again.
func (c *cache) computeEntry(ctx context.Context) (json.RawMessage, time.Time, error) {
	at := c.now()
	stamp, err := c.stamp(ctx)
	if err != nil {
		return nil, at, err
	}
	value, err := c.compute(ctx)
	if err != nil {
		return nil, at, fmt.Errorf("compute summary %s: %w", c.key, err)
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, at, fmt.Errorf("encode summary %s: %w", c.key, err)
	}
	spread := 1 + jitterShare*(2*c.jitter()-1)
	payload, err := json.Marshal(entry{Stamp: stamp, FreshFor: time.Duration(float64(c.fresh) * spread), Data: data})
	if err != nil {
		return nil, at, fmt.Errorf("encode summary %s: %w", c.key, err)
	}
	return payload, at, nil
}
