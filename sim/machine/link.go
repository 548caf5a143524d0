package machine

import (
	"context"
	"fmt"
	"time"
)

// Faults of a link. All are off in the zero value. Chances are from 0 to 1, for
// each call.
type Faults struct {
	// Latency is how long a call is under way to its effect, drawn to the
	// nanosecond.
	LatencyMin, LatencyMax time.Duration
	Slow                   float64       // chance that the way there, or that of the answer, takes longer
	SlowBy                 time.Duration // by so much at the most
	// Late is the chance that a call whose caller gives up, because its context
	// ends, still comes to its effect when it was to.
	Late     float64
	Refuse   float64 // chance of ErrRefused
	Unanswer float64 // chance of ErrUnanswered
	// Repeat is the chance that a call is made twice, as by a client that heard
	// no answer. The second is the one that is answered.
	Repeat    float64
	Kill      float64   // chance that the machine is killed within the call
	Stretches []Stretch // of trouble beside that
}

// Stretch is a time in which calls are refused: some for a throttle, all for an
// outage.
type Stretch struct {
	From, Until time.Time // by the true time
	Refuse      float64   // chance of ErrRefused
}

// Link is the way from a machine to one thing that it calls. It is safe for
// concurrent use.
type Link struct {
	m    *Machine
	to   string
	seed uint64

	// Of the mutex of the machine.
	faults Faults
	nth    map[string]uint64 // calls so far, by name
}

// Link opens a way. Links of one machine have different names.
func (m *Machine) Link(to string, f Faults) *Link {
	return &Link{m: m, to: to, seed: m.seed ^ hash(to), faults: f, nth: map[string]uint64{}}
}

// SetFaults replaces the faults for calls from now on.
func (l *Link) SetFaults(f Faults) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.faults = f
}

// call is one call on its way.
type call struct {
	link   *Link
	name   string
	nth    uint64
	effect func() error
	fate   fate

	// Of the mutex of the machine.
	had bool
	err error // of the effect
}

// fate is what befalls a call.
type fate struct {
	there, again, back       time.Duration // under way: to the effect, to that of the repetition, and the answer
	late, repeat, unanswered bool
	kill                     bool
	survives                 bool    // if the machine dies meanwhile, it has its effect
	luck                     float64 // it is refused where the chance of that is above
	refuse                   float64 // the chance outside stretches
	stretches                []Stretch
}

// Call carries a call: effect comes to be once, never or twice, now or later,
// as the faults have it. It must not block, and not use the machine.
func (l *Link) Call(ctx context.Context, name string, effect func() error) error {
	c, err := l.begin(ctx, name, effect)
	if err != nil {
		return l.wrap(c, err)
	}
	defer func() {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		l.m.leave(c)
	}()
	left, err := l.m.wait(ctx, c.fate.there, c.fate.there)
	if err != nil {
		l.abandon(c, left)
		return l.wrap(c, err)
	}
	if err := l.arrive(c); err != nil {
		return l.wrap(c, err)
	}
	if c.fate.repeat {
		if _, err := l.m.wait(ctx, c.fate.again, c.fate.again); err != nil {
			return l.wrap(c, err)
		}
		if err := l.arrive(c); err != nil {
			return l.wrap(c, err)
		}
	}
	if c.fate.back > 0 {
		if _, err := l.m.wait(ctx, c.fate.back, c.fate.back); err != nil {
			return l.wrap(c, err)
		}
	}
	if c.fate.unanswered {
		return l.wrap(c, ErrUnanswered)
	}
	return c.err
}

func (l *Link) wrap(c *call, err error) error {
	return fmt.Errorf("%s of %s to %s: %w", c.name, l.m.o.Name, l.to, err)
}

// begin notes a call and draws its fate.
func (l *Link) begin(ctx context.Context, name string, effect func() error) (*call, error) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.nth[name]++
	c := &call{link: l, name: name, nth: l.nth[name], effect: effect}
	if l.m.dead {
		return c, ErrKilled
	}
	if err := ctx.Err(); err != nil {
		return c, err
	}
	c.fate = draw(dice(l.seed^hash(name)^c.nth<<32), &l.faults)
	l.m.underWay = append(l.m.underWay, c)
	return c, nil
}

// draw draws as much whatever the faults are, so that to switch one off leaves
// the others as they were.
func draw(d dice, f *Faults) fate {
	fate := fate{there: d.between(f.LatencyMin, f.LatencyMax), again: d.between(f.LatencyMin, f.LatencyMax), refuse: f.Refuse, stretches: f.Stretches}
	slow, there, slowBy := d.roll() < f.Slow, d.roll() < 0.5, d.between(0, f.SlowBy)
	switch {
	case slow && there:
		fate.there += slowBy
	case slow:
		fate.back = slowBy
	}
	fate.late, fate.repeat, fate.unanswered = d.roll() < f.Late, d.roll() < f.Repeat, d.roll() < f.Unanswer
	fate.kill, fate.survives = d.roll() < f.Kill, d.roll() < 0.5
	fate.luck = d.roll()
	return fate
}

// arrive is the moment of the effect.
func (l *Link) arrive(c *call) error {
	m := l.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return ErrKilled
	}
	if c.fate.kill {
		m.trace(c, Killing)
		m.kill()
		return ErrKilled
	}
	if c.fate.refused(m.o.Now()) {
		m.leave(c)
		m.trace(c, Refused)
		return ErrRefused
	}
	m.have(c)
	return nil
}

func (f *fate) refused(now time.Time) bool {
	chance := f.refuse
	for _, s := range f.stretches {
		if !now.Before(s.From) && now.Before(s.Until) {
			chance = max(chance, s.Refuse)
		}
	}
	return f.luck < chance
}

// abandon leaves a call to itself that its caller has given up: perhaps it still
// comes to its effect.
func (l *Link) abandon(c *call, left time.Duration) {
	m := l.m
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave(c)
	if m.dead {
		return
	}
	m.trace(c, Abandoned)
	if c.fate.late && !c.had {
		time.AfterFunc(left, func() { _ = l.arrive(c) })
	}
}

// wait waits while the machine runs, for d and, after a pause, for jitter more,
// so that calls do not all go on at one instant. If the caller gives up it says
// how long was left to wait.
func (m *Machine) wait(ctx context.Context, d, jitter time.Duration) (left time.Duration, err error) {
	due := m.o.Now().Add(d)
	for {
		if d > 0 {
			timer := time.NewTimer(d)
			select {
			case <-timer.C:
			case <-m.killed:
			case <-ctx.Done():
			}
			timer.Stop()
		}
		// What came first is told from the clock and not from select, which
		// throws dice of its own.
		pause := m.paused()
		left = due.Sub(m.o.Now())
		switch {
		case m.ctx.Err() != nil:
			return 0, ErrKilled
		case pause > 0:
			d = pause + jitter
			due = m.o.Now().Add(d)
			ctx = context.Background() // what stands still gives nothing up
		case left <= 0:
			return 0, nil
		case ctx.Err() != nil:
			return left, ctx.Err()
		default:
			d = left
		}
	}
}
