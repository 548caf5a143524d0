package kinesis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/qrie-sec/qrie/stream"
)

// probeInterval is how old the answer to "how far behind" may be. Asking costs
// one of the five reads a second that a shard allows.
const probeInterval = time.Second

// probes remembers how far behind shards are.
type probes struct {
	mu      sync.Mutex
	byShard map[string]probe
}

type probe struct {
	at     time.Time
	oldest time.Time     // arrival of the first record after the checkpoint
	lag    time.Duration // if that is not known
}

// Shards implements stream.Stream. Kinesis cannot tell how many records are
// behind; the lag is up to a second old.
func (s *Stream) Shards(ctx context.Context) ([]stream.ShardInfo, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	shards, err := listShards(ctx, s.api, s.opts.Stream)
	if err != nil {
		return nil, err
	}
	rows, _, err := s.leases.read(ctx)
	if err != nil {
		return nil, err
	}
	lease := byShard(rows)
	states := states(shards, lease)
	infos := make([]stream.ShardInfo, 0, len(shards))
	for _, shard := range shards {
		id := aws.ToString(shard.ShardId)
		r := lease[id]
		info := stream.ShardInfo{
			ID: id, Parents: parents(shard), State: states[id], Owner: r.owner, Epoch: r.epoch, Renewals: r.counter,
			Checkpoint: r.checkpoint, Behind: -1, Retention: time.Duration(s.retention.Load()),
		}
		if info.State == stream.ShardFinished {
			info.Behind = 0
		} else if info.Lag, err = s.lag(ctx, info); err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b stream.ShardInfo) int { return strings.Compare(a.ID, b.ID) })
	return infos, nil
}

// lag is the age of the first record after the checkpoint.
func (s *Stream) lag(ctx context.Context, info stream.ShardInfo) (time.Duration, error) {
	s.probes.mu.Lock()
	defer s.probes.mu.Unlock()
	now := s.opts.Now()
	p, ok := s.probes.byShard[info.ID]
	if !ok || now.Sub(p.at) >= probeInterval {
		switch seen, err := s.look(ctx, info); {
		case err == nil:
			p = seen
		case !isThrottle(err): // a shard that is read as fast as it may be has its last answer
			return 0, fmt.Errorf("look how far behind %s is: %w", info.ID, err)
		}
		p.at = now
		if s.probes.byShard == nil {
			s.probes.byShard = map[string]probe{}
		}
		s.probes.byShard[info.ID] = p
	}
	if !p.oldest.IsZero() {
		return max(time.Millisecond, now.Sub(p.oldest)), nil
	}
	return p.lag, nil
}

// look reads the first record after the checkpoint.
func (s *Stream) look(ctx context.Context, info stream.ShardInfo) (probe, error) {
	it, _, err := s.point(ctx, behindMark(info.ID, info.Checkpoint))
	if err != nil {
		return probe{}, err
	}
	out, err := s.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String(it), Limit: aws.Int32(1)})
	if err != nil {
		return probe{}, err
	}
	if len(out.Records) > 0 {
		return probe{oldest: aws.ToTime(out.Records[0].ApproximateArrivalTimestamp)}, nil
	}
	return probe{lag: time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond}, nil
}
