// Package stream is the port to the log that every event, mark and task of
// qrie travels through: publish by key, consume by shard, checkpoint.
//
// Delivery is at least once. Records of one key arrive in the order in which
// they were published, as long as their shard has one owner; a moved lease may
// make two owners for a moment, so effects must be idempotent.
package stream

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxRecordBytes is the greatest payload of one record: 1 MiB less room for a
// key, the default limit of Kinesis Data Streams.
const MaxRecordBytes = 1<<20 - 1024

// Record is one entry of the log.
type Record struct {
	Key  string // chooses the shard; at most 256 bytes
	Data []byte
	// The rest is given by the stream.
	Shard   string
	Seq     string // grows within a shard; compare with CompareSeq
	Arrived time.Time
}

// Stream is a log that is open. Its methods are safe for concurrent use.
type Stream interface {
	// Publish returns nil once every record is durable. Otherwise the error
	// is or wraps a *PublishError that names those that are not. A record
	// that is too large makes the whole call fail with ErrTooLarge before
	// anything is written. It blocks while the log pushes back. Data must not be
	// changed afterwards.
	Publish(ctx context.Context, records []Record) error
	// Consume leases shards and hands their records to h until ctx ends, then
	// drains: sessions end with Released after h has finished what it has
	// taken (or after DrainTimeout), and their leases are given up. It
	// returns nil after a clean drain.
	Consume(ctx context.Context, h Handler) error
	// Tail hands over what arrives from now on, of every shard, until ctx ends
	// or yield returns an error, which it then returns. A time in the past
	// begins there, as far as the stream still has it. Records of one key come
	// in order, and calls of yield one after another. It takes no lease and
	// moves no checkpoint: it is for people who want to see what is passing.
	Tail(ctx context.Context, from time.Time, yield func(Record) error) error
	// Shards describes every shard, for health and for people.
	Shards(ctx context.Context) ([]ShardInfo, error)
	Close() error
}

// DrainTimeout bounds how long a session may take to finish after ctx ends.
const DrainTimeout = 20 * time.Second

// Handler is what the records are handed to. The calls for one session come
// one after another; different sessions run at the same time.
type Handler interface {
	// Begin opens a session, before its first Handle.
	Begin(s *Session)
	// Handle takes the records over. It may return before their effects are
	// durable, and then calls s.Done for each later, in any order. It blocks
	// to push back, but no longer than s.Context lasts. It must not keep
	// records of a session that has ended.
	Handle(s *Session, records []Record)
	// End closes a session and returns after the last effect of its records.
	// With Lost, s.Context is already cancelled and nothing may be written
	// any more. With Released, everything is done, or the drain has timed out
	// and s.Context is cancelled too.
	End(s *Session, why EndReason)
	// Gap says that the stream may have dropped records that nobody had read:
	// those that arrived after from and not after to. It is called between
	// Begin and End, before a record behind the gap is handed over, and again
	// by the next owner unless it returns while the session is valid. A stream
	// that keeps what is unread never calls it.
	Gap(s *Session, from, to time.Time)
}

// EndReason is why a session ended.
type EndReason string

// The reasons. Lost means that another owner may have the shard already.
const (
	Released EndReason = "released"
	Lost     EndReason = "lost"
	ShardEnd EndReason = "shard_end"
)

// ShardState is where a shard stands in its life.
type ShardState string

// The states of a shard. A stream whose shards are fixed has open ones only.
const (
	ShardOpen     ShardState = "open"     // takes records
	ShardClosed   ShardState = "closed"   // takes none any more, and is still to be read to its end
	ShardWaiting  ShardState = "waiting"  // is not read before every parent is finished
	ShardFinished ShardState = "finished" // was read to its end
)

// ShardInfo describes one shard.
type ShardInfo struct {
	ID         string
	Parents    []string
	State      ShardState
	Owner      string // empty if nobody holds the lease; one that died is named until another takes over
	Epoch      int64
	Renewals   int64 // of the lease, ever; those of a living owner grow
	Checkpoint string
	Behind     int64         // records after the checkpoint; -1 if the stream cannot tell
	Lag        time.Duration // age of the oldest record after the checkpoint
	Retention  time.Duration // for how long a record is kept that nobody has read; 0 for ever
}

// Errors of the port.
var (
	ErrTooLarge = errors.New("record is larger than the stream takes")
	ErrClosed   = errors.New("stream is closed")
)

// PublishError names the records that are not durable.
type PublishError struct {
	Failed []int // indexes into the records of the call, ascending
	Err    error
}

func (e *PublishError) Error() string {
	return fmt.Sprintf("publish: %d records are not durable: %v", len(e.Failed), e.Err)
}

func (e *PublishError) Unwrap() error { return e.Err }

// CompareSeq compares two sequence numbers of one shard: decimal numbers of
// up to 128 digits.
func CompareSeq(a, b string) int {
	if len(a) != len(b) {
		if len(a) < len(b) {
			return -1
		}
		return 1
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
