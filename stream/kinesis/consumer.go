package kinesis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// consumer is one Consume: it decides which shards the library's worker reads,
// keeps their leases, and runs a session for each.
type consumer struct {
	s     *Stream
	owner string
	h     stream.Handler
	log   *slog.Logger
	guard *guard

	poke  chan struct{} // asks for a round before the next is due
	flush chan struct{} // asks for the checkpoints of those sessions that want it

	// Of the goroutine of run.
	rows    stream.Sightings[string, row]
	workers stream.Sightings[string, int64]
	asked   time.Time // for the retention

	mu       sync.Mutex
	draining bool
	offers   map[string]offer    // shards to be taken, until the next round
	held     map[string]*session // by shard, from the attempt to claim until nothing of the session is left
	errs     []error             // of the last drain
}

func newConsumer(s *Stream, owner string, h stream.Handler) *consumer {
	c := &consumer{
		s: s, owner: owner, h: h,
		log:     s.opts.Log.With("stream", s.opts.Stream, "owner", owner),
		poke:    make(chan struct{}, 1),
		flush:   make(chan struct{}, 1),
		rows:    stream.Sightings[string, row]{},
		workers: stream.Sightings[string, int64]{},
		held:    map[string]*session{},
	}
	c.guard = newGuard(c)
	return c
}

// ask puts a wish where it is not there already.
func ask(wish chan<- struct{}) {
	select {
	case wish <- struct{}{}:
	default:
	}
}

// roundInterval is the longest time between two rounds, however long a lease
// lasts: a shard that was given up waits so long for its next owner.
const roundInterval = 2 * time.Second

// run does a round every fifth of the lease time until ctx ends, and on until
// every session has drained and its lease is given up.
func (c *consumer) run(ctx context.Context) error {
	library, err := c.startLibrary()
	if err != nil {
		return err
	}
	tick := time.NewTicker(min(c.s.opts.LeaseTime/5, roundInterval))
	defer tick.Stop()
	stop := ctx.Done()
	var stopped <-chan struct{}
	for whole := true; ; {
		var failed error
		if whole {
			failed = c.round(context.WithoutCancel(ctx), ctx.Err() == nil)
		} else {
			failed = c.renewAll(context.WithoutCancel(ctx), func(e *session) bool { return e.wanting.Swap(false) })
		}
		if failed != nil {
			c.log.Error("cannot keep the leases", "error", failed)
		}
		if stop == nil && c.gone(failed != nil) {
			// With failed, leases are not given up but run out.
			return errors.Join(append(c.errs, failed, c.await(stopped))...)
		}
		var again <-chan time.Time
		if failed != nil {
			again = time.After(c.s.opts.LeaseTime / 20) // there is not much time to renew a lease
		}
		whole = true
		select {
		case <-tick.C:
		case <-again:
		case <-c.poke:
		case <-c.flush:
			whole = false
		case <-stop:
			stop = nil
			c.drain()
			stopped = library.shutdown()
		}
	}
}

// drain stops every session, and keeps new ones from beginning.
func (c *consumer) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	c.offers = nil
	for _, e := range c.held {
		e.stop()
	}
	c.guard.stop()
}

// gone reports whether no session is left; leases that could not be given up
// do not count if leave is set.
func (c *consumer) gone(leave bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.held {
		if !e.over || !e.released && !e.taken.Load() && !leave {
			return false
		}
	}
	return true
}

// await waits for the library's worker. Its wait has no bound, so this one has.
func (c *consumer) await(stopped <-chan struct{}) error {
	select {
	case <-stopped:
		return nil
	case <-time.After(c.s.patience):
		return fmt.Errorf("consume %s: the reader has not stopped %v after its sessions had ended; it reads no shard, but its goroutines are left behind", c.s.opts.Stream, c.s.patience)
	}
}

// round renews the leases, writes the checkpoints, gives up what has drained,
// and, with claim, plans what is to be taken and given up.
func (c *consumer) round(ctx context.Context, claim bool) error {
	began := c.s.opts.Now()
	err := c.renewAll(ctx, func(*session) bool { return true })
	c.s.metrics.renewal.Observe(c.s.opts.Now().Sub(began).Seconds())
	// What else there is to do must not keep the next renewals waiting.
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.LeaseTime/5)
	defer cancel()
	if claim {
		if err := errors.Join(err, c.s.leases.beat(ctx, c.owner)); err != nil {
			return err
		}
		return c.plan(ctx)
	}
	// Who takes nothing more is no worker to share with, though he may hold
	// leases until they have drained. If this fails the others find out by
	// themselves, when nothing more is heard of him.
	if failed := c.s.leases.leave(ctx, c.owner); failed != nil {
		c.log.Info("the other workers were not told that this one ends", "error", failed)
	}
	return err
}

// ended notes that a session has come to its end. A lease that is still ours
// is given up in the next round.
func (c *consumer) ended(e *session, why stream.EndReason) {
	c.s.metrics.remove(e)
	c.mu.Lock()
	defer c.mu.Unlock()
	e.over, e.why = true, why
	if e.drain != nil {
		e.drain.Stop()
	}
	if why == stream.Lost && !e.taken.Load() && !e.panicked.Load() {
		c.log.Warn("lease ran out before it could be renewed", "shard", e.Shard(), "epoch", e.Epoch())
		c.s.metrics.changes.WithLabelValues("expired").Inc()
	}
	if n := e.Unfinished(); n > 0 && why == stream.Released {
		err := fmt.Errorf("drain %s: %d records were not finished within %v and are delivered again", e.Shard(), n, c.s.opts.DrainTimeout)
		c.log.Warn("a drain took too long", "error", err)
		if c.draining {
			c.errs = append(c.errs, err)
		}
	}
	ask(c.poke)
}
