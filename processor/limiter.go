package processor

import (
	"context"
	"sync"
	"time"
)

// Rates of calls of AWS. A limiter begins at half of what it may reach, halves
// with a throttle, and goes up again slowly: the customer's own tools share the
// same budget, and qrie is to be the one that gives way.
const (
	leastRate   = 0.2              // calls a second
	throttleFor = 30 * time.Second // nothing goes up so soon after a throttle
	raiseEvery  = 10 * time.Second
	raiseBy     = 0.05 // of the greatest rate
	burst       = time.Second
	// scanTurns of ten calls are a scan's while events wait, too. What one side
	// leaves the other may have.
	scanTurns = 3
	// forgetAfter is how long a limiter is kept that nobody uses.
	forgetAfter = 10 * time.Minute
)

// limiters paces calls of AWS by account, Region and resource type: AWS counts
// by account, Region and API, and each type is read with its own few. They are
// safe for concurrent use.
type limiters struct {
	most float64 // calls a second for each; 0: no bound
	now  func() time.Time

	mu    sync.Mutex
	byKey map[string]*limiter
	swept time.Time
}

func newLimiters(most float64, now func() time.Time) *limiters {
	return &limiters{most: most, now: now, byKey: map[string]*limiter{}, swept: now()}
}

// of is the limiter of a key. Those that nobody has used for some time are
// forgotten: what they had learned is old.
func (ls *limiters) of(key string) *limiter {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := ls.now()
	if now.Sub(ls.swept) > forgetAfter {
		for k, l := range ls.byKey {
			if l.idle(now) {
				delete(ls.byKey, k)
			}
		}
		ls.swept = now
	}
	l := ls.byKey[key]
	if l == nil {
		l = newLimiter(ls.most, ls.now)
		ls.byKey[key] = l
	}
	return l
}

// limiter is a token bucket whose rate adapts to throttles (additive increase,
// multiplicative decrease), with two lines of waiters: events and scans.
type limiter struct {
	most float64
	now  func() time.Time

	mu     sync.Mutex
	rate   float64
	tokens float64
	filled time.Time // when tokens was brought up to date
	raised time.Time // when rate was, or may be next
	used   time.Time
	turn   int // counts calls while both lines wait
	lines  [2][]*waiter
	timer  *time.Timer // set while somebody waits
}

// Lines of a limiter.
const (
	eventLine = iota
	scanLine
)

type waiter struct{ ready chan struct{} }

func newLimiter(most float64, now func() time.Time) *limiter {
	at := now()
	return &limiter{most: most, now: now, rate: most / 2, tokens: max(1, most/2*burst.Seconds()), filled: at, raised: at, used: at}
}

func (l *limiter) idle(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Sub(l.used) > forgetAfter && len(l.lines[eventLine])+len(l.lines[scanLine]) == 0
}

// wait returns nil when a call may be made, or the error of ctx.
func (l *limiter) wait(ctx context.Context, line int) error {
	l.mu.Lock()
	now := l.now()
	l.used = now
	l.fill(now)
	if len(l.lines[eventLine])+len(l.lines[scanLine]) == 0 && l.tokens >= 1 {
		l.tokens--
		l.mu.Unlock()
		return ctx.Err()
	}
	w := &waiter{ready: make(chan struct{})}
	l.lines[line] = append(l.lines[line], w)
	l.arm(now)
	l.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		l.leave(w, line)
		return ctx.Err()
	}
}

// leave gives a place up, or the call that was granted just now.
func (l *limiter) leave(w *waiter, line int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.lines[line] {
		if other == w {
			l.lines[line] = append(l.lines[line][:i], l.lines[line][i+1:]...)
			l.arm(l.now())
			return
		}
	}
	l.tokens++
	l.arm(l.now())
}

// fill brings tokens and rate up to date.
func (l *limiter) fill(now time.Time) {
	if since := now.Sub(l.raised); since >= raiseEvery {
		steps := float64(since / raiseEvery)
		l.rate = min(l.most, l.rate+steps*raiseBy*l.most)
		l.raised = now
	}
	if since := now.Sub(l.filled); since > 0 {
		l.tokens = min(max(1, l.rate*burst.Seconds()), l.tokens+since.Seconds()*l.rate)
		l.filled = now
	}
}

// arm lets the next waiter go when there is a token for him. l.mu is held.
func (l *limiter) arm(now time.Time) {
	if len(l.lines[eventLine])+len(l.lines[scanLine]) == 0 {
		if l.timer != nil {
			l.timer.Stop()
			l.timer = nil
		}
		return
	}
	pause := time.Duration(0)
	if l.tokens < 1 {
		// Rounded up: a timer that is early finds a part of a token missing, and
		// would be set for no time at all.
		pause = time.Duration((1-l.tokens)/l.rate*float64(time.Second)) + time.Millisecond
	}
	if l.timer != nil {
		l.timer.Reset(pause)
		return
	}
	l.timer = time.AfterFunc(pause, l.grant)
}

// grant lets waiters go as far as the tokens last.
func (l *limiter) grant() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.fill(now)
	for l.tokens >= 1 {
		line := l.next()
		if line < 0 {
			break
		}
		w := l.lines[line][0]
		l.lines[line][0] = nil
		l.lines[line] = l.lines[line][1:]
		l.tokens--
		l.used = now
		close(w.ready)
	}
	l.arm(now)
}

// next is the line whose turn it is, -1 if nobody waits.
func (l *limiter) next() int {
	events, scans := len(l.lines[eventLine]) > 0, len(l.lines[scanLine]) > 0
	switch {
	case events && scans:
		l.turn = (l.turn + 1) % 10
		if l.turn < scanTurns {
			return scanLine
		}
		return eventLine
	case events:
		return eventLine
	case scans:
		return scanLine
	}
	return -1
}

// throttled slows down after AWS has refused a call because of its rate. Many
// calls that were under way together are one reason to slow down.
func (l *limiter) throttled(retryAfter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.fill(now)
	if l.raised.After(now) && l.raised.Sub(now) > throttleFor-time.Second {
		return // slowed down a moment ago
	}
	l.rate = max(min(leastRate, l.most), l.rate/2)
	l.tokens = min(l.tokens, 0) - l.rate*retryAfter.Seconds()
	l.raised = now.Add(max(throttleFor, retryAfter))
	l.arm(now)
}

// pace is how many calls a second are made now.
func (l *limiter) pace() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fill(l.now())
	return l.rate
}
