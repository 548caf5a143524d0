package kinesis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// renewers bounds the writes of one round that are under way together.
const renewers = 16

// renewAll writes counter and checkpoint of the leases that are wanted, under
// the condition that the row still is its own. A zombie fails here.
func (c *consumer) renewAll(ctx context.Context, wanted func(*session) bool) error {
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.LeaseTime/3)
	defer cancel()
	c.mu.Lock()
	var due []*session
	for shard, e := range c.held {
		switch {
		case e.over && (e.released || e.taken.Load()) && e.exited && (e.hidden || c.draining):
			delete(c.held, shard)
		case e.claiming || e.released || e.taken.Load():
		case !e.over && e.Context().Err() != nil:
			// It is coming to its end, and may not be made valid again.
		case wanted(e):
			due = append(due, e)
		}
	}
	c.mu.Unlock()
	errs := make([]error, len(due))
	var wg sync.WaitGroup
	slots := make(chan struct{}, renewers)
	for i, e := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = c.renew(ctx, e)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *consumer) renew(ctx context.Context, e *session) error {
	c.mu.Lock()
	over, why := e.over, e.why
	c.mu.Unlock()
	next := row{owner: c.owner, caughtUp: e.caughtUp(), checkpoint: e.Watermark(), ended: why == stream.ShardEnd}
	if over {
		next.owner = ""
	}
	if why == stream.Lost {
		next.checkpoint, next.caughtUp = "", time.Time{} // what was finished after the loss does not count
	}
	began := c.s.opts.Now()
	err := c.s.leases.renew(ctx, e.row, next)
	c.s.metrics.checkpoint.Observe(c.s.opts.Now().Sub(began).Seconds())
	news := stream.CompareSeq(next.checkpoint, e.flushed()) > 0
	count := func(result string) {
		if news {
			c.s.metrics.checkpoints.WithLabelValues(result).Inc()
		}
	}
	switch {
	case errors.Is(err, errFenced):
		count("refused")
		c.s.metrics.fenced.WithLabelValues("checkpoint").Inc()
		c.s.metrics.changes.WithLabelValues("lost").Inc()
		c.log.Warn("lease lost to another owner", "shard", e.Shard(), "epoch", e.Epoch())
		e.taken.Store(true)
		e.Cancel()
		return nil
	case err != nil:
		count("error")
		return err
	}
	count("ok")
	e.setFlushed(next.checkpoint)
	if !over {
		e.extend(began)
		return nil
	}
	if why != stream.Lost {
		c.s.metrics.changes.WithLabelValues(string(why)).Inc()
	}
	c.log.Info("lease given up", "shard", e.Shard(), "epoch", e.Epoch(), "checkpoint", e.flushed(), "why", string(why))
	if why == stream.ShardEnd {
		c.s.metrics.finished(e.Shard())
	}
	c.mu.Lock()
	e.released = true
	c.mu.Unlock()
	return nil
}
