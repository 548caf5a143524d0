package kinesis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/checkpoint"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/config"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"
	kclworker "github.com/vmware/vmware-go-kcl-v2/clientlibrary/worker"
	"github.com/vmware/vmware-go-kcl-v2/logger"

	"github.com/qrie-sec/qrie/stream"
)

const (
	// syncInterval is how often the library looks at the shards it is offered
	// and takes one of them. The answer comes from memory.
	syncInterval = 100 * time.Millisecond
	// leaseCheck is how often the library asks whether its lease still holds,
	// which is answered from memory, too: it bounds how long it goes on
	// reading a shard whose session has ended.
	leaseCheck = 100 * time.Millisecond
	// maxRecords bounds one read. Kinesis bounds it by 10 MiB as well.
	maxRecords = 2000
)

// library is the worker of vmware-go-kcl-v2. Its methods are called from one
// goroutine.
type library struct {
	worker *kclworker.Worker
}

// startLibrary starts the library on the hooks that it has: a client that is
// the guard, a checkpointer that is the consumer, and a logger.
func (c *consumer) startLibrary() (*library, error) {
	o := &c.s.opts
	cfg := config.NewKinesisClientLibConfig("qrie", o.Stream, regionOf(o.AWS), c.owner)
	cfg.InitialPositionInStream = config.TRIM_HORIZON
	cfg.EnableLeaseStealing = false
	cfg.ShardSyncIntervalMillis = int(syncInterval.Milliseconds())
	cfg.LeaseRefreshWaitTime = int(leaseCheck.Milliseconds())
	cfg.FailoverTimeMillis = int(o.LeaseTime.Milliseconds())
	cfg.MaxRecords = maxRecords
	cfg.MaxRetryCount = math.MaxInt32
	cfg.MaxLeasesForWorker = math.MaxInt32
	// Every read is paced by the session, and so is an empty one.
	cfg.IdleTimeBetweenReadsInMillis = 1
	cfg.CallProcessRecordsEvenForEmptyRecordList = true
	cfg.Logger = libraryLog{c.log}
	worker := kclworker.NewWorker(processors{c}, cfg).
		WithKinesis(kinesis.New(kinesis.Options{Region: cfg.RegionName}, c.guard.install)).
		WithCheckpointer(leaseCheckpointer{c})
	if err := worker.Start(); err != nil {
		return nil, fmt.Errorf("consume %s: start the reader: %w", o.Stream, err)
	}
	return &library{worker}, nil
}

// regionOf is the Region, or a word where a stream in the process has none:
// the library insists on one.
func regionOf(cfg aws.Config) string {
	if cfg.Region == "" {
		return "local"
	}
	return cfg.Region
}

// shutdown tells the worker to stop and closes the channel when it has.
func (l *library) shutdown() <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		l.worker.Shutdown()
	}()
	return stopped
}

// leaseCheckpointer is what the library asks for leases and checkpoints. All it
// writes is a claim; renewals and checkpoints are the consumer's, in its rounds.
type leaseCheckpointer struct{ c *consumer }

var _ checkpoint.Checkpointer = leaseCheckpointer{}

// errEnding makes the library leave a shard.
var errEnding = errors.New("the session of the shard has ended or is to end")

// Init implements checkpoint.Checkpointer.
func (leaseCheckpointer) Init() error { return nil }

// GetLease claims a shard that is offered, or tells whether a lease still
// holds.
func (p leaseCheckpointer) GetLease(status *partition.ShardStatus, owner string) error {
	c := p.c
	c.mu.Lock()
	if e := c.held[status.ID]; e != nil {
		defer c.mu.Unlock()
		if e.status != status || e.claiming || e.over || e.intake.Err() != nil {
			return errEnding
		}
		return nil
	}
	o, ok := c.offers[status.ID]
	if !ok {
		c.mu.Unlock()
		return errEnding
	}
	delete(c.offers, status.ID) // one attempt a round
	e := &session{c: c, status: status, claiming: true}
	c.held[status.ID] = e
	c.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), c.s.opts.LeaseTime/3)
	defer cancel()
	began := c.s.opts.Now()
	won, err := c.s.leases.claim(ctx, o.seen, c.owner)

	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		delete(c.held, status.ID)
		if !errors.Is(err, errFenced) {
			c.log.Error("cannot take a lease", "shard", status.ID, "error", err)
		}
		ask(c.poke)
		return err
	}
	e.won(won, began)
	e.claiming = false
	c.s.metrics.changes.WithLabelValues("acquired").Inc()
	c.s.metrics.add(e)
	c.log.Info("lease acquired", "shard", won.shard, "epoch", won.epoch, "checkpoint", won.checkpoint)
	if c.draining {
		e.exited = true
		c.neverBegan(e)
		return errEnding
	}
	status.SetLeaseOwner(owner)
	status.SetCheckpoint(won.checkpoint)
	return nil
}

// neverBegan ends a session before its Begin. c.mu is held.
func (c *consumer) neverBegan(e *session) {
	e.Cancel()
	e.fence.Stop()
	e.over, e.why = true, stream.Released
	c.s.metrics.remove(e)
	ask(c.poke)
}

// FetchCheckpoint tells where to begin. It never names an owner: the library
// would take a shard for its own that nobody reads.
func (p leaseCheckpointer) FetchCheckpoint(status *partition.ShardStatus) error {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	mark := ""
	if e := p.c.held[status.ID]; e != nil && !e.claiming {
		mark = e.row.checkpoint
	}
	status.SetCheckpoint(mark)
	if mark == "" {
		return checkpoint.ErrSequenceIDNotFound
	}
	return nil
}

// RemoveLeaseOwner is called when the library's goroutine for a shard ends,
// for whatever reason: the session ends too, if it has not.
func (p leaseCheckpointer) RemoveLeaseOwner(shard string) error {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	e := p.c.held[shard]
	if e == nil || e.claiming {
		return nil
	}
	e.exited = true
	if !e.begun && !e.over {
		p.c.neverBegan(e)
	} else if !e.complete.Load() {
		e.stop()
	}
	return nil
}

// CheckpointSequence is refused: the consumer writes checkpoints, with the
// renewals.
func (leaseCheckpointer) CheckpointSequence(*partition.ShardStatus) error {
	return errors.New("checkpoints are written by the owner of the lease")
}

// RemoveLeaseInfo does nothing: that a shard is not in the list means that it
// is not offered.
func (leaseCheckpointer) RemoveLeaseInfo(string) error { return nil }

// GetLeaseOwner implements checkpoint.Checkpointer, which does not use it.
func (leaseCheckpointer) GetLeaseOwner(string) (string, error) { return "", nil }

// ListActiveWorkers is of lease stealing, which is off.
func (leaseCheckpointer) ListActiveWorkers(map[string]*partition.ShardStatus) (map[string][]*partition.ShardStatus, error) {
	return nil, errors.New("leases are not stolen")
}

// ClaimShard is of lease stealing, which is off.
func (leaseCheckpointer) ClaimShard(*partition.ShardStatus, string) error {
	return errors.New("leases are not stolen")
}

// libraryLog brings what the library says under one name, and what it says all
// the time down to debug.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) say(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, fmt.Sprintf(format, args...), "from", "kcl")
	}
}

func (l libraryLog) Debugf(format string, args ...any) { l.say(slog.LevelDebug-4, format, args) }
func (l libraryLog) Infof(format string, args ...any)  { l.say(slog.LevelDebug, format, args) }
func (l libraryLog) Warnf(format string, args ...any)  { l.say(slog.LevelDebug, format, args) }
func (l libraryLog) Errorf(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Fatalf and Panicf are said of a configuration that is made here.
func (l libraryLog) Fatalf(format string, args ...any) { panic("BUG: " + fmt.Sprintf(format, args...)) }
func (l libraryLog) Panicf(format string, args ...any) { panic("BUG: " + fmt.Sprintf(format, args...)) }

func (l libraryLog) WithFields(logger.Fields) logger.Logger { return l }
