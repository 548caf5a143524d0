package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// consumer is one Consume: it holds leases and runs a session for each. Its
// fields belong to the goroutine of run.
type consumer struct {
	s     *Stream
	owner string
	h     stream.Handler
	log   *slog.Logger

	held    map[int]*session // by shard, from the claim until the release
	ended   chan *session    // sessions that have come to their end
	poke    chan struct{}    // asks for a round before the next is due
	leases  stream.Sightings[int, lease]
	workers stream.Sightings[string, int64]
}

func newConsumer(s *Stream, owner string, h stream.Handler) *consumer {
	return &consumer{
		s: s, owner: owner, h: h,
		log:     s.opts.Log.With("owner", owner),
		held:    map[int]*session{},
		ended:   make(chan *session, s.shards),
		poke:    make(chan struct{}, 1),
		leases:  stream.Sightings[int, lease]{},
		workers: stream.Sightings[string, int64]{},
	}
}

// run does a round every fifth of the lease time until ctx ends, and on until
// every session has drained and its lease is given up.
func (c *consumer) run(ctx context.Context) error {
	tick := time.NewTicker(c.s.opts.LeaseTime / 5)
	defer tick.Stop()
	stop := ctx.Done()
	var errs []error
	for {
		failed := c.round(context.WithoutCancel(ctx), ctx.Err() == nil)
		if failed != nil {
			c.log.Error("cannot renew leases", "error", failed)
		}
		if ctx.Err() != nil && c.drained() && (failed != nil || len(c.held) == 0) {
			// With failed, leases are not given up but run out.
			return errors.Join(append(errs, failed)...)
		}
		select {
		case <-tick.C:
		case <-c.poke:
		case e := <-c.ended:
			errs = append(errs, c.finish(e))
			for len(c.ended) > 0 {
				errs = append(errs, c.finish(<-c.ended))
			}
		case <-stop:
			stop = nil
			for _, e := range c.held {
				e.stop()
			}
		}
		if errors.Is(failed, stream.ErrClosed) {
			// The database was closed under the stream: no lease can be kept.
			for _, e := range c.held {
				e.Cancel()
			}
			for !c.drained() {
				c.finish(<-c.ended)
			}
			return failed
		}
	}
}

// drained reports whether every session has come to its end.
func (c *consumer) drained() bool {
	for _, e := range c.held {
		if !e.over {
			return false
		}
	}
	return true
}

// finish notes that a session has come to its end. A lease that is still ours
// is given up in the next round.
func (c *consumer) finish(e *session) error {
	e.over = true
	e.fence.Stop()
	if e.drain != nil {
		e.drain.Stop()
	}
	c.s.metrics.remove(e)
	if e.why == stream.Lost {
		delete(c.held, e.shard)
		if !e.taken {
			c.log.Warn("lease ran out before it could be renewed", "shard", e.Shard(), "epoch", e.Epoch())
			c.s.metrics.changes.WithLabelValues("expired").Inc()
		}
	}
	if n := e.Unfinished(); n > 0 && e.why == stream.Released {
		return fmt.Errorf("drain %s: %d records were not finished within %v and are delivered again", e.Shard(), n, c.s.opts.DrainTimeout)
	}
	return nil
}

// begin starts the session of a lease that was won in a round that began then.
func (c *consumer) begin(l lease, began time.Time) {
	e := newSession(c, l, began)
	c.held[l.shard] = e
	c.s.metrics.add(e)
	c.log.Info("lease acquired", "shard", e.Shard(), "epoch", e.Epoch(), "checkpoint", l.checkpoint)
	go e.run()
}
