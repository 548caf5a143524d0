package kinesis

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/qrie-sec/qrie/stream"
)

// tailInterval is the least time between two reads of a shard by one Tail. Of
// the five reads a second that Kinesis allows, the consumer uses nearly all: a
// tail takes one, and waits when it is refused.
const tailInterval = time.Second

// tail is one Tail at work. It is of one goroutine.
type tail struct {
	s     *Stream
	from  time.Time
	yield func(stream.Record) error

	shards map[string]*tailed
}

// tailed is a shard that is tailed, or was.
type tailed struct {
	at       position
	iterator string // empty: to be made
	ended    bool
}

// Tail implements stream.Stream. It reads each shard once a second, which counts
// among the reads that Kinesis allows, and follows a split or a merge from
// parents to children.
func (s *Stream) Tail(ctx context.Context, from time.Time, yield func(stream.Record) error) error {
	if err := s.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	t := &tail{s: s, from: from, yield: yield, shards: map[string]*tailed{}}
	if !from.Before(s.opts.Now()) {
		t.from = time.Time{}
	}
	tick := time.NewTicker(tailInterval)
	defer tick.Stop()
	for {
		err := t.round(ctx)
		if closed := s.open(); closed != nil {
			return closed
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !isThrottle(err) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// round reads each shard once.
func (t *tail) round(ctx context.Context) error {
	if err := t.learn(ctx); err != nil {
		return err
	}
	for id, shard := range t.shards {
		if shard.ended {
			continue
		}
		if err := t.read(ctx, id, shard); err != nil && !isThrottle(err) {
			return err
		}
	}
	return nil
}

// learn looks for shards to begin with, unless all that is known is open: a
// new shard has a parent that has ended. The first time, it begins where it was
// asked to.
func (t *tail) learn(ctx context.Context) error {
	first := len(t.shards) == 0
	open := 0
	for _, shard := range t.shards {
		if !shard.ended {
			open++
		}
	}
	if !first && open == len(t.shards) {
		return nil
	}
	shards, err := listShards(ctx, t.s.api, t.s.opts.Stream)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, s := range shards {
		listed[aws.ToString(s.ShardId)] = true
	}
	for id := range t.shards {
		if !listed[id] {
			delete(t.shards, id)
		}
	}
	for _, s := range shards {
		id := aws.ToString(s.ShardId)
		closed := s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil
		if t.shards[id] != nil || first && t.from.IsZero() && closed {
			if t.shards[id] == nil {
				t.shards[id] = &tailed{ended: true} // what is in it was published before
			}
			continue
		}
		if slices.ContainsFunc(parents(s), func(p string) bool { return listed[p] && (t.shards[p] == nil || !t.shards[p].ended) }) {
			continue
		}
		t.shards[id] = &tailed{at: t.begin(id, first)}
	}
	return nil
}

// begin is where a shard is read from. A shard that was not there at first is
// read from its beginning, all of which is new.
func (t *tail) begin(shard string, first bool) position {
	switch {
	case !t.from.IsZero():
		return position{shard: shard, from: types.ShardIteratorTypeAtTimestamp, time: t.from}
	case first:
		return position{shard: shard, from: types.ShardIteratorTypeLatest}
	}
	return position{shard: shard, from: types.ShardIteratorTypeTrimHorizon}
}

// read hands over what one read of a shard gives.
func (t *tail) read(ctx context.Context, id string, shard *tailed) (err error) {
	if shard.iterator == "" {
		if shard.iterator, shard.at, err = t.s.point(ctx, shard.at); err != nil {
			return err
		}
	}
	out, err := t.s.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String(shard.iterator), Limit: aws.Int32(maxRecords)})
	var expired *types.ExpiredIteratorException
	if errors.As(err, &expired) {
		shard.iterator = ""
		return nil
	}
	if err != nil {
		return err
	}
	shard.iterator, shard.ended = aws.ToString(out.NextShardIterator), out.NextShardIterator == nil
	for _, r := range out.Records {
		parts, _ := takeApart(r) // one that looks aggregated and is not is shown as it is
		for _, p := range parts {
			if err := t.yield(recordOf(id, p)); err != nil {
				return err
			}
		}
		shard.at = position{shard: id, from: types.ShardIteratorTypeAfterSequenceNumber, seq: aws.ToString(r.SequenceNumber)}
	}
	return nil
}

// recordOf is a part of a record of Kinesis in the words of the port.
func recordOf(shard string, r types.Record) stream.Record {
	return stream.Record{
		Key: aws.ToString(r.PartitionKey), Data: unguarded(r.Data),
		Shard: shard, Seq: aws.ToString(r.SequenceNumber), Arrived: aws.ToTime(r.ApproximateArrivalTimestamp),
	}
}
