package processor

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lanes runs the jobs of one session: one at a time for each resource, many
// resources at once, events before scans, and no account more than its share.
//
// The first mark of a resource runs at once. Marks that arrive while it runs,
// or within floor of its start, merge into one job that runs afterwards. The
// floor doubles with each of them, so a burst of edits costs few describe calls,
// a single repetition waits little, and the last edit is always seen.
type lanes struct {
	run       func(ctx context.Context, m touched)
	slots     chan struct{} // shared by all sessions of the worker
	scanSlots chan struct{} // those of them that jobs of scans may have
	hands     *hands        // of the worker: each job begins with some
	share     int           // greatest number of running jobs of one account
	floor     time.Duration // least time between the first two starts for one resource
	limit     int           // marks held at once; submit blocks above
	now       func() time.Time
	merged    func() // counts a mark that joined a waiting one

	mu      sync.Mutex
	changed *sync.Cond // on mu: room for another mark, or idle
	wake    chan struct{}
	held    int
	lanes   map[string]*lane
	ready   [2]turns       // by line: events, scans
	running map[string]int // by account
	later   delayed
	closing bool // drain: nothing waits for its floor any more

	next    chan job     // to a runner that rests
	resting atomic.Int64 // how many of them do
	runners sync.WaitGroup
}

// job is what take has chosen.
type job struct {
	lane    *lane
	line    int
	mark    touched
	waiting []func()
}

// maxResting is how many runners of a session wait for more to do when they have
// done something. Their stacks have grown to what a job needs; growing those of
// new ones takes a thirtieth of all the time.
const maxResting = 64

// lane is one resource.
type lane struct {
	key     string
	account string
	active  bool // running
	parked  bool // in later, until its floor has passed
	queued  bool // ready, in line
	line    int
	next    *touched
	waiting []func() // to call once next has run
	start   time.Time
	runs    int // one after the other, without a pause
	due     time.Time
}

// turns are the ready lanes of one line, by account, and whose turn it is.
type turns struct {
	accounts []string
	queues   map[string][]*lane
}

func (q *turns) add(ln *lane) {
	if q.queues == nil {
		q.queues = map[string][]*lane{}
	}
	if len(q.queues[ln.account]) == 0 {
		q.accounts = append(q.accounts, ln.account)
	}
	q.queues[ln.account] = append(q.queues[ln.account], ln)
}

// remove takes a lane out of the middle.
func (q *turns) remove(ln *lane) {
	queue := q.queues[ln.account]
	at := slices.Index(queue, ln)
	q.keep(ln.account, slices.Delete(queue, at, at+1), slices.Index(q.accounts, ln.account))
}

// take gives the first lane of the first account that may run, and moves that
// account to the end.
func (q *turns) take(may func(account string) bool) *lane {
	for i, account := range q.accounts {
		if may(account) {
			queue := q.queues[account]
			q.keep(account, queue[1:], i)
			if len(queue) > 1 {
				q.accounts = append(slices.Delete(q.accounts, i, i+1), account)
			}
			return queue[0]
		}
	}
	return nil
}

// keep stores what is left of the queue of the account at a place.
func (q *turns) keep(account string, queue []*lane, at int) {
	if len(queue) == 0 {
		delete(q.queues, account)
		q.accounts = slices.Delete(q.accounts, at, at+1)
		return
	}
	q.queues[account] = queue
}

func newLanes(run func(context.Context, touched), slots, scanSlots chan struct{}, hands *hands, share int, floor time.Duration, limit int, now func() time.Time, merged func()) *lanes {
	l := &lanes{run: run, slots: slots, scanSlots: scanSlots, hands: hands, share: share, floor: floor, limit: limit, now: now, merged: merged,
		wake: make(chan struct{}, 1), lanes: map[string]*lane{}, running: map[string]int{}, next: make(chan job)}
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
		if line := ln.next.line(); ln.queued && line != ln.line {
			l.ready[ln.line].remove(ln)
			l.makeReady(ln)
			l.poke()
		}
		return true
	}
	ln.next = &m
	if !ln.active && !ln.parked {
		l.makeReady(ln)
		l.poke()
	}
	return true
}

// floorDoublings bounds how far the floor grows: to eight times itself.
const floorDoublings = 3

// park lets a lane wait for its floor. One without a mark waits too: it
// remembers when its resource was read last, and goes when the floor has
// passed.
func (l *lanes) park(ln *lane) {
	ln.runs++
	ln.parked, ln.due = true, ln.start.Add(l.floor<<min(ln.runs-1, floorDoublings))
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
	ln.queued, ln.line = true, ln.next.line()
	l.ready[ln.line].add(ln)
}

func (l *lanes) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// dispatch starts jobs until ctx ends and returns after the last one.
func (l *lanes) dispatch(ctx context.Context) {
	defer l.runners.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		select {
		case l.hands.taken <- struct{}{}:
		case <-ctx.Done():
			<-l.slots
			return
		}
		j, wait := l.take()
		if j.lane == nil {
			l.hands.release()
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
		l.start(ctx, j)
	}
}

// start runs a job in a goroutine that dispatch waits for.
func (l *lanes) start(ctx context.Context, j job) {
	select {
	case l.next <- j:
	default:
		l.runners.Go(func() { l.work(ctx, j) })
	}
}

// work runs a job and rests until there is more, unless enough others rest.
func (l *lanes) work(ctx context.Context, j job) {
	for {
		l.do(ctx, j)
		if l.resting.Add(1) > maxResting {
			l.resting.Add(-1)
			return
		}
		select {
		case j = <-l.next:
			l.resting.Add(-1)
		case <-ctx.Done():
			return
		}
	}
}

func (l *lanes) do(ctx context.Context, j job) {
	defer func() {
		if j.line == scanLine {
			<-l.scanSlots
		}
		l.hands.release()
		<-l.slots
	}()
	l.run(ctx, j.mark)
	l.finish(ctx, j)
}

// scanSlotWait is how long a session waits to look for a scan's slot again.
const scanSlotWait = 50 * time.Millisecond

// take picks the next lane: events before scans, and in turn over the accounts
// that are below their share. With none it says how long to wait for the next
// floor.
func (l *lanes) take() (j job, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ln *lane
	now := l.now()
	l.unpark(now)
	may := func(account string) bool { return l.running[account] < l.share }
	wait = time.Minute
	if ln = l.ready[eventLine].take(may); ln == nil && len(l.ready[scanLine].accounts) > 0 {
		select {
		case l.scanSlots <- struct{}{}:
			if ln = l.ready[scanLine].take(may); ln == nil {
				<-l.scanSlots
			}
		default:
			wait = scanSlotWait // another session has them
		}
	}
	if ln == nil {
		if len(l.later) > 0 {
			wait = min(wait, max(time.Millisecond, l.later[0].due.Sub(now)))
		}
		return job{}, wait
	}
	j = job{lane: ln, line: ln.line, mark: *ln.next, waiting: ln.waiting}
	ln.next, ln.waiting = nil, nil
	ln.queued, ln.active, ln.start = false, true, now
	l.running[ln.account]++
	return j, 0
}

func (l *lanes) finish(ctx context.Context, j job) {
	if ctx.Err() == nil {
		for _, done := range j.waiting {
			done()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := j.lane
	l.held -= len(j.waiting)
	if l.running[ln.account]--; l.running[ln.account] == 0 {
		delete(l.running, ln.account)
	}
	ln.active = false
	l.park(ln)
	l.changed.Broadcast()
	l.poke()
}

// drain drops what scans wait for, lets everything that waits for its floor run
// now and returns once nothing is left, or false when ctx ends first.
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
	l.dropScans()
	l.poke()
	for l.held > 0 && ctx.Err() == nil {
		l.changed.Wait()
	}
	return l.held == 0
}

// dropScans forgets the marks of scans that do not run yet: their pages are
// passed on. l.mu is held.
func (l *lanes) dropScans() {
	for _, ln := range l.lanes {
		if ln.next == nil || ln.next.line() != scanLine {
			continue
		}
		if ln.queued {
			l.ready[ln.line].remove(ln)
			ln.queued = false
		}
		l.held -= len(ln.waiting)
		ln.next, ln.waiting = nil, nil
	}
	l.changed.Broadcast()
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
