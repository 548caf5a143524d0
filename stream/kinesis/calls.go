package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// position is where an iterator points, to make it anew: the request that made
// it, moved on by what was read since.
type position struct {
	shard string
	from  types.ShardIteratorType
	seq   string    // of Kinesis, for the types that take one
	time  time.Time // for AT_TIMESTAMP
}

// behindMark is the position behind a checkpoint; at the trim horizon without
// one.
func behindMark(shard, checkpoint string) position {
	if checkpoint == "" {
		return position{shard: shard, from: types.ShardIteratorTypeTrimHorizon}
	}
	seq, whole := splitSeq(checkpoint)
	if whole {
		return position{shard: shard, from: types.ShardIteratorTypeAfterSequenceNumber, seq: seq}
	}
	return position{shard: shard, from: types.ShardIteratorTypeAtSequenceNumber, seq: seq}
}

// point makes an iterator. Kinesis may refuse the number of a record that it
// has dropped; then the iterator is at the trim horizon, and so is the position
// returned.
func (s *Stream) point(ctx context.Context, at position) (string, position, error) {
	for {
		in := &kinesis.GetShardIteratorInput{StreamName: aws.String(s.opts.Stream), ShardId: aws.String(at.shard), ShardIteratorType: at.from}
		if at.seq != "" {
			in.StartingSequenceNumber = aws.String(at.seq)
		}
		if !at.time.IsZero() {
			in.Timestamp = aws.Time(at.time)
		}
		out, err := s.api.GetShardIterator(ctx, in)
		var invalid *types.InvalidArgumentException
		if at.seq != "" && errors.As(err, &invalid) {
			s.opts.Log.Warn("a sequence number is not known to the stream any more; reading begins with the oldest record that is left",
				"stream", s.opts.Stream, "shard", at.shard, "seq", at.seq, "error", err)
			at = position{shard: at.shard, from: types.ShardIteratorTypeTrimHorizon}
			continue
		}
		if err != nil {
			return "", at, fmt.Errorf("iterator of %s %s %s: %w", at.shard, at.from, at.seq, err)
		}
		return aws.ToString(out.ShardIterator), at, nil
	}
}

// dropped reports that an empty read so far behind has nothing to come: behind
// a record that was dropped, Kinesis answers with empty reads at the age of the
// retention without end (harlow/kinesis-consumer issue 125).
func (s *Stream) dropped(millisBehind *int64) bool {
	retention := time.Duration(s.retention.Load())
	return retention > 0 && millisBehind != nil && time.Duration(*millisBehind)*time.Millisecond >= retention-time.Minute
}

// isThrottle reports whether AWS asks for patience.
func isThrottle(err error) bool {
	var slow *types.ProvisionedThroughputExceededException
	var kms *types.KMSThrottlingException
	var limit *types.LimitExceededException
	return errors.As(err, &slow) || errors.As(err, &kms) || errors.As(err, &limit)
}

// describe asks for the stream's properties.
func describe(ctx context.Context, log api, name string) (*types.StreamDescriptionSummary, error) {
	out, err := log.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(name)})
	if err != nil {
		return nil, err
	}
	if out.StreamDescriptionSummary == nil {
		return nil, fmt.Errorf("describe stream %s: the answer is empty", name)
	}
	return out.StreamDescriptionSummary, nil
}

func retentionOf(s *types.StreamDescriptionSummary) time.Duration {
	return time.Duration(aws.ToInt32(s.RetentionPeriodHours)) * time.Hour
}

// listShards lists every shard that has records within the retention.
func listShards(ctx context.Context, log api, name string) ([]types.Shard, error) {
	var shards []types.Shard
	in := &kinesis.ListShardsInput{StreamName: aws.String(name)}
	for {
		out, err := log.ListShards(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list shards of %s: %w", name, err)
		}
		shards = append(shards, out.Shards...)
		if out.NextToken == nil {
			return shards, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}
