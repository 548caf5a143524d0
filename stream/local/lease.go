package local

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/stream"
)

// outcome is what a round did to the tables, to be acted on once it is
// durable.
type outcome struct {
	renewed  []*session
	marks    map[*session]int64 // the watermark that each of renewed and released stored
	released []*session
	lost     []*session
	won      []lease
	surplus  int // sessions to drain for other workers
	unowned  int
}

// round renews the leases, writes the checkpoints, gives up what has drained
// and takes what is free, all in one write. Without claim it takes nothing.
func (c *consumer) round(ctx context.Context, claim bool) error {
	began := c.s.opts.Now()
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.LeaseTime)
	defer cancel()
	var o outcome
	err := c.s.db.Write(ctx, func(tx *sqlite.Tx) error { return c.exchange(tx, claim, &o) })
	c.s.metrics.renewal.Observe(c.s.opts.Now().Sub(began).Seconds())
	if err != nil {
		for _, e := range c.held {
			if watermark(e) > e.stored {
				c.s.metrics.checkpoints.WithLabelValues("error").Inc()
			}
		}
		return notice(err)
	}
	for _, e := range o.renewed {
		c.storedMark(e, o.marks[e])
		e.extend(began)
	}
	for _, e := range o.released {
		c.storedMark(e, o.marks[e])
		delete(c.held, e.shard)
		c.s.metrics.changes.WithLabelValues("released").Inc()
		c.log.Info("lease released", "shard", e.Shard(), "epoch", e.Epoch(), "checkpoint", e.stored)
	}
	for _, e := range o.lost {
		c.lose(e)
	}
	for _, l := range o.won {
		c.s.metrics.changes.WithLabelValues("acquired").Inc()
		c.begin(l, began)
	}
	c.giveUp(o.surplus)
	c.s.metrics.shards.WithLabelValues("open").Set(float64(c.s.shards))
	c.s.metrics.shards.WithLabelValues("unowned").Set(float64(o.unowned))
	return nil
}

// exchange is the part of a round inside the transaction.
func (c *consumer) exchange(tx *sqlite.Tx, claim bool, o *outcome) error {
	// Who takes nothing more is no worker to share with, though he may hold
	// leases until they have drained.
	heartbeat := "DELETE FROM stream_workers WHERE owner = ?"
	if claim {
		heartbeat = "INSERT INTO stream_workers (owner, counter) VALUES (?, 1) ON CONFLICT (owner) DO UPDATE SET counter = counter + 1"
	}
	if _, err := tx.Exec(heartbeat, c.owner); err != nil {
		return fmt.Errorf("write heartbeat: %w", err)
	}
	if err := c.renew(tx, o); err != nil {
		return err
	}
	leases, err := readLeases(tx.Query)
	if err != nil {
		return err
	}
	workers, err := readWorkers(tx)
	if err != nil {
		return err
	}
	// After the reading: what stood still is counted from when it was seen.
	now := c.s.opts.Now()
	live, err := c.live(tx, workers, now)
	if err != nil {
		return err
	}
	var free []lease
	for _, l := range leases {
		still := c.leases.Still(l.shard, l, now)
		// What is held here is not free even if the row says so: the session
		// has still to come to its end, or ended only now and was given up
		// for somebody else.
		if c.held[l.shard] == nil && (l.owner == "" || l.owner == c.owner || still >= c.s.opts.LeaseTime) {
			free = append(free, l)
		} else if n, ok := live[l.owner]; ok {
			live[l.owner] = n + 1
		}
	}
	if claim {
		for _, l := range free[:stream.Allowed(c.owner, live, len(free), len(leases))] {
			if err := c.claim(tx, &l); err != nil {
				return err
			}
			o.won = append(o.won, l)
		}
		if len(free) == 0 {
			o.surplus = stream.Surplus(c.owner, live, len(leases))
		}
	}
	o.unowned = len(free) - len(o.won)
	return nil
}

// renew writes counter and checkpoint of every session under the condition
// that the row still is its own. A zombie fails here.
func (c *consumer) renew(tx *sqlite.Tx, o *outcome) error {
	o.marks = make(map[*session]int64, len(c.held))
	for _, e := range c.held {
		owner := c.owner
		if e.over {
			owner = ""
		} else if e.Context().Err() != nil {
			continue // it is coming to its end, and may not be made valid again
		}
		mark := watermark(e)
		res, err := tx.Exec("UPDATE stream_leases SET owner = ?, counter = counter + 1, checkpoint = max(checkpoint, ?) WHERE shard = ? AND owner = ? AND epoch = ?",
			owner, mark, e.shard, c.owner, e.Epoch())
		if err != nil {
			return fmt.Errorf("renew lease of %s: %w", e.Shard(), err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("renew lease of %s: %w", e.Shard(), err)
		}
		o.marks[e] = mark
		switch {
		case n == 0:
			o.lost = append(o.lost, e)
		case e.over:
			o.released = append(o.released, e)
		default:
			o.renewed = append(o.renewed, e)
		}
	}
	return nil
}

// live counts the workers whose heartbeat moves, each with no shard yet, and
// forgets the others.
func (c *consumer) live(tx *sqlite.Tx, workers map[string]int64, now time.Time) (map[string]int, error) {
	live := map[string]int{}
	for owner, counter := range workers {
		if c.workers.Still(owner, counter, now) < c.s.opts.LeaseTime {
			live[owner] = 0
			continue
		}
		if _, err := tx.Exec("DELETE FROM stream_workers WHERE owner = ?", owner); err != nil {
			return nil, fmt.Errorf("forget worker %s: %w", owner, err)
		}
	}
	for owner := range c.workers {
		if _, ok := workers[owner]; !ok {
			delete(c.workers, owner)
		}
	}
	return live, nil
}

// claim takes a lease. The transaction has read the row, so nobody else can
// have taken it meanwhile.
func (c *consumer) claim(tx *sqlite.Tx, l *lease) error {
	l.owner = c.owner
	l.epoch++
	l.counter++
	_, err := tx.Exec("UPDATE stream_leases SET owner = ?, epoch = ?, counter = ? WHERE shard = ?", l.owner, l.epoch, l.counter, l.shard)
	if err != nil {
		return fmt.Errorf("take lease of %s: %w", shardName(l.shard), err)
	}
	return nil
}

// lose ends a session whose lease another owner has.
func (c *consumer) lose(e *session) {
	if watermark(e) > e.stored {
		c.s.metrics.checkpoints.WithLabelValues("refused").Inc()
		c.s.metrics.fenced.WithLabelValues("checkpoint").Inc()
	}
	c.log.Warn("lease lost to another owner", "shard", e.Shard(), "epoch", e.Epoch())
	c.s.metrics.changes.WithLabelValues("lost").Inc()
	e.taken = true
	e.Cancel()
	if e.over { // it had drained, but too late to be released
		delete(c.held, e.shard)
	}
}

// giveUp drains n sessions, less those that drain already.
func (c *consumer) giveUp(n int) {
	shards := make([]int, 0, len(c.held))
	for shard, e := range c.held {
		if e.intake.Err() != nil {
			n--
			continue
		}
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	for _, shard := range shards[len(shards)-max(0, min(n, len(shards))):] {
		c.held[shard].stop()
	}
}

func (c *consumer) storedMark(e *session, mark int64) {
	if mark > e.stored {
		e.stored = mark
		e.flushed.Store(mark)
		c.s.metrics.checkpoints.WithLabelValues("ok").Inc()
	}
}

// watermark is the sequence number that may be written as checkpoint; zero is
// "none yet".
func watermark(e *session) int64 {
	mark := e.Watermark()
	if mark == "" {
		return 0
	}
	n, err := strconv.ParseInt(mark, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("BUG: watermark %q of %s is no number of this stream", mark, e.Shard()))
	}
	return n
}
