// Package kinesis is the stream on Amazon Kinesis Data Streams. The records
// are read by the worker of vmware-go-kcl-v2, the leases are kept in a table
// of DynamoDB.
//
// That library is used for one thing: to read shards. Everything that decides
// who may do so is here, because what the library decides by itself loses
// records and misorders them. It is offered a shard only when this consumer is
// to take it and every parent of the shard is finished; it reads through a
// guard that renews iterators and keeps bad records from it; and its
// checkpointer is a fenced lease: owner, epoch, and a counter that grows with
// every renewal. A lease is taken over only when somebody has watched the same
// row stand still for LeaseTime on his own clock, so clocks need not agree.
package kinesis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/qrie-sec/qrie/stream"
)

// Defaults of Options.
const (
	DefaultLeaseTable         = "qrie_leases"
	DefaultLeaseTime          = 10 * time.Second
	DefaultPublishPatience    = time.Minute
	DefaultMaxUnfinished      = 5000
	DefaultMaxUnfinishedBytes = 64 << 20
	DefaultMaxTotalBytes      = 64 << 20
)

// callTimeout bounds one HTTP request: the library calls AWS without a
// deadline of its own.
const callTimeout = 10 * time.Second

// Options of a stream. AWS and Stream must be given.
type Options struct {
	AWS    aws.Config // Region and credentials of the stream's account
	Stream string     // name of the data stream, which must exist
	// Endpoint and DynamoDBEndpoint replace AWS's, for emulators and private
	// endpoints.
	Endpoint         string
	DynamoDBEndpoint string
	// LeaseTable may be shared by any number of streams. It is created, on
	// demand and protected from deletion, if there is none.
	LeaseTable string
	// Owner names the process for people. A suffix makes every Consume unique,
	// so that a process never takes its predecessor's leases for its own.
	Owner string
	// LeaseTime is how long a dead owner's shards stand still. Leases are
	// renewed and checkpoints written five times as often.
	LeaseTime time.Duration
	// DrainTimeout is stream.DrainTimeout if zero.
	DrainTimeout time.Duration
	// KeyRun is how many records of one key one PutRecords request may carry.
	// Kinesis may refuse any record of a request and take the ones behind it,
	// so only with 1, the default, does every key stay in order while the
	// stream throttles. More is faster for a call with many records of a key.
	KeyRun int
	// PublishPatience is how long Publish goes on while not a single record is
	// taken.
	PublishPatience time.Duration
	// MaxUnfinished and MaxUnfinishedBytes bound what one session has handed
	// over and not seen finished; then it reads no further.
	MaxUnfinished      int
	MaxUnfinishedBytes int64
	// MaxTotalBytes bounds the same over all sessions of the stream, which
	// share it evenly. A read that waits to be handed over, of 10 MiB at the
	// most, comes to it for each session.
	MaxTotalBytes int64

	Now        func() time.Time      // time.Now if nil
	Registerer prometheus.Registerer // nil: metrics are registered nowhere
	Log        *slog.Logger          // nil: silent
}

func (o *Options) setDefaults() error {
	if o.Stream == "" {
		return errors.New("open stream: no name of a Kinesis data stream is given")
	}
	for name, n := range map[string]int64{
		"LeaseTime": int64(o.LeaseTime), "DrainTimeout": int64(o.DrainTimeout), "KeyRun": int64(o.KeyRun),
		"PublishPatience": int64(o.PublishPatience), "MaxUnfinished": int64(o.MaxUnfinished), "MaxUnfinishedBytes": o.MaxUnfinishedBytes, "MaxTotalBytes": o.MaxTotalBytes,
	} {
		if n < 0 {
			return fmt.Errorf("open stream %s: %s is negative", o.Stream, name)
		}
	}
	setDefault(&o.LeaseTable, DefaultLeaseTable)
	setDefault(&o.Owner, "qrie")
	setDefault(&o.LeaseTime, DefaultLeaseTime)
	setDefault(&o.DrainTimeout, stream.DrainTimeout)
	setDefault(&o.KeyRun, 1)
	setDefault(&o.PublishPatience, DefaultPublishPatience)
	setDefault(&o.MaxUnfinished, DefaultMaxUnfinished)
	setDefault(&o.MaxUnfinishedBytes, DefaultMaxUnfinishedBytes)
	setDefault(&o.MaxTotalBytes, DefaultMaxTotalBytes)
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

// api is what is asked of Kinesis, as *kinesis.Client has it.
type api interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

// Stream is an open stream. It is safe for concurrent use.
type Stream struct {
	api     api
	leases  leaseTable
	opts    Options
	metrics *metrics
	probes  probes
	puts    chan struct{} // bounds the requests of Publish under way
	jitter  func(time.Duration) time.Duration

	retention atomic.Int64  // a time.Duration; 0: not known
	patience  time.Duration // for the library to stop

	mu        sync.Mutex
	closed    bool
	closing   context.Context
	close     context.CancelFunc
	consumers sync.WaitGroup
}

var _ stream.Stream = (*Stream)(nil)

// Open opens a data stream that exists, and its lease table, which it creates
// if need be. The credentials need, on the stream, kinesis:DescribeStreamSummary,
// ListShards, GetShardIterator, GetRecords and PutRecords, and, on the table,
// dynamodb:DescribeTable, Query, UpdateItem, DeleteItem, and CreateTable if it
// is to be created.
func Open(ctx context.Context, opts Options) (*Stream, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	log, db := clients(opts)
	summary, err := describe(ctx, log, opts.Stream)
	if err != nil {
		return nil, fmt.Errorf("open stream %s in %s (it must exist, and kinesis:DescribeStreamSummary be allowed): %w", opts.Stream, opts.AWS.Region, err)
	}
	if err := createTable(ctx, db, opts.LeaseTable); err != nil {
		return nil, fmt.Errorf("open stream %s: %w", opts.Stream, err)
	}
	s, err := newStream(log, &dynamoTable{db: db, table: opts.LeaseTable, stream: leaseName(opts.Stream, summary)}, opts)
	if err == nil {
		s.retention.Store(int64(retentionOf(summary)))
	}
	return s, err
}

// clients of a configuration, with the endpoints and the bound on a request
// that the options say.
func clients(opts Options) (*kinesis.Client, *dynamodb.Client) {
	cfg := opts.AWS.Copy()
	switch client := cfg.HTTPClient.(type) {
	case nil:
		cfg.HTTPClient = awshttp.NewBuildableClient().WithTimeout(callTimeout)
	case *awshttp.BuildableClient:
		cfg.HTTPClient = client.WithTimeout(callTimeout)
	}
	log := kinesis.NewFromConfig(cfg, func(o *kinesis.Options) {
		if opts.Endpoint != "" {
			o.BaseEndpoint = aws.String(opts.Endpoint)
		}
	})
	db := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		if opts.DynamoDBEndpoint != "" {
			o.BaseEndpoint = aws.String(opts.DynamoDBEndpoint)
		}
	})
	return log, db
}

// leaseName is under what the leases of a stream are kept. A stream that is
// deleted and made again has shards of the same names: its leases must not be
// those of its predecessor.
func leaseName(stream string, s *types.StreamDescriptionSummary) string {
	return fmt.Sprintf("%s@%d", stream, aws.ToTime(s.StreamCreationTimestamp).Unix())
}

func newStream(log api, leases leaseTable, opts Options) (*Stream, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	silenceLibrary()
	s := &Stream{api: log, leases: leases, opts: opts, puts: make(chan struct{}, putRequests), jitter: jitter, patience: 3 * callTimeout}
	s.metrics = newMetrics(opts.Stream, opts.Now, func() time.Duration { return time.Duration(s.retention.Load()) })
	if opts.Registerer != nil {
		if err := opts.Registerer.Register(s.metrics); err != nil {
			return nil, fmt.Errorf("open stream %s: register metrics: %w", opts.Stream, err)
		}
	}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// silenceLibrary discards what the library says through the logger of the
// process: that a lease has ended, which is said here, with the reason. Nothing
// else of qrie writes there.
var silenceLibrary = sync.OnceFunc(func() { logrus.SetOutput(io.Discard) })

// jitter is a random part of d, so that those who failed together do not come
// back together.
func jitter(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d)))
	if err != nil {
		return d
	}
	return time.Duration(n.Int64())
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
	return newConsumer(s, s.opts.Owner+"-"+rand.Text()[:8], h).run(ctx)
}
