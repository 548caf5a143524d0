package processor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// session is the work on one shard for as long as the worker owns it.
type session struct {
	w       *Worker
	s       *stream.Session
	ctx     context.Context // ends with the session, or when draining takes too long
	stop    context.CancelFunc
	lanes   *lanes
	tasks   chan func()   // pages of scans and judgements
	closing chan struct{} // closed when the session is to end: no page is begun or gone on with
	idle    chan struct{} // closed when no task runs any more
	wait    sync.WaitGroup
	seen    recent
	// listed tells when a type was listed last because an event asked for it.
	listed times
	// buried tells when a look at a resource was put to the dead letters last.
	buried    times
	deletions guard
	pages     underWay
}

const (
	// taskQueue bounds the page tasks that a shard holds; Handle blocks above
	// it. Each is one small record, and jobs are laid out no faster than their
	// pages are done.
	taskQueue = 256
	// taskRunners is how many pages a shard works on at once: most of the time
	// they wait for AWS.
	taskRunners = 4
)

// Begin implements stream.Handler.
func (w *Worker) Begin(s *stream.Session) {
	ctx, stop := context.WithCancel(s.Context())
	ses := &session{w: w, s: s, ctx: ctx, stop: stop, tasks: make(chan func(), taskQueue), closing: make(chan struct{}), idle: make(chan struct{})}
	ses.lanes = newLanes(ses.refresh, w.slots, w.scans, w.hands, max(1, w.Jobs/4), w.Floor, w.InFlight, w.Now, func() {
		w.metrics.marks.WithLabelValues("all", "coalesced").Inc()
	})
	ses.wait.Go(func() { ses.lanes.dispatch(ctx) })
	var tasks sync.WaitGroup
	for range taskRunners {
		tasks.Go(ses.runTasks)
	}
	ses.wait.Go(func() { tasks.Wait(); close(ses.idle) })
	w.mu.Lock()
	w.sessions[s] = ses
	w.mu.Unlock()
}

func (w *Worker) session(s *stream.Session) *session {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions[s]
}

// Handle implements stream.Handler: it sorts a batch into events, which become
// marks here and now, and qrie's own records, which wait in lanes.
func (w *Worker) Handle(s *stream.Session, records []stream.Record) {
	ses := w.session(s)
	var events []stream.Record
	for _, r := range records {
		k, own, err := open(r.Data)
		switch {
		case !own:
			w.metrics.records.WithLabelValues("event").Inc()
			events = append(events, r)
		case err != nil:
			w.metrics.records.WithLabelValues("unknown").Inc()
			ses.bury(r, err)
		default:
			ses.own(r, k)
		}
	}
	if len(events) > 0 {
		ses.route(events)
	}
}

// own takes one of qrie's own records.
func (s *session) own(r stream.Record, k kind) {
	if slices.Contains(kinds, k) {
		s.w.metrics.records.WithLabelValues(string(k)).Inc()
	} else {
		s.w.metrics.records.WithLabelValues("unknown").Inc()
	}
	switch k {
	case kindMark:
		marks, ok := s.w.memo.take(r.Data)
		if !ok {
			var err error
			if marks, err = items[touched](r.Data); err != nil {
				s.bury(r, err)
				return
			}
		}
		done := countdown(len(marks), func() { s.s.Done(r.Seq) })
		for _, m := range marks {
			if !s.lanes.submit(s.ctx, m, done) {
				return
			}
		}
	case kindScan:
		enqueue(s, r, k, s.scanPage)
	case kindJudge:
		enqueue(s, r, k, s.judgePage)
	case kindPlan:
		enqueue(s, r, k, s.planPage)
	case kindProbe:
		s.s.Done(r.Seq)
	default:
		s.bury(r, fmt.Errorf("record of unknown kind %q", k))
	}
}

// enqueue lets the task goroutine run each item of a record; the record is
// done after the last.
func enqueue[T any](s *session, r stream.Record, k kind, run func(T) error) {
	list, err := items[T](r.Data)
	if err != nil {
		s.bury(r, err)
		return
	}
	task := func() {
		for i, item := range list {
			err := s.persist(func() error {
				if s.isClosing() {
					return errClosing
				}
				return run(item)
			})
			if errors.Is(err, errClosing) {
				err = passOn(s, r, k, list[i:])
				if err == nil {
					break
				}
			}
			if err != nil {
				return // the session ended: the next owner does it again
			}
		}
		s.s.Done(r.Seq)
	}
	select {
	case s.tasks <- task:
	case <-s.ctx.Done():
	}
}

// passOn publishes what is left of a record again, for the next owner of its
// key.
func passOn[T any](s *session, r stream.Record, k kind, left []T) error {
	again, err := encode(k, r.Key, left)
	if err != nil {
		return err
	}
	return s.publish([]stream.Record{again})
}

func (s *session) runTasks() {
	for {
		select {
		case task, ok := <-s.tasks:
			if !ok {
				return
			}
			task()
		case <-s.ctx.Done():
			return
		}
	}
}

// errClosing ends a page that the session has no time for any more.
var errClosing = errors.New("the session is to end")

func (s *session) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// End implements stream.Handler. A released session finishes what it has
// taken, within the stream's drain time-out, but for pages of jobs: those it
// passes on, because a page may take longer than its shard should stand still.
// A lost session drops everything.
func (w *Worker) End(s *stream.Session, why stream.EndReason) {
	ses := w.session(s)
	if ses == nil {
		return
	}
	if why != stream.Lost {
		ctx, cancel := context.WithTimeout(ses.ctx, stream.DrainTimeout)
		close(ses.closing)
		close(ses.tasks)
		select {
		case <-ses.idle:
		case <-ctx.Done():
		}
		ses.lanes.drain(ctx)
		cancel()
	}
	ses.stop()
	ses.wait.Wait()
	w.mu.Lock()
	delete(w.sessions, s)
	w.mu.Unlock()
}

// errSessionEnded ends a job whose effects another owner may already produce.
var errSessionEnded = errors.New("session ended")

// persist repeats f, ever more slowly, until it succeeds or the session ends.
// errClosing is passed through.
// It is for effects that must not be given up, such as writing to the store
// while it is unreachable: the shard then stands still and loses nothing.
func (s *session) persist(f func() error) error {
	pause := 50 * time.Millisecond
	for {
		if s.ctx.Err() != nil || !s.s.Valid() {
			return errSessionEnded
		}
		err := f()
		if err == nil || errors.Is(err, errClosing) {
			return err
		}
		if s.ctx.Err() != nil {
			return errSessionEnded
		}
		s.w.Log.Warn("will be tried again", "shard", s.s.Shard(), "pause", pause, "error", err)
		if !sleep(s.ctx, pause) {
			return errSessionEnded
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// bury puts a record that cannot be understood to the dead letters, and only
// then calls it done.
func (s *session) bury(r stream.Record, why error) {
	if s.letter(r, r.Seq, r.Data, why) {
		s.s.Done(r.Seq)
	}
}

// letter writes one dead letter under an id that a redelivery repeats.
func (s *session) letter(r stream.Record, part string, data []byte, why error) bool {
	sum := sha256.Sum256([]byte(r.Shard + "|" + part))
	d := store.DeadLetter{ID: "d_" + hex.EncodeToString(sum[:8]), Shard: r.Shard, Seq: r.Seq, Key: r.Key,
		Reason: why.Error(), Arrived: r.Arrived, At: s.w.Now(), Size: len(data), Data: data[:min(len(data), store.MaxDeadLetterBytes)]}
	if s.persist(func() error { return s.w.Store.PutDeadLetter(s.ctx, d) }) != nil {
		return false
	}
	s.w.metrics.deadLetters.Inc()
	s.w.Log.Warn("record put to the dead letters", "id", d.ID, "shard", r.Shard, "seq", r.Seq, "reason", d.Reason)
	return true
}

// publish writes records to the stream, whatever it takes.
func (s *session) publish(records []stream.Record) error {
	return s.persist(func() error {
		err := s.w.Stream.Publish(s.ctx, records)
		var partial *stream.PublishError
		if errors.As(err, &partial) {
			left := make([]stream.Record, 0, len(partial.Failed))
			for _, i := range partial.Failed {
				left = append(left, records[i])
			}
			records = left
		}
		return err
	})
}

// countdown calls f after n calls, at once if n is 0.
func countdown(n int, f func()) func() {
	if n == 0 {
		f()
		return func() {}
	}
	var left atomic.Int64
	left.Store(int64(n))
	return func() {
		if left.Add(-1) == 0 {
			f()
		}
	}
}

// times remembers when something was done last, of a bounded number of keys.
type times struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (t *times) get(key string) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.last[key]
	return at, ok
}

func (t *times) set(key string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil || len(t.last) >= recentSize {
		t.last = map[string]time.Time{} // forgetting costs a listing, or one in a scan's count of failures
	}
	t.last[key] = at
}

// recent remembers which events a session has handled for which resource, so
// that copies of an event cost nothing. It is bounded: the oldest are
// forgotten, and a forgotten copy costs one describe call.
type recent struct {
	mu    sync.Mutex
	old   map[string]struct{}
	fresh map[string]struct{}
}

const recentSize = 8192

func (r *recent) has(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.fresh[key]
	if !ok {
		_, ok = r.old[key]
	}
	return ok
}

func (r *recent) add(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fresh == nil || len(r.fresh) >= recentSize {
		r.old, r.fresh = r.fresh, make(map[string]struct{}, recentSize)
	}
	r.fresh[key] = struct{}{}
}
