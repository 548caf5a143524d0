package memory

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// errKilled ends a Consume whose process was killed.
var errKilled = errors.New("the process was killed")

// consumer is one Consume: it holds leases and runs a session for each. Its
// fields belong to the goroutine of run, and no effect of a call touches them:
// it may come to be when the consumer has long gone on.
type consumer struct {
	s     *Stream
	owner string
	h     stream.Handler

	held    map[string]*session // by shard, from the claim until the release
	ended   chan *session       // sessions that have come to their end
	leases  stream.Sightings[string, lease]
	workers stream.Sightings[string, int64]
	dead    map[string]int64 // workers to be forgotten, with the heartbeat that stood still
}

func newConsumer(s *Stream, h stream.Handler) *consumer {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.consumers++
	return &consumer{
		s: s, h: h, owner: fmt.Sprintf("%s-%d", s.as.Owner, s.log.consumers),
		held: map[string]*session{}, ended: make(chan *session),
		leases: stream.Sightings[string, lease]{}, workers: stream.Sightings[string, int64]{},
	}
}

// run does a round every fifth of the lease time until ctx ends, and on until
// every session has drained and its lease is given up.
func (c *consumer) run(ctx context.Context) error {
	tick := time.NewTicker(c.s.log.opts.LeaseTime / 5)
	defer tick.Stop()
	stop := ctx.Done()
	var errs []error
	for {
		failed := c.round(context.WithoutCancel(ctx), ctx.Err() == nil)
		if ctx.Err() != nil && c.drained() && (failed != nil || len(c.held) == 0) {
			// With failed, leases are not given up but run out.
			return errors.Join(append(errs, failed)...)
		}
		switch e, what := c.next(tick.C, stop); what {
		case killed:
			return c.die()
		case stopped:
			stop = nil
			for _, e := range c.sessions() {
				e.stop()
			}
		case over:
			errs = append(errs, c.finish(e))
		}
	}
}

// event is what a consumer waits for.
type event int

const (
	due event = iota // the next round
	over
	stopped
	killed
)

// next waits for the next event. If several have come it is always the gravest:
// select would throw dice, and no run could be repeated.
func (c *consumer) next(tick <-chan time.Time, stop <-chan struct{}) (*session, event) {
	select {
	case <-c.s.as.Killed:
		return nil, killed
	default:
	}
	select {
	case <-stop:
		return nil, stopped
	default:
	}
	select {
	case e := <-c.ended:
		return e, over
	default:
	}
	select {
	case <-c.s.as.Killed:
		return nil, killed
	case <-stop:
		return nil, stopped
	case e := <-c.ended:
		return e, over
	case <-tick:
		return nil, due
	}
}

// die ends the sessions of a process that was killed. Their leases run out.
func (c *consumer) die() error {
	for _, e := range c.held {
		e.Cancel()
	}
	for !c.drained() {
		_ = c.finish(<-c.ended) // nothing can be written any more
	}
	return errKilled
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
	if e.why == stream.Lost {
		delete(c.held, e.Shard())
	}
	if n := e.Unfinished(); n > 0 && e.why == stream.Released {
		return fmt.Errorf("drain %s: %d records were not finished within %v and are delivered again", e.Shard(), n, c.s.log.opts.DrainTimeout)
	}
	return nil
}

// round renews the leases and writes the checkpoints, gives up what has
// drained, and, with claim, takes what is free.
func (c *consumer) round(ctx context.Context, claim bool) error {
	ctx, cancel := context.WithTimeout(ctx, c.s.log.opts.LeaseTime)
	defer cancel()
	if err := c.renew(ctx); err != nil {
		return err
	}
	seen, err := c.look(ctx, claim)
	if err != nil || !claim {
		return err
	}
	free, surplus := c.plan(seen)
	for _, l := range free {
		if err := c.claim(ctx, l); err != nil {
			return err
		}
	}
	c.giveUp(surplus)
	return nil
}

// sessions are those that are held, always in the same order.
func (c *consumer) sessions() []*session {
	return slices.SortedFunc(maps.Values(c.held), func(a, b *session) int { return strings.Compare(a.Shard(), b.Shard()) })
}

// renew writes counter and checkpoint of every session under the condition
// that the lease still is its own. A zombie fails here.
func (c *consumer) renew(ctx context.Context) error {
	began := c.s.as.Now()
	var renewing []*session
	var renewals []renewal
	for _, e := range c.sessions() {
		if !e.over && e.Context().Err() != nil {
			continue // it is coming to its end, and may not be made valid again
		}
		renewing = append(renewing, e)
		renewals = append(renewals, renewal{shard: e.Shard(), epoch: e.Epoch(), checkpoint: seqNumber(e.Watermark()),
			release: e.over, ended: e.over && e.why == stream.ShardEnd})
	}
	if len(renewals) == 0 {
		return nil
	}
	refused, err := ask(ctx, c.s, "renew "+c.owner, func(l *Log) (refused []bool, err error) {
		for _, r := range renewals {
			refused = append(refused, l.renew(c.owner, r) != nil)
		}
		return refused, nil
	})
	if err != nil {
		return err
	}
	for i, e := range renewing {
		switch {
		case refused[i]:
			e.Cancel()
			fallthrough
		case e.over:
			if e.over { // else run has still to come to its end
				delete(c.held, e.Shard())
			}
		default:
			e.extend(began)
		}
	}
	return nil
}

// sight is the leases that may be read, and the heartbeats, at one moment.
type sight struct {
	leases  []placed
	workers map[string]int64
}

type placed struct {
	shard string
	lease lease
}

// look beats, or leaves, forgets who is dead, and looks at all leases. Who takes
// nothing more is no worker to share with, though he may hold leases until they
// have drained.
func (c *consumer) look(ctx context.Context, stay bool) (sight, error) {
	dead := c.dead
	c.dead = nil
	return ask(ctx, c.s, "look "+c.owner, func(l *Log) (seen sight, err error) {
		if stay {
			l.workers[c.owner]++
		} else {
			delete(l.workers, c.owner)
		}
		for owner, beat := range dead {
			if l.workers[owner] == beat {
				delete(l.workers, owner)
			}
		}
		for _, s := range l.shards {
			if state := l.state(s); state != stream.ShardFinished && state != stream.ShardWaiting {
				seen.leases = append(seen.leases, placed{s.id, s.lease})
			}
		}
		seen.workers = maps.Clone(l.workers)
		return seen, nil
	})
}

// plan decides what to take and how much to give up.
func (c *consumer) plan(seen sight) (take []placed, surplus int) {
	// After the reading: what stood still is counted from when it was seen.
	now, leaseTime := c.s.as.Now(), c.s.log.opts.LeaseTime
	live := c.live(seen.workers, now)
	still := map[string]time.Duration{}
	for _, l := range seen.leases {
		still[l.shard] = c.leases.Still(l.shard, l.lease, now)
		if still[l.shard] >= leaseTime && l.lease.owner != c.owner {
			delete(live, l.lease.owner) // whatever his heartbeat was when it was seen last
		}
	}
	var free []placed
	for _, l := range seen.leases {
		owner, mine := l.lease.owner, c.held[l.shard] != nil
		// What is held here is not free even if the lease says so: the session
		// has still to come to its end, or was given up for somebody else.
		if !mine && (owner == "" || owner == c.owner || still[l.shard] >= leaseTime) {
			free = append(free, l)
			continue
		}
		if mine {
			owner = c.owner
		}
		if n, ok := live[owner]; ok {
			live[owner] = n + 1
		}
	}
	// Everybody begins somewhere else, or all would try for the same ones.
	slices.SortFunc(free, func(a, b placed) int { return c.order(a.shard) - c.order(b.shard) })
	if len(free) == 0 {
		return nil, stream.Surplus(c.owner, live, len(seen.leases))
	}
	return free[:stream.Allowed(c.owner, live, len(free), len(seen.leases))], 0
}

func (c *consumer) order(shard string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.owner + "/" + shard)) // never fails
	return int(h.Sum32())
}

// live counts the workers whose heartbeat moves, each with no shard yet. The
// others are forgotten at the next look.
func (c *consumer) live(workers map[string]int64, now time.Time) map[string]int {
	live := map[string]int{}
	c.dead = map[string]int64{}
	for owner, beat := range workers {
		if c.workers.Still(owner, beat, now) < c.s.log.opts.LeaseTime || owner == c.owner {
			live[owner] = 0
		} else {
			c.dead[owner] = beat
		}
	}
	for owner := range c.workers {
		if _, ok := workers[owner]; !ok {
			delete(c.workers, owner)
		}
	}
	return live
}

// claim takes a lease and begins its session, unless somebody else was first.
func (c *consumer) claim(ctx context.Context, l placed) error {
	began := c.s.as.Now()
	won, err := ask(ctx, c.s, "claim "+l.shard+" for "+c.owner, func(log *Log) (lease, error) { return log.claim(l.shard, c.owner, l.lease) })
	if errors.Is(err, errLost) {
		return nil
	}
	if err != nil {
		return err
	}
	e := newSession(c, l.shard, won, began)
	c.held[l.shard] = e
	go e.run()
	return nil
}

// giveUp drains n sessions, less those that drain already.
func (c *consumer) giveUp(n int) {
	var keep []*session
	for _, e := range c.sessions() {
		if e.intake.Err() != nil {
			n--
			continue
		}
		keep = append(keep, e)
	}
	for _, e := range keep[len(keep)-max(0, min(n, len(keep))):] {
		e.stop()
	}
}
