// Package local is the stream on one machine: a table of records and a table
// of leases in the file of package sqlite. Any number of consumers, in one
// process or several, share the shards.
//
// The leases follow the Kinesis client libraries: a row names the owner, an
// epoch that grows with every change of owner, and a counter that grows with
// every renewal. A lease is taken over only when somebody has watched the same
// row stand still for LeaseTime on his own clock, so clocks need not agree.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/stream"
)

// Defaults of Options.
const (
	DefaultShards             = 4
	DefaultLeaseTime          = 5 * time.Second
	DefaultRetention          = 24 * time.Hour
	DefaultRetentionBytes     = 1 << 30
	DefaultMaxUnfinished      = 5000
	DefaultMaxUnfinishedBytes = 64 << 20
)

// MaxShards bounds Options.Shards. Each shard has one owner, so more shards
// than cores bring nothing on one machine.
const MaxShards = 256

// Options of a stream. The zero value works.
type Options struct {
	// Shards of a stream that is created. The number is kept in the file and
	// cannot change, because it decides where the records of a key are; to ask
	// for another number of an existing stream is an error. Zero is "as it
	// is", or DefaultShards.
	Shards int
	// Owner names the process for people. A suffix makes every Consume unique,
	// so that a process never takes its predecessor's leases for its own.
	Owner string
	// LeaseTime is how long a dead owner's shards stand still. Leases are
	// renewed and checkpoints written five times as often.
	LeaseTime time.Duration
	// DrainTimeout is stream.DrainTimeout if zero.
	DrainTimeout time.Duration
	// Retention and RetentionBytes (over all shards, payload and keys) bound
	// what is kept of records that every checkpoint has passed. A record that
	// waits to be consumed is never trimmed.
	Retention      time.Duration
	RetentionBytes int64
	// MaxUnfinished and MaxUnfinishedBytes bound what one session has handed
	// over and not seen finished; then it reads no further.
	MaxUnfinished      int
	MaxUnfinishedBytes int64

	Now        func() time.Time      // time.Now if nil
	Registerer prometheus.Registerer // nil: metrics are registered nowhere
	Log        *slog.Logger          // nil: silent
}

func (o *Options) setDefaults() error {
	if o.Shards < 0 || o.Shards > MaxShards {
		return fmt.Errorf("open stream: %d shards; choose 1 to %d", o.Shards, MaxShards)
	}
	for name, n := range map[string]int64{
		"LeaseTime": int64(o.LeaseTime), "DrainTimeout": int64(o.DrainTimeout), "Retention": int64(o.Retention),
		"RetentionBytes": o.RetentionBytes, "MaxUnfinished": int64(o.MaxUnfinished), "MaxUnfinishedBytes": o.MaxUnfinishedBytes,
	} {
		if n < 0 {
			return fmt.Errorf("open stream: %s is negative", name)
		}
	}
	setDefault(&o.Owner, "qrie")
	setDefault(&o.LeaseTime, DefaultLeaseTime)
	setDefault(&o.DrainTimeout, stream.DrainTimeout)
	setDefault(&o.Retention, DefaultRetention)
	setDefault(&o.RetentionBytes, DefaultRetentionBytes)
	setDefault(&o.MaxUnfinished, DefaultMaxUnfinished)
	setDefault(&o.MaxUnfinishedBytes, DefaultMaxUnfinishedBytes)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// schema. A record's id is its shard in the upper bits and its sequence number
// in the lower ones: a range of ids is a stretch of one shard, and the table
// needs no index beside itself. A row holds one record or several that follow each
// other, and has the id of the last. total is the bytes published to the shard up
// to and with the row, so that the size of any stretch is a subtraction.
var schema = []string{`
CREATE TABLE stream_records (
	id      INTEGER PRIMARY KEY,
	key     TEXT NOT NULL,
	arrived INTEGER NOT NULL, -- Unix nanoseconds
	total   INTEGER NOT NULL,
	data    BLOB NOT NULL
);
CREATE TABLE stream_leases (
	shard      INTEGER PRIMARY KEY,
	owner      TEXT NOT NULL DEFAULT '',
	epoch      INTEGER NOT NULL DEFAULT 0,
	counter    INTEGER NOT NULL DEFAULT 0,
	checkpoint INTEGER NOT NULL DEFAULT 0 -- sequence number
);
CREATE TABLE stream_workers (
	owner   TEXT PRIMARY KEY,
	counter INTEGER NOT NULL
) WITHOUT ROWID;
`, `
ALTER TABLE stream_records ADD COLUMN compact INTEGER NOT NULL DEFAULT 0; -- whether data is
`, `
ALTER TABLE stream_records RENAME COLUMN compact TO form;
`}

// The forms of stream_records.data.
const (
	formPlain   = 0 // a record as it was published, by the first version
	formCompact = 1 // a record that is compact, by later ones
	formBundle  = 2 // see bundle; the column key is empty
)

// seqBits is the width of a sequence number: at 10,000 records a second in one
// shard it lasts 890 years.
const seqBits = 48

func recordID(shard int, seq int64) int64 { return int64(shard)<<seqBits | seq }

func seqOf(id int64) int64 { return id & (1<<seqBits - 1) }

// shardName is the id of a shard outside this package.
func shardName(shard int) string { return "shard-" + strconv.Itoa(shard) }

// Stream is an open stream. It is safe for concurrent use.
type Stream struct {
	db      *sqlite.DB
	opts    Options
	shards  int
	wake    []chan struct{} // by shard: a record was published in this process
	fresh   []fresh         // by shard
	metrics *metrics

	mu        sync.Mutex
	closed    bool
	closing   context.Context
	close     context.CancelFunc
	consumers sync.WaitGroup
}

var _ stream.Stream = (*Stream)(nil)

// Open opens the stream in db, and creates it if there is none. The caller
// closes the stream first and db after it.
func Open(ctx context.Context, db *sqlite.DB, opts Options) (*Stream, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "stream", schema); err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	s := &Stream{db: db, opts: opts}
	if err := db.Write(ctx, s.createShards); err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	s.fresh = make([]fresh, s.shards)
	for range s.shards {
		s.wake = append(s.wake, make(chan struct{}, 1))
	}
	s.metrics = newMetrics(opts.Now)
	if opts.Registerer != nil {
		if err := opts.Registerer.Register(s.metrics); err != nil {
			return nil, fmt.Errorf("open stream: register metrics: %w", err)
		}
	}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

func (s *Stream) createShards(tx *sqlite.Tx) error {
	if err := tx.QueryRow("SELECT count(*) FROM stream_leases").Scan(&s.shards); err != nil {
		return err
	}
	if s.shards > 0 {
		if s.opts.Shards != 0 && s.opts.Shards != s.shards {
			return fmt.Errorf("the stream has %d shards and %d are asked for: the number is fixed when the file is created; leave it out, or use a new data directory",
				s.shards, s.opts.Shards)
		}
		return nil
	}
	s.shards = s.opts.Shards
	setDefault(&s.shards, DefaultShards)
	for shard := range s.shards {
		if _, err := tx.Exec("INSERT INTO stream_leases (shard) VALUES (?)", shard); err != nil {
			return err
		}
	}
	return nil
}

// Close ends every Consume, waits for them, and refuses what comes after.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.close()
	s.consumers.Wait()
	if s.opts.Registerer != nil {
		s.opts.Registerer.Unregister(s.metrics)
	}
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
	c := newConsumer(s, s.opts.Owner+"-"+rand.Text()[:8], h)
	var trimming sync.WaitGroup
	trimming.Go(func() { c.trimLoop(ctx) })
	err := c.run(ctx)
	cancel()
	trimming.Wait()
	return err
}

// notice turns the database's "closed" into the stream's.
func notice(err error) error {
	if errors.Is(err, sqlite.ErrClosed) {
		return fmt.Errorf("%w: %w", stream.ErrClosed, err)
	}
	return err
}
