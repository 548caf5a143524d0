package kinesis

import (
	"context"
	"hash/fnv"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/qrie-sec/qrie/stream"
)

// offer is a shard that the library is shown, and the lease it is to take.
type offer struct {
	shard types.Shard
	seen  row
}

// plan looks at every shard and lease, and decides what to take and what to
// give up.
func (c *consumer) plan(ctx context.Context) error {
	c.learnRetention(ctx)
	shards, err := listShards(ctx, c.s.api, c.s.opts.Stream)
	if err != nil {
		return err
	}
	rows, workers, err := c.s.leases.read(ctx)
	if err != nil {
		return err
	}
	// After the reading: what stood still is counted from when it was seen.
	now := c.s.opts.Now()
	live := c.live(ctx, workers, now)
	ready, waiting := eligible(shards, rows)
	c.clean(ctx, shards, rows)

	c.mu.Lock()
	defer c.mu.Unlock()
	var free []offer
	still := map[string]time.Duration{}
	for _, o := range ready {
		still[o.seen.shard] = c.rows.Still(o.seen.shard, o.seen, now)
		if still[o.seen.shard] >= c.s.opts.LeaseTime && o.seen.owner != c.owner {
			delete(live, o.seen.owner) // whatever his heartbeat was when it was seen last
		}
	}
	for _, o := range ready {
		owner, e := o.seen.owner, c.held[o.seen.shard]
		if e != nil && !e.released && !e.taken.Load() {
			owner = c.owner // even if the row was read before it was won
		}
		// What is held here is not free even if the row says so: the session
		// has still to come to its end, or was given up for somebody else.
		if e == nil && (owner == "" || owner == c.owner || still[o.seen.shard] >= c.s.opts.LeaseTime) {
			free = append(free, o)
		} else if n, ok := live[owner]; ok {
			live[owner] = n + 1
		}
	}
	for shard := range c.rows {
		if !slices.ContainsFunc(ready, func(o offer) bool { return o.seen.shard == shard }) {
			delete(c.rows, shard)
		}
	}
	// Everybody begins somewhere else, or all would try for the same ones.
	slices.SortFunc(free, func(a, b offer) int { return order(c.owner, a.seen.shard) - order(c.owner, b.seen.shard) })
	c.offers = map[string]offer{}
	if c.draining {
		return nil
	}
	take := stream.Allowed(c.owner, live, len(free), len(ready))
	for _, o := range free[:take] {
		c.offers[o.seen.shard] = o
	}
	if len(free) == 0 {
		c.giveUp(stream.Surplus(c.owner, live, len(ready)))
	}
	c.s.metrics.shards.WithLabelValues("open").Set(float64(len(ready)))
	c.s.metrics.shards.WithLabelValues("waiting_parent").Set(float64(waiting))
	c.s.metrics.shards.WithLabelValues("unowned").Set(float64(len(free)))
	c.s.metrics.shards.WithLabelValues("closed").Set(float64(len(shards) - len(ready) - waiting))
	return nil
}

// retentionAge is how old what is known of the retention may be: somebody may
// change it.
const retentionAge = 5 * time.Minute

// learnRetention asks for the retention when it may be outdated. Without an
// answer the last one stays.
func (c *consumer) learnRetention(ctx context.Context) {
	now := c.s.opts.Now()
	if now.Sub(c.asked) < retentionAge {
		return
	}
	c.asked = now
	summary, err := describe(ctx, c.s.api, c.s.opts.Stream)
	if err != nil {
		c.log.Warn("cannot tell the retention of the stream", "error", err)
		return
	}
	c.s.retention.Store(int64(retentionOf(summary)))
}

func order(owner, shard string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(owner + "/" + shard)) // never fails
	return int(h.Sum32())
}

// eligible gives the shards that may be read now, and counts those that have to
// wait for a parent.
func eligible(shards []types.Shard, rows []row) (ready []offer, waiting int) {
	lease := byShard(rows)
	states := states(shards, lease)
	for _, s := range shards {
		id := aws.ToString(s.ShardId)
		switch states[id] {
		case stream.ShardFinished:
		case stream.ShardWaiting:
			waiting++
		default:
			seen := lease[id]
			seen.shard = id
			ready = append(ready, offer{s, seen})
		}
	}
	return ready, waiting
}

func byShard(rows []row) map[string]row {
	lease := make(map[string]row, len(rows))
	for _, r := range rows {
		lease[r.shard] = r
	}
	return lease
}

// states tells where each shard stands. One waits until every parent that still
// is listed is finished; what is not listed any more is beyond the retention.
func states(shards []types.Shard, lease map[string]row) map[string]stream.ShardState {
	listed := map[string]bool{}
	for _, s := range shards {
		listed[aws.ToString(s.ShardId)] = true
	}
	states := make(map[string]stream.ShardState, len(shards))
	for _, s := range shards {
		id, state := aws.ToString(s.ShardId), stream.ShardOpen
		switch {
		case lease[id].ended:
			state = stream.ShardFinished
		case slices.ContainsFunc(parents(s), func(p string) bool { return listed[p] && !lease[p].ended }):
			state = stream.ShardWaiting
		case s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil:
			state = stream.ShardClosed
		}
		states[id] = state
	}
	return states
}

// parents are one shard that was split, or two that were merged.
func parents(s types.Shard) (ids []string) {
	for _, p := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
		if p != nil && *p != "" {
			ids = append(ids, *p)
		}
	}
	return ids
}

// clean removes the leases of shards that were read to the end and that
// Kinesis has forgotten. Any other lease stays, whatever the list says.
func (c *consumer) clean(ctx context.Context, shards []types.Shard, rows []row) {
	for _, r := range rows {
		listed := func(s types.Shard) bool { return aws.ToString(s.ShardId) == r.shard }
		if !r.ended || len(shards) == 0 || slices.ContainsFunc(shards, listed) {
			continue
		}
		if err := c.s.leases.remove(ctx, r.shard); err != nil {
			c.log.Warn("cannot remove the lease of a shard that is gone", "shard", r.shard, "error", err)
		}
	}
}

// live counts the workers whose heartbeat moves, each with no shard yet, and
// buries the others.
func (c *consumer) live(ctx context.Context, workers map[string]int64, now time.Time) map[string]int {
	live := map[string]int{c.owner: 0}
	for worker, counter := range workers {
		if worker == c.owner || c.workers.Still(worker, counter, now) < c.s.opts.LeaseTime {
			live[worker] = 0
		} else if err := c.s.leases.bury(ctx, worker, counter); err != nil {
			c.log.Warn("cannot remove a dead worker", "worker", worker, "error", err)
		}
	}
	for worker := range c.workers {
		if _, ok := workers[worker]; !ok {
			delete(c.workers, worker)
		}
	}
	return live
}

// giveUp drains n sessions, less those that drain already. c.mu is held.
func (c *consumer) giveUp(n int) {
	var shards []string
	for shard, e := range c.held {
		if e.claiming || e.intake.Err() != nil {
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
