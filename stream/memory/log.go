// Package memory is the stream in memory, for tests and simulations: shards
// that split and merge, leases with epochs, fenced checkpoints. Any number of
// Streams are opened on one Log, as processes open one stream.
//
// It waits by channels and timers only, never for long under a lock, and makes
// no use of chance but that of its Faults: fit for a bubble of testing/synctest.
// Nothing is ever trimmed.
package memory

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// Defaults of Options.
const (
	DefaultShards        = 4
	DefaultLeaseTime     = 10 * time.Second
	DefaultMaxUnfinished = 5000
)

// Options of a log. The zero value works.
type Options struct {
	Shards int // at first
	// LeaseTime is how long a dead owner's shards stand still. Leases are
	// renewed and checkpoints written five times as often.
	LeaseTime time.Duration
	// DrainTimeout is stream.DrainTimeout if zero.
	DrainTimeout time.Duration
	// MaxUnfinished bounds what one session has handed over and not seen
	// finished.
	MaxUnfinished int
	// Now is the clock of the log itself, by which records arrive; time.Now if
	// nil.
	Now func() time.Time
	// Witness is told what comes to be in the log, in order. Nil: nobody is.
	Witness Witness
}

// Witness sees what comes to be in a log. It must not call the log.
type Witness interface {
	// Accepted: the record is durable and will arrive so many times.
	Accepted(r stream.Record, copies int)
	// Arrived: the record is in a shard.
	Arrived(r stream.Record)
	// Checkpointed: what comes up to there is done, says who has the lease.
	Checkpointed(shard string, epoch int64, checkpoint string)
}

func (o *Options) setDefaults() {
	setDefault(&o.Shards, DefaultShards)
	setDefault(&o.LeaseTime, DefaultLeaseTime)
	setDefault(&o.DrainTimeout, stream.DrainTimeout)
	setDefault(&o.MaxUnfinished, DefaultMaxUnfinished)
	if o.Now == nil {
		o.Now = time.Now
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Log is what the Streams on it share. It is safe for concurrent use.
type Log struct {
	opts Options

	mu        sync.Mutex
	shards    []*shard         // parents before their children
	workers   map[string]int64 // heartbeats by owner
	consumers int              // that there ever were
	changed   chan struct{}    // closed by the next record, and by the next closing of a shard
	courier   courier
}

// shard is a part of the log: the keys whose hash is in a range.
type shard struct {
	id      string
	parents []string
	from    uint32 // the first hash
	to      uint32 // the last one
	closed  bool
	records []stream.Record // numbered from 1 on
	lease   lease
}

// lease says who reads a shard, and how far it is done.
type lease struct {
	owner      string // empty: nobody
	epoch      int64  // grows with every change of owner
	counter    int64  // grows with every renewal
	checkpoint int64  // sequence number; 0: none yet
	ended      bool   // the shard was read to its end
}

// NewLog makes an empty log.
func NewLog(o Options) *Log {
	o.setDefaults()
	l := &Log{opts: o, workers: map[string]int64{}, changed: make(chan struct{})}
	width := uint64(1<<32) / uint64(o.Shards)
	for i := range uint64(o.Shards) {
		last := (i+1)*width - 1
		if i+1 == uint64(o.Shards) {
			last = math.MaxUint32
		}
		l.add(uint32(i*width), uint32(last))
	}
	return l
}

// add adds a shard that takes records.
func (l *Log) add(from, to uint32, parents ...string) {
	l.shards = append(l.shards, &shard{id: fmt.Sprintf("shard-%03d", len(l.shards)), parents: parents, from: from, to: to})
}

// hash spreads keys as Kinesis does, by their MD5.
func hash(key string) uint32 {
	sum := md5.Sum([]byte(key))
	return binary.BigEndian.Uint32(sum[:])
}

// shardOf is the open shard of a key.
func (l *Log) shardOf(key string) *shard {
	h := hash(key)
	for _, s := range l.shards {
		if !s.closed && s.from <= h && h <= s.to {
			return s
		}
	}
	panic(fmt.Sprintf("BUG: no open shard takes the key %q", key))
}

// append adds a record to a shard.
func (l *Log) append(s *shard, r stream.Record) {
	r.Shard, r.Seq, r.Arrived = s.id, strconv.Itoa(len(s.records)+1), l.opts.Now()
	s.records = append(s.records, r)
	if l.opts.Witness != nil {
		l.opts.Witness.Arrived(r)
	}
	l.wake()
}

// wake lets everybody who waits look again.
func (l *Log) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Log) find(id string) *shard {
	at := slices.IndexFunc(l.shards, func(s *shard) bool { return s.id == id })
	if at < 0 {
		return nil
	}
	return l.shards[at]
}

// Split replaces an open shard by two, each with half of its keys.
func (l *Log) Split(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.find(id)
	if s == nil || s.closed || s.from == s.to {
		return fmt.Errorf("split %s: it is not an open shard of at least two hashes", id)
	}
	middle := s.from + (s.to-s.from)/2
	s.closed = true
	l.add(s.from, middle, id)
	l.add(middle+1, s.to, id)
	l.wake()
	return nil
}

// Merge replaces two open shards, which must be neighbours, by one.
func (l *Log) Merge(id, next string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, b := l.find(id), l.find(next)
	if a == nil || b == nil || a.closed || b.closed || uint64(a.to)+1 != uint64(b.from) {
		return fmt.Errorf("merge %s and %s: they are not open shards that lie next to each other", id, next)
	}
	a.closed, b.closed = true, true
	l.add(a.from, b.to, id, next)
	l.wake()
	return nil
}

// Revoke takes the lease of a shard from its owner, who hears of it when he
// next renews it: until then there may be two.
func (l *Log) Revoke(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.find(id)
	if s == nil {
		return fmt.Errorf("revoke the lease of %s: there is no such shard", id)
	}
	s.lease.owner = ""
	s.lease.epoch++
	return nil
}

// state tells where a shard stands. It waits until every parent is finished.
func (l *Log) state(s *shard) stream.ShardState {
	switch {
	case s.lease.ended:
		return stream.ShardFinished
	case slices.ContainsFunc(s.parents, func(p string) bool { return !l.find(p).lease.ended }):
		return stream.ShardWaiting
	case s.closed:
		return stream.ShardClosed
	}
	return stream.ShardOpen
}

func (l *Log) describe() []stream.ShardInfo {
	infos := make([]stream.ShardInfo, 0, len(l.shards))
	for _, s := range l.shards {
		info := stream.ShardInfo{ID: s.id, Parents: slices.Clone(s.parents), State: l.state(s), Owner: s.lease.owner, Epoch: s.lease.epoch,
			Renewals: s.lease.counter, Checkpoint: seqText(s.lease.checkpoint), Behind: int64(len(s.records)) - s.lease.checkpoint}
		if info.Behind > 0 {
			info.Lag = max(1, l.opts.Now().Sub(s.records[s.lease.checkpoint].Arrived))
		}
		infos = append(infos, info)
	}
	return infos
}

func seqText(seq int64) string {
	if seq == 0 {
		return ""
	}
	return strconv.FormatInt(seq, 10)
}

func seqNumber(text string) int64 {
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("BUG: %q is no sequence number of this stream", text))
	}
	return n
}

// batch bounds what one read gives.
const batch = 1000

// read gives up to limit records of a shard after a sequence number.
func (l *Log) read(s *shard, after int64, limit int) []stream.Record {
	found := s.records[min(after, int64(len(s.records))):]
	found = slices.Clone(found[:min(len(found), limit, batch)])
	for i := range found {
		found[i].Data = bytes.Clone(found[i].Data) // the reader's own
	}
	return found
}

// errLost is the answer to who names a lease that is not his any more, or not
// as he saw it.
var errLost = errors.New("another owner has the lease")

// claim makes owner the owner of a lease that still is as it was seen.
func (l *Log) claim(id, owner string, seen lease) (lease, error) {
	s := l.find(id)
	if s.lease != seen {
		return lease{}, fmt.Errorf("take the lease of %s: %w", id, errLost)
	}
	s.lease.owner = owner
	s.lease.epoch++
	s.lease.counter++
	return s.lease, nil
}

// renewal is what an owner writes to his lease.
type renewal struct {
	shard      string
	epoch      int64
	checkpoint int64
	release    bool
	ended      bool
}

// renew writes to a lease if it still is the owner's. A checkpoint never goes
// back.
func (l *Log) renew(owner string, r renewal) error {
	s := l.find(r.shard)
	if s.lease.owner != owner || s.lease.epoch != r.epoch {
		return fmt.Errorf("renew the lease of %s: %w", r.shard, errLost)
	}
	if r.checkpoint > s.lease.checkpoint {
		s.lease.checkpoint = r.checkpoint
		if l.opts.Witness != nil {
			l.opts.Witness.Checkpointed(r.shard, r.epoch, seqText(r.checkpoint))
		}
	}
	s.lease.counter++
	if r.release {
		s.lease.owner, s.lease.ended = "", r.ended
	}
	return nil
}
