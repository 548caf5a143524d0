package memory

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// readPause is how long a session waits after a read that failed.
const readPause = time.Second

// session runs one stream.Session: it reads its shard and hands the records
// over. run is its goroutine; the consumer renews and ends it.
type session struct {
	*stream.Session
	c *consumer

	intake     context.Context // ends when nothing more is to be read
	stopIntake context.CancelFunc
	overdue    atomic.Bool // the drain took too long
	drain      *time.Timer // set by stop
	fence      *time.Timer // cancels the session when its lease has run out

	position int64 // the last sequence number that was handed over
	complete bool  // nothing more will come

	over bool             // run has returned; of the consumer's goroutine
	why  stream.EndReason // set before run returns
}

func newSession(c *consumer, shard string, l lease, began time.Time) *session {
	e := &session{c: c, position: l.checkpoint}
	// Not under the context of Consume: what was taken is finished after it.
	e.Session = stream.NewSession(context.Background(), shard, l.epoch, c.s.as.Now, began)
	e.intake, e.stopIntake = context.WithCancel(e.Context())
	e.fence = time.AfterFunc(c.s.log.opts.LeaseTime, e.checkFence)
	e.extend(began)
	return e
}

// extend makes the session valid for four fifths of the lease time from the
// beginning of a renewal. The last fifth is for effects that are under way
// when it ends.
func (e *session) extend(began time.Time) {
	// A little less, and not the same for all, or sessions would end at the
	// instant of a round: then the scheduler would decide what it still finds.
	valid := e.c.s.log.opts.LeaseTime*4/5 - time.Duration(1+e.c.order(e.Shard())%1000)*time.Microsecond
	e.Extend(began.Add(valid))
	e.fence.Reset(valid - e.c.s.as.Now().Sub(began))
}

func (e *session) checkFence() {
	if !e.Valid() {
		e.Cancel()
		return
	}
	e.fence.Reset(e.c.s.log.opts.LeaseTime / 20) // extend came between
}

// stop ends the intake. The session ends by itself when everything is done, or
// is cancelled when that takes too long.
func (e *session) stop() {
	if e.over || e.intake.Err() != nil {
		return
	}
	e.stopIntake()
	e.drain = time.AfterFunc(e.c.s.log.opts.DrainTimeout, func() {
		e.overdue.Store(true)
		e.Cancel()
	})
}

func (e *session) run() {
	e.c.h.Begin(e.Session)
	e.consume()
	e.why = stream.Released
	if e.complete {
		e.why = stream.ShardEnd
	}
	if err := e.Wait(e.Context(), 0, 0); err != nil || e.Context().Err() != nil {
		e.why = stream.Lost
		if e.overdue.Load() {
			e.why = stream.Released
		}
	}
	e.c.h.End(e.Session, e.why)
	e.Cancel()
	e.fence.Stop()
	e.c.ended <- e
}

// consume reads until the intake ends, or the shard does.
func (e *session) consume() {
	most := e.c.s.log.opts.MaxUnfinished
	for {
		if e.Wait(e.intake, most-1, 1<<62) != nil || e.intake.Err() != nil {
			return
		}
		more, changed := e.more()
		switch {
		case e.complete:
			return
		case !more:
			select {
			case <-changed:
			case <-e.intake.Done():
			}
		default:
			e.read(most - e.Unfinished())
		}
	}
}

// more reports whether there is something to read. To look costs no call: it
// stands for reads that find nothing.
func (e *session) more() (more bool, changed <-chan struct{}) {
	l := e.c.s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.find(e.Shard())
	more = int64(len(s.records)) > e.position
	e.complete = s.closed && !more
	return more, l.changed
}

// read hands one batch over.
func (e *session) read(limit int) {
	position := e.position
	records, err := ask(e.intake, e.c.s, "read "+e.Shard()+" after "+seqText(position), func(l *Log) ([]stream.Record, error) {
		return l.read(l.find(e.Shard()), position, limit), nil
	})
	if err != nil {
		pause(e.intake, readPause)
		return
	}
	e.position = seqNumber(records[len(records)-1].Seq)
	e.Track(records)
	e.c.h.Handle(e.Session, records)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
