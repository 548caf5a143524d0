package kinesis

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"

	"github.com/qrie-sec/qrie/stream"
)

const (
	// readInterval is the least time between two reads of a shard: Kinesis
	// allows five a second, and the library stands still for a second when it
	// counts a sixth.
	readInterval = 205 * time.Millisecond
	// flushRecords is how many records may finish before a checkpoint is
	// written out of turn: it bounds what a crash delivers again.
	flushRecords = 1000
	// fewSessions is among how many sessions MaxTotalBytes is shared at the
	// least, so that the first to begin leaves something to the next.
	fewSessions = 8
)

// session runs one stream.Session. The library's goroutine for the shard hands
// the records over in process; run ends the session, so that its end does not
// wait for the library.
type session struct {
	*stream.Session
	c      *consumer
	row    row                    // the lease as it was won
	status *partition.ShardStatus // the library's, by which it is told from its successor

	intake     context.Context // ends when nothing more is to be handed over
	stopIntake context.CancelFunc
	overdue    atomic.Bool // the drain took too long
	complete   atomic.Bool // the shard is closed and its last record handed over
	taken      atomic.Bool // another owner has the lease
	panicked   atomic.Bool // the handler did
	wanting    atomic.Bool // a checkpoint out of turn
	drain      *time.Timer // set by stop
	fence      *time.Timer // cancels the session when its lease has run out

	handing  sync.Mutex   // held while Handle runs, and from the end on
	position string       // the last sequence number that was handed over; under handing
	since    int          // records handed over since the last wish for a checkpoint; under handing
	read     atomic.Int64 // Unix nanoseconds: everything that had arrived by then was handed over; 0: not known

	mark atomic.Pointer[string] // the stored checkpoint

	// Under c.mu.
	claiming bool // the lease is not won yet
	begun    bool // Begin was called
	over     bool // End has returned, or Begin will not be called
	exited   bool // the library has no goroutine for it any more
	hidden   bool // the library was shown a list without the shard since it ended
	released bool // the lease is given up
	why      stream.EndReason
}

// won opens the session of a lease that was claimed at began.
func (e *session) won(r row, began time.Time) {
	e.row, e.position = r, r.checkpoint
	if !r.caughtUp.IsZero() {
		e.read.Store(r.caughtUp.UnixNano())
	}
	e.setFlushed(r.checkpoint)
	// Not under the context of Consume: what was taken is finished after it.
	e.Session = stream.NewSession(context.Background(), r.shard, r.epoch, e.c.s.opts.Now, began)
	e.intake, e.stopIntake = context.WithCancel(e.Context())
	e.fence = time.AfterFunc(e.c.s.opts.LeaseTime, e.checkFence)
	e.extend(began)
}

// extend makes the session valid for four fifths of the lease time from the
// beginning of a renewal. The last fifth is for effects that are under way
// when it ends.
func (e *session) extend(began time.Time) {
	valid := e.c.s.opts.LeaseTime * 4 / 5
	e.Extend(began.Add(valid))
	e.fence.Reset(valid - e.c.s.opts.Now().Sub(began))
}

func (e *session) checkFence() {
	if !e.Valid() {
		e.Cancel()
		return
	}
	e.fence.Reset(e.c.s.opts.LeaseTime / 20) // the timer ran ahead of the clock, or extend came between
}

// stop ends the intake. The session ends by itself when everything is done, or
// is cancelled when that takes too long. c.mu is held.
func (e *session) stop() {
	if e.claiming || e.over || e.drain != nil {
		return
	}
	e.stopIntake()
	e.drain = time.AfterFunc(e.c.s.opts.DrainTimeout, func() {
		e.overdue.Store(true)
		e.Cancel()
	})
}

// run waits for the end of the intake and ends the session.
func (e *session) run() {
	<-e.intake.Done()
	e.handing.Lock() // not before Handle has returned, and never again after it
	defer e.handing.Unlock()
	why := stream.Released
	if e.complete.Load() {
		why = stream.ShardEnd
	}
	if err := e.Wait(e.Context(), 0, 0); err != nil || e.Context().Err() != nil {
		why = stream.Lost
		if e.overdue.Load() {
			why = stream.Released
		}
	}
	e.c.h.End(e.Session, why)
	e.Cancel()
	e.fence.Stop()
	e.c.ended(e, why)
}

// process hands over what a read gave, no more at once than may be unfinished.
func (e *session) process(records []types.Record, by reading) {
	e.handing.Lock()
	defer e.handing.Unlock()
	defer e.caught()
	e.gap(by.at)
	batch := e.fresh(records)
	opts := &e.c.s.opts
	for len(batch) > 0 {
		began := opts.Now()
		bytes := min(opts.MaxUnfinishedBytes, max(1, opts.MaxTotalBytes/max(fewSessions, e.c.s.metrics.open())))
		if e.Wait(e.intake, opts.MaxUnfinished-1, bytes-1) != nil || e.intake.Err() != nil {
			return
		}
		e.c.s.metrics.backpressure.Add(opts.Now().Sub(began).Seconds())
		n, room := 0, bytes-e.UnfinishedBytes()
		for n < min(len(batch), opts.MaxUnfinished-e.Unfinished()) && room > 0 {
			room -= int64(len(batch[n].Key) + len(batch[n].Data))
			n++
		}
		e.Track(batch[:n])
		e.position = batch[n-1].Seq
		e.c.s.metrics.received(e.Shard(), batch[:n])
		e.c.h.Handle(e.Session, batch[:n:n])
		batch = batch[n:]
		if e.since += n; e.since >= flushRecords {
			e.since = 0
			e.wanting.Store(true)
			ask(e.c.flush)
		}
	}
	if e.intake.Err() == nil && by.behind >= 0 {
		e.reach(by.at.Add(-by.behind))
	}
}

// caughtUp is until when everything that had arrived is done. It is taken
// before the watermark that is stored with it, and so never too late.
func (e *session) caughtUp() time.Time {
	read := e.read.Load()
	if read == 0 {
		return time.Time{}
	}
	until := time.Unix(0, read)
	if oldest, ok := e.Oldest(); ok && oldest.Before(until) {
		return oldest
	}
	return until
}

// reach notes that everything that had arrived by then was handed over.
func (e *session) reach(until time.Time) {
	if n := until.UnixNano(); n > e.read.Load() { // its only writer is the library's goroutine for the shard
		e.read.Store(n)
	}
}

// gap tells the handler of records that the stream may have dropped before
// they were read: a read at a time goes on at the first record that is left.
func (e *session) gap(at time.Time) {
	read, retention := e.read.Load(), time.Duration(e.c.s.retention.Load())
	to := at.Add(-retention)
	if from := time.Unix(0, read); read != 0 && retention > 0 && from.Before(to) && e.intake.Err() == nil {
		e.c.log.Error("records may have been dropped unread: the shard was behind for longer than the stream keeps them",
			"shard", e.Shard(), "from", from.UTC(), "to", to.UTC(), "retention", retention)
		e.c.s.metrics.gaps.Inc()
		e.c.h.Gap(e.Session, from, to)
	}
}

// fresh turns the library's records into the port's, without those that were
// handed over before: an iterator that is renewed may begin in the middle of
// an aggregated record.
func (e *session) fresh(records []types.Record) []stream.Record {
	fresh := make([]stream.Record, 0, len(records))
	for _, r := range records {
		if stream.CompareSeq(aws.ToString(r.SequenceNumber), e.position) <= 0 {
			continue
		}
		fresh = append(fresh, recordOf(e.Shard(), r))
	}
	return fresh
}

func (e *session) flushed() string { return *e.mark.Load() }

func (e *session) setFlushed(mark string) {
	if mark != "" || e.mark.Load() == nil {
		e.mark.Store(&mark)
	}
}

// caught keeps a panic of the handler from ending the process: the session is
// cancelled, and its records are delivered again to whoever takes the shard.
func (e *session) caught() {
	if p := recover(); p != nil {
		e.c.log.Error("the handler panicked; its session ends and the records are delivered again",
			"shard", e.Shard(), "epoch", e.Epoch(), "panic", p, "stack", string(debug.Stack()))
		e.panicked.Store(true)
		e.Cancel()
	}
}
