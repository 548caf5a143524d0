package local

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

const (
	// pollInterval is how often a session looks for records that another
	// process has published. Those of its own process wake it.
	pollInterval = 100 * time.Millisecond
	// flushRecords is how many records may finish before a checkpoint is
	// written out of turn: it bounds what a crash delivers again.
	flushRecords = 1000
)

// session runs one stream.Session: it reads its shard and hands the records
// over. run is its goroutine; the consumer renews and ends it.
type session struct {
	*stream.Session
	c     *consumer
	shard int

	intake     context.Context // ends when nothing more is to be read
	stopIntake context.CancelFunc
	overdue    atomic.Bool // the drain took too long
	drain      *time.Timer // set by stop
	fence      *time.Timer // cancels the session when its lease has run out

	position int64        // the last sequence number that was handed over
	flushed  atomic.Int64 // the stored checkpoint, for run
	reached  atomic.Int64 // arrival of the record at position while more may follow; 0 at the end of the shard

	// Of the consumer's goroutine.
	stored int64 // the stored checkpoint
	taken  bool  // another owner has the lease
	over   bool  // run has returned

	why stream.EndReason // set before run returns
}

func newSession(c *consumer, l lease, began time.Time) *session {
	e := &session{c: c, shard: l.shard, position: l.checkpoint, stored: l.checkpoint}
	e.flushed.Store(l.checkpoint)
	// Not under the context of Consume: what was taken is finished after it.
	e.Session = stream.NewSession(context.Background(), shardName(l.shard), l.epoch, c.s.opts.Now, began)
	e.intake, e.stopIntake = context.WithCancel(e.Context())
	e.fence = time.AfterFunc(c.s.opts.LeaseTime, e.checkFence)
	e.extend(began)
	return e
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
// is cancelled when that takes too long.
func (e *session) stop() {
	if e.intake.Err() != nil {
		return
	}
	e.stopIntake()
	e.drain = time.AfterFunc(e.c.s.opts.DrainTimeout, func() {
		e.overdue.Store(true)
		e.Cancel()
	})
}

func (e *session) run() {
	e.c.h.Begin(e.Session)
	e.consume()
	e.why = stream.Released
	if err := e.Wait(e.Context(), 0, 0); (err != nil || e.Context().Err() != nil) && !e.overdue.Load() {
		e.why = stream.Lost
	}
	e.c.h.End(e.Session, e.why)
	e.Cancel()
	e.c.ended <- e
}

// consume reads until the intake ends.
func (e *session) consume() {
	s := e.c.s
	s.fresh[e.shard].open(e)
	defer s.fresh[e.shard].close(e)
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		waited := s.opts.Now()
		if e.Wait(e.intake, s.opts.MaxUnfinished-1, s.opts.MaxUnfinishedBytes-1) != nil {
			return
		}
		s.metrics.backpressure.Add(s.opts.Now().Sub(waited).Seconds())
		var err error
		limit := s.opts.MaxUnfinished - e.Unfinished()
		records := s.fresh[e.shard].take(e, e.position, min(limit, batchRecords))
		if len(records) == 0 {
			records, err = s.read(e.intake, e.shard, e.position, limit)
		}
		if err != nil && e.intake.Err() == nil {
			e.c.log.Error("cannot read the stream", "shard", e.Shard(), "error", err)
		}
		if len(records) == 0 {
			e.reached.Store(0)
			e.flushIfMuch()
			select {
			case <-s.wake[e.shard]:
			case <-poll.C:
			case <-e.intake.Done():
				return
			}
			continue
		}
		e.hand(records)
		e.flushIfMuch()
	}
}

// hand passes a batch to the handler.
func (e *session) hand(records []stream.Record) {
	last := records[len(records)-1]
	n, err := strconv.ParseInt(last.Seq, 10, 64)
	if err != nil {
		panic("BUG: read a sequence number that is no number: " + last.Seq)
	}
	e.position = n
	e.reached.Store(last.Arrived.UnixNano())
	e.Track(records)
	e.c.s.metrics.received(e.Shard(), records)
	e.c.h.Handle(e.Session, records)
}

// flushIfMuch asks for a checkpoint before the next is due.
func (e *session) flushIfMuch() {
	if watermark(e) >= e.flushed.Load()+flushRecords {
		select {
		case e.c.poke <- struct{}{}:
		default:
		}
	}
}
