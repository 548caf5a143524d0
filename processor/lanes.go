package processor

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// lanes runs the jobs of one session: one at a time for each resource, many
// resources at once, and no account more than its share.
//
// The first mark of a resource runs at once. Marks that arrive while it runs,
// or within floor of its start, merge into one job that runs afterwards, so a
// burst of edits costs few describe calls and the last edit is always seen.
type lanes struct {
	run     func(ctx context.Context, m touched)
	slots   chan struct{} // shared by all sessions of the worker
	share   int           // greatest number of running jobs of one account
	floor   time.Duration // least time between two starts for one resource
	limit   int           // marks held at once; submit blocks above
	now     func() time.Time
	merged  func() // counts a mark that joined a waiting one
	mu      sync.Mutex
	changed *sync.Cond // on mu: room for another mark, or idle
	wake    chan struct{}
	held    int
	lanes   map[string]*lane
	ready   []string // accounts with ready lanes, in turn
	queues  map[string][]*lane
	running map[string]int // by account
	later   delayed
	closing bool // drain: nothing waits for its floor any more
	jobs    sync.WaitGroup
}

// lane is one resource.
type lane struct {
	key     string
	account string
	active  bool // running
	parked  bool // in later, until its floor has passed
	next    *touched
	waiting []func() // to call once next has run
	start   time.Time
	due     time.Time
}

func newLanes(run func(context.Context, touched), slots chan struct{}, share int, floor time.Duration, limit int, now func() time.Time, merged func()) *lanes {
	l := &lanes{run: run, slots: slots, share: share, floor: floor, limit: limit, now: now, merged: merged,
		wake: make(chan struct{}, 1), lanes: map[string]*lane{}, queues: map[string][]*lane{}, running: map[string]int{}}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// submit takes a mark over and calls done once a job that began after this
// moment has finished. It blocks while limit marks are held. It returns false
// if ctx ended first; done is then never called.
func (l *lanes) submit(ctx context.Context, m touched, done func()) bool {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.held >= l.limit && ctx.Err() == nil {
		l.changed.Wait()
	}
	if ctx.Err() != nil {
		return false
	}
	l.held++
	key := m.Ref.Key()
	ln := l.lanes[key]
	if ln == nil {
		ln = &lane{key: key, account: m.Ref.Account}
		l.lanes[key] = ln
	}
	ln.waiting = append(ln.waiting, done)
	if ln.next != nil {
		ln.next.merge(m)
		l.merged()
		return true
	}
	ln.next = &m
	if !ln.active && !ln.parked {
		l.makeReady(ln)
		l.poke()
	}
	return true
}

// park lets a lane wait for its floor. One without a mark waits too: it
// remembers when its resource was read last, and goes when the floor has
// passed.
func (l *lanes) park(ln *lane) {
	ln.parked, ln.due = true, ln.start.Add(l.floor)
	heap.Push(&l.later, ln)
}

// unpark brings back what has waited long enough.
func (l *lanes) unpark(now time.Time) {
	for len(l.later) > 0 && (l.closing || !l.later[0].due.After(now)) {
		ln := heap.Pop(&l.later).(*lane)
		ln.parked = false
		if ln.next != nil {
			l.makeReady(ln)
		} else {
			delete(l.lanes, ln.key)
		}
	}
}

func (l *lanes) makeReady(ln *lane) {
	if len(l.queues[ln.account]) == 0 {
		l.ready = append(l.ready, ln.account)
	}
	l.queues[ln.account] = append(l.queues[ln.account], ln)
}

func (l *lanes) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// dispatch starts jobs until ctx ends and returns after the last one.
func (l *lanes) dispatch(ctx context.Context) {
	defer l.jobs.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		ln, m, waiting, wait := l.take()
		if ln == nil {
			<-l.slots
			timer.Reset(wait)
			select {
			case <-l.wake:
			case <-timer.C:
			case <-ctx.Done():
				return
			}
			continue
		}
		l.jobs.Go(func() {
			defer func() { <-l.slots }()
			l.run(ctx, m)
			l.finish(ctx, ln, waiting)
		})
	}
}

// take picks the next lane, round-robin over the accounts that are below
// their share. With none it says how long to wait for the next floor.
func (l *lanes) take() (ln *lane, m touched, waiting []func(), wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.unpark(now)
	for i, account := range l.ready {
		if l.running[account] >= l.share {
			continue
		}
		queue := l.queues[account]
		ln = queue[0]
		l.ready = append(l.ready[:i], l.ready[i+1:]...)
		if len(queue) == 1 {
			delete(l.queues, account)
		} else {
			l.queues[account] = queue[1:]
			l.ready = append(l.ready, account)
		}
		m, waiting = *ln.next, ln.waiting
		ln.next, ln.waiting = nil, nil
		ln.active, ln.start = true, now
		l.running[account]++
		return ln, m, waiting, 0
	}
	wait = time.Minute
	if len(l.later) > 0 {
		wait = max(time.Millisecond, l.later[0].due.Sub(now))
	}
	return nil, m, nil, wait
}

func (l *lanes) finish(ctx context.Context, ln *lane, waiting []func()) {
	if ctx.Err() == nil {
		for _, done := range waiting {
			done()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held -= len(waiting)
	if l.running[ln.account]--; l.running[ln.account] == 0 {
		delete(l.running, ln.account)
	}
	ln.active = false
	l.park(ln)
	l.changed.Broadcast()
	l.poke()
}

// drain lets everything that waits for its floor run now and returns once
// nothing is left, or false when ctx ends first.
func (l *lanes) drain(ctx context.Context) bool {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	l.poke()
	for l.held > 0 && ctx.Err() == nil {
		l.changed.Wait()
	}
	return l.held == 0
}

// depth tells how many marks are held and how many jobs run.
func (l *lanes) depth() (held, running int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.running {
		running += n
	}
	return l.held, running
}

// delayed is a heap of lanes by due time.
type delayed []*lane

func (d delayed) Len() int           { return len(d) }
func (d delayed) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d delayed) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *delayed) Push(x any)        { *d = append(*d, x.(*lane)) }
func (d *delayed) Pop() any {
	old := *d
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	return x
}
