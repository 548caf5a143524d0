package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// Call carries one call to the log. It decides when the effect comes to be and
// what the caller is told: it may call effect at any time, also after it has
// returned an error, again, or not at all. The name says what is asked of the
// log and is the same whenever the same is asked.
type Call func(ctx context.Context, name string, effect func() error) error

// Process is who uses the log. The zero value is one that nothing befalls.
type Process struct {
	Owner string           // names it for people
	Now   func() time.Time // its clock; that of the log if nil
	// Call carries its calls; directly if nil.
	Call Call
	// Killed is closed when it is killed: its sessions are lost at once, and
	// what it still calls must have no effect.
	Killed <-chan struct{}
}

// Stream is the log as one process sees it. It is safe for concurrent use.
type Stream struct {
	log *Log
	as  Process

	mu        sync.Mutex
	closed    bool
	closing   context.Context
	close     context.CancelFunc
	consumers sync.WaitGroup
}

var _ stream.Stream = (*Stream)(nil)

// Open opens the log for a process. To close it is not to close the log.
func (l *Log) Open(as Process) *Stream {
	setDefault(&as.Owner, "qrie")
	if as.Now == nil {
		as.Now = l.opts.Now
	}
	if as.Call == nil {
		as.Call = func(ctx context.Context, _ string, effect func() error) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return effect()
		}
	}
	s := &Stream{log: l, as: as}
	s.closing, s.close = context.WithCancel(context.Background())
	return s
}

// ask makes one call of the log, which is one step of it. After an error nobody
// reads the answer: the effect may still be to come.
func ask[T any](ctx context.Context, s *Stream, name string, effect func(l *Log) (T, error)) (T, error) {
	var answer, none T
	err := s.as.Call(ctx, name, func() (err error) {
		s.log.mu.Lock()
		defer s.log.mu.Unlock()
		answer, err = effect(s.log)
		return err
	})
	if err != nil {
		return none, err
	}
	return answer, nil
}

// maxKeyBytes is what Kinesis takes as a partition key.
const maxKeyBytes = 256

// Publish implements stream.Stream. The records of one shard are one call, so
// they become durable together or not at all.
func (s *Stream) Publish(ctx context.Context, records []stream.Record) error {
	if err := s.open(); err != nil {
		return err
	}
	records = slices.Clone(records)
	for i, r := range records {
		if len(r.Data) > stream.MaxRecordBytes {
			return fmt.Errorf("publish record %d of %d: %d bytes, at most %d: %w", i+1, len(records), len(r.Data), stream.MaxRecordBytes, stream.ErrTooLarge)
		}
		if len(r.Key) > maxKeyBytes {
			return fmt.Errorf("publish record %d of %d: a key of %d bytes, at most %d: %w", i+1, len(records), len(r.Key), maxKeyBytes, stream.ErrTooLarge)
		}
		records[i].Data = bytes.Clone(r.Data)
	}
	var failed []int
	var errs []error
	for _, part := range s.log.parts(records) {
		_, err := ask(ctx, s, publishName(records[part[0]]), func(l *Log) (struct{}, error) {
			for _, i := range part {
				l.accept(records[i])
			}
			return struct{}{}, nil
		})
		if err != nil {
			failed, errs = append(failed, part...), append(errs, err)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	slices.Sort(failed)
	return &stream.PublishError{Failed: failed, Err: errors.Join(errs...)}
}

// publishName is the same for the same records only: calls of one name that are
// made at one moment could not be told apart.
func publishName(first stream.Record) string {
	h := fnv.New32a()
	_, _ = h.Write(first.Data) // never fails
	return fmt.Sprintf("publish %s %08x", first.Key, h.Sum32())
}

// parts are the indexes of records that go to one shard each, in the order in
// which the shards are first met.
func (l *Log) parts(records []stream.Record) (parts [][]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := map[*shard]int{}
	for i, r := range records {
		shard := l.shardOf(r.Key)
		n, ok := at[shard]
		if !ok {
			n = len(parts)
			at[shard] = n
			parts = append(parts, nil)
		}
		parts[n] = append(parts[n], i)
	}
	return parts
}

// Consume implements stream.Stream. It returns an error after a drain that
// timed out; the records that were not finished are delivered again.
func (s *Stream) Consume(ctx context.Context, h stream.Handler) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return stream.ErrClosed
	}
	s.consumers.Add(1)
	s.mu.Unlock()
	defer s.consumers.Done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	return newConsumer(s, h).run(ctx)
}

// Shards implements stream.Stream. A record is kept until it is consumed, so
// there is no retention to run out.
func (s *Stream) Shards(ctx context.Context) ([]stream.ShardInfo, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	return ask(ctx, s, "shards", func(l *Log) ([]stream.ShardInfo, error) { return l.describe(), nil })
}

// Close ends every Consume, waits for them, and refuses what comes after.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.close()
	s.consumers.Wait()
	return nil
}

func (s *Stream) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return stream.ErrClosed
	}
	return nil
}
