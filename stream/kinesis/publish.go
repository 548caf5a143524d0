package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/qrie-sec/qrie/stream"
)

// Limits of PutRecords, from its API reference. The request may be larger
// where the stream was set so; 5 MiB is what every stream takes.
const (
	maxKeyBytes = 256
	putRecords  = 500
	putBytes    = 5 << 20
	// putRequests bounds the requests of one process that are under way.
	putRequests = 8
)

// The pause after a request of which something was refused doubles from the
// first to the last.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 3 * time.Second
)

// Publish implements stream.Stream. It repeats only what was not taken, and
// gives up when nothing is taken for PublishPatience.
func (s *Stream) Publish(ctx context.Context, records []stream.Record) error {
	if err := s.open(); err != nil {
		return err
	}
	for i, r := range records {
		switch {
		case len(r.Data) > stream.MaxRecordBytes:
			return fmt.Errorf("publish record %d of %d: %d bytes, at most %d: %w", i+1, len(records), len(r.Data), stream.MaxRecordBytes, stream.ErrTooLarge)
		case len(r.Key) > maxKeyBytes:
			return fmt.Errorf("publish record %d of %d: a key of %d bytes, at most %d: %w", i+1, len(records), len(r.Key), maxKeyBytes, stream.ErrTooLarge)
		case r.Key == "":
			return fmt.Errorf("publish record %d of %d: it has no key, and Kinesis takes none without", i+1, len(records))
		}
	}
	q := newQueue(records, s.opts.KeyRun)
	pause, progress := firstPause, s.opts.Now()
	for {
		batch := q.next()
		if len(batch) == 0 {
			return nil
		}
		refused, err := s.put(ctx, records, batch)
		q.giveBack(refused)
		if len(refused) < len(batch) {
			pause, progress = firstPause, s.opts.Now()
		}
		if len(refused) == 0 {
			continue
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		} else if retry(err) && s.opts.Now().Sub(progress) < s.opts.PublishPatience {
			err = nil
			select {
			case <-time.After(pause/2 + s.jitter(pause)):
				pause = min(2*pause, lastPause)
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err != nil {
			return &stream.PublishError{Failed: q.left(), Err: err}
		}
	}
}

// put makes one request. It returns the records that were not taken, of which
// some may have been if the answer was lost, and why.
func (s *Stream) put(ctx context.Context, records []stream.Record, batch []int) (refused []int, err error) {
	if ctx.Err() != nil {
		return batch, ctx.Err()
	}
	select {
	case s.puts <- struct{}{}:
		defer func() { <-s.puts }()
	case <-ctx.Done():
		return batch, ctx.Err()
	}
	in := &kinesis.PutRecordsInput{StreamName: aws.String(s.opts.Stream), Records: make([]types.PutRecordsRequestEntry, 0, len(batch))}
	for _, i := range batch {
		data := records[i].Data
		if data == nil {
			data = []byte{}
		}
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(records[i].Key), Data: data})
	}
	out, err := s.api.PutRecords(ctx, in)
	if err != nil {
		if isThrottle(err) {
			s.metrics.throttled.WithLabelValues("put_records").Inc()
		}
		return batch, fmt.Errorf("put records to %s: %w", s.opts.Stream, err)
	}
	if len(out.Records) != len(batch) {
		return batch, fmt.Errorf("put records to %s: %d answers to %d records", s.opts.Stream, len(out.Records), len(batch))
	}
	for i, r := range out.Records {
		if r.ErrorCode == nil {
			continue
		}
		refused = append(refused, batch[i])
		err = fmt.Errorf("put records to %s: %s: %s", s.opts.Stream, aws.ToString(r.ErrorCode), aws.ToString(r.ErrorMessage))
	}
	if len(refused) > 0 {
		s.metrics.throttled.WithLabelValues("put_records").Inc()
	}
	s.metrics.published.WithLabelValues("ok").Add(float64(len(batch) - len(refused)))
	s.metrics.published.WithLabelValues("refused").Add(float64(len(refused)))
	return refused, err
}

// retry reports whether the same request may be taken later. What AWS calls
// the caller's fault will not.
func retry(err error) bool {
	var fault smithy.APIError
	return isThrottle(err) || !errors.As(err, &fault) || fault.ErrorFault() != smithy.FaultClient
}

// queue gives out the records of one Publish in requests. Records of a key
// are in line behind each other: what is given back is the first to go out
// again.
type queue struct {
	records []stream.Record
	run     int     // of one key in one request
	keys    []*line // those with records waiting, at the beginning of next
	byKey   map[string]*line
}

type line struct{ waiting []int } // indexes into records

func newQueue(records []stream.Record, run int) *queue {
	q := &queue{records: records, run: run, byKey: map[string]*line{}}
	for i, r := range records {
		l := q.byKey[r.Key]
		if l == nil {
			l = &line{}
			q.byKey[r.Key] = l
			q.keys = append(q.keys, l)
		}
		l.waiting = append(l.waiting, i)
	}
	return q
}

// next takes the records of the next request, none if all are out.
func (q *queue) next() (batch []int) {
	q.keys = slices.DeleteFunc(q.keys, func(l *line) bool { return len(l.waiting) == 0 })
	size := 0
	for _, l := range q.keys {
		for range min(q.run, len(l.waiting)) {
			r := q.records[l.waiting[0]]
			if size += len(r.Key) + len(r.Data); len(batch) == putRecords || len(batch) > 0 && size > putBytes {
				return batch
			}
			batch = append(batch, l.waiting[0])
			l.waiting = l.waiting[1:]
		}
	}
	return batch
}

// giveBack puts records that were not taken to the front of their lines.
func (q *queue) giveBack(refused []int) {
	for _, i := range slices.Backward(refused) {
		l := q.byKey[q.records[i].Key]
		l.waiting = append([]int{i}, l.waiting...)
	}
}

// left is what was not taken, ascending.
func (q *queue) left() (left []int) {
	for _, l := range q.keys {
		left = append(left, l.waiting...)
	}
	slices.Sort(left)
	return left
}
