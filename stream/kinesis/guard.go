package kinesis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
)

// guard stands between the library and Kinesis, as a middleware of the
// library's client that answers every call itself:
//
//   - ListShards gives the shards that are held or to be taken, without their
//     parents: a child is not shown before every parent is finished, whereas
//     the library waits for one parent of two, and for none that has no
//     checkpoint yet;
//   - an iterator begins after the checkpoint, or at the trim horizon, never
//     at the end;
//   - a read that fails is an empty read, and an iterator that has expired is
//     replaced, whereas the library gives the shard up;
//   - aggregated records are taken apart here, and what only looks like one is
//     hidden from the library, which would drop the whole read or panic.
type guard struct {
	c       *consumer
	running context.Context
	stop    context.CancelFunc
	pause   time.Duration // after a read that failed

	mu        sync.Mutex
	iterators map[string]position
	readings  map[string]reading // by shard, of the last read until somebody took it over
}

// reading is what a read tells beside its records.
type reading struct {
	at     time.Time     // when it began
	behind time.Duration // what arrived until so long before was in it, or before it; negative: not known
}

func newGuard(c *consumer) *guard {
	g := &guard{c: c, pause: time.Second, iterators: map[string]position{}, readings: map[string]reading{}}
	g.running, g.stop = context.WithCancel(context.Background())
	return g
}

// install makes a client ask the guard and nobody else.
func (g *guard) install(o *kinesis.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("qrieGuard", g.answer), middleware.Before)
	})
}

func (g *guard) answer(_ context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
	switch p := in.Parameters.(type) {
	case *kinesis.ListShardsInput:
		out.Result = &kinesis.ListShardsOutput{Shards: g.c.shown()}
	case *kinesis.GetShardIteratorInput:
		out.Result, err = g.iterator(p)
	case *kinesis.GetRecordsInput:
		out.Result = g.records(p)
	default:
		err = fmt.Errorf("the reader may not call %T", p)
	}
	return out, md, err
}

// shown are the shards that the library may see. One whose session ends is
// hidden at least once before it can be taken again, because the library
// remembers what it has seen.
func (c *consumer) shown() []types.Shard {
	c.mu.Lock()
	defer c.mu.Unlock()
	var shards []types.Shard
	add := func(id string) {
		shards = append(shards, types.Shard{ShardId: aws.String(id), SequenceNumberRange: &types.SequenceNumberRange{}})
	}
	for id, e := range c.held {
		if !e.claiming && (e.over || e.intake.Err() != nil) {
			e.hidden = true
			continue
		}
		add(id)
	}
	for id := range c.offers {
		if c.held[id] == nil {
			add(id)
		}
	}
	return shards
}

// iterator answers GetShardIterator. What the library takes for a sequence
// number is one of the port.
func (g *guard) iterator(in *kinesis.GetShardIteratorInput) (*kinesis.GetShardIteratorOutput, error) {
	id, err := g.point(behindMark(aws.ToString(in.ShardId), aws.ToString(in.StartingSequenceNumber)))
	if err != nil {
		return nil, err
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String(id)}, nil
}

// point makes an iterator.
func (g *guard) point(at position) (string, error) {
	ctx, cancel := context.WithTimeout(g.running, 3*callTimeout)
	defer cancel()
	id, at, err := g.c.s.point(ctx, at)
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for old, p := range g.iterators {
		if p.shard == at.shard {
			delete(g.iterators, old) // of an earlier session, or expired
		}
	}
	g.iterators[id] = at
	return id, nil
}

// took gives the reading of the records that were handed to a shard's
// processor; there is none if the read failed, or was taken over before.
func (g *guard) took(shard string) (r reading, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok = g.readings[shard]
	delete(g.readings, shard)
	return r, ok
}

// records answers GetRecords.
func (g *guard) records(in *kinesis.GetRecordsInput) *kinesis.GetRecordsOutput {
	id := aws.ToString(in.ShardIterator)
	g.mu.Lock()
	at := g.iterators[id]
	delete(g.iterators, id)
	g.mu.Unlock()

	ctx, cancel := context.WithTimeout(g.running, 3*callTimeout)
	defer cancel()
	began := g.c.s.opts.Now()
	out, err := g.c.s.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: in.ShardIterator, Limit: in.Limit})
	if err != nil {
		return g.failed(id, at, err)
	}
	g.c.s.metrics.reading.Observe(g.c.s.opts.Now().Sub(began).Seconds())
	if n := len(out.Records); n > 0 {
		at.from, at.seq = types.ShardIteratorTypeAfterSequenceNumber, aws.ToString(out.Records[n-1].SequenceNumber)
	} else if at.seq != "" && g.c.s.dropped(out.MillisBehindLatest) {
		g.c.log.Warn("the records after the checkpoint are past the retention; reading goes on with the oldest that is left", "shard", at.shard, "after", at.seq)
		at.from, at.seq = types.ShardIteratorTypeTrimHorizon, ""
		id, err := g.point(at)
		if err != nil {
			return g.failed(aws.ToString(in.ShardIterator), at, err)
		}
		return &kinesis.GetRecordsOutput{NextShardIterator: aws.String(id), MillisBehindLatest: out.MillisBehindLatest}
	}
	answer := &kinesis.GetRecordsOutput{NextShardIterator: out.NextShardIterator, MillisBehindLatest: out.MillisBehindLatest}
	if answer.MillisBehindLatest == nil {
		answer.MillisBehindLatest = aws.Int64(0)
	}
	for _, r := range out.Records {
		parts, broken := takeApart(r)
		if broken != nil {
			g.c.log.Warn("a record looks aggregated and is not; it is handed over as it is", "shard", at.shard, "seq", aws.ToString(r.SequenceNumber), "error", broken)
		}
		answer.Records = append(answer.Records, parts...)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if out.NextShardIterator != nil {
		g.iterators[*out.NextShardIterator] = at
	}
	g.readings[at.shard] = reading{began, -1}
	if out.MillisBehindLatest != nil {
		g.readings[at.shard] = reading{began, time.Duration(*out.MillisBehindLatest) * time.Millisecond}
	}
	return answer
}

// failed makes an empty read of one that failed, which goes on at the same
// place.
func (g *guard) failed(id string, at position, err error) *kinesis.GetRecordsOutput {
	var expired *types.ExpiredIteratorException
	pause := g.pause/2 + g.c.s.jitter(g.pause)
	switch {
	case errors.As(err, &expired):
		g.c.s.metrics.expired.Inc()
		renewed, problem := g.point(at)
		if problem == nil {
			id, at.shard, pause = renewed, "", 0 // point has noted it
			break
		}
		err = problem
		fallthrough
	default:
		if isThrottle(err) {
			g.c.s.metrics.throttled.WithLabelValues("get_records").Inc()
		} else if g.running.Err() == nil {
			g.c.log.Error("cannot read the stream", "shard", at.shard, "error", err)
		}
	}
	if at.shard != "" {
		g.mu.Lock()
		g.iterators[id] = at
		g.mu.Unlock()
	}
	select {
	case <-time.After(pause):
	case <-g.running.Done():
	}
	return &kinesis.GetRecordsOutput{NextShardIterator: aws.String(id), MillisBehindLatest: aws.Int64(0)}
}
