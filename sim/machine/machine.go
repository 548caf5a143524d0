// Package machine is what a worker runs on in a simulation: a clock that may be
// wrong, links to the store, the stream and AWS on which calls may take long,
// fail or stay unanswered, and an end that may come at any moment. It knows
// nothing of what is called: a link carries effects.
//
// A run can be repeated. What befalls a call is drawn from the seed and from
// what is called, never from the order in which calls come, and two calls hardly
// ever have their effects at one instant: so it does not matter how the
// goroutines of a bubble of testing/synctest are scheduled, as long as links
// have a latency.
package machine

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of calls.
var (
	// ErrKilled: the machine has ended. Under way at that moment, a call may have
	// had its effect; later it has none.
	ErrKilled = errors.New("the machine was killed")
	// ErrRefused: the call had no effect.
	ErrRefused = errors.New("the call was refused")
	// ErrUnanswered: the call had its effect, which the caller cannot know.
	ErrUnanswered = errors.New("the call was not answered")
)

// Options of a machine. The zero value works.
type Options struct {
	Name string
	Skew time.Duration    // its clock is ahead by so much
	Now  func() time.Time // the true time; time.Now if nil
	// Trace is told of every step of a call, in order. It must not call the
	// machine. Nil: nobody is told.
	Trace func(Step)
}

// Step is something that came of a call.
type Step struct {
	At      time.Time // the true time
	Machine string
	Link    string
	Call    string
	Nth     uint64 // of the calls of this name on this link
	Outcome Outcome
	Err     error // of the effect
}

// Outcome is what came of a call.
type Outcome string

// The outcomes. A call may have several.
const (
	Had       Outcome = "had its effect"
	Refused   Outcome = "refused"
	Abandoned Outcome = "abandoned by its caller"
	Killing   Outcome = "killed the machine"
)

// Machine runs from New to Kill, and never again: who starts anew gets another.
// It is safe for concurrent use.
type Machine struct {
	o      Options
	seed   uint64
	killed chan struct{}
	ctx    context.Context
	cancel context.CancelCauseFunc
	set    atomic.Int64 // by how much its clock was set, in nanoseconds

	mu       sync.Mutex // held while an effect comes to be
	dead     bool
	goesOn   time.Time // after a pause
	underWay []*call
}

// New starts a machine. Everything random is drawn from rng, here and now.
func New(o Options, rng *rand.Rand) *Machine {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Machine{o: o, seed: rng.Uint64(), killed: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	return m
}

// Now is the machine's clock on the wall.
func (m *Machine) Now() time.Time { return m.Steady().Add(time.Duration(m.set.Load())) }

// Steady is a clock that nobody sets while the machine lives: what is left of Now
// without SetClock.
func (m *Machine) Steady() time.Time { return m.o.Now().Add(m.o.Skew) }

// SetClock sets the clock on the wall forward, or back where by is negative.
func (m *Machine) SetClock(by time.Duration) { m.set.Add(int64(by)) }

// Context ends with the machine, because of ErrKilled.
func (m *Machine) Context() context.Context { return m.ctx }

// Killed is closed at the end of the machine.
func (m *Machine) Killed() <-chan struct{} { return m.killed }

// Kill ends the machine, as a power cut does. The calls under way return
// ErrKilled; some of them, as the seed will have it, had their effect just
// before. Once Kill has returned, no call of the machine has an effect.
func (m *Machine) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kill()
}

func (m *Machine) kill() {
	if m.dead {
		return
	}
	// Several may have begun at one instant, in any order.
	slices.SortFunc(m.underWay, func(a, b *call) int {
		return cmp.Or(strings.Compare(a.link.to, b.link.to), strings.Compare(a.name, b.name), cmp.Compare(a.nth, b.nth))
	})
	for _, c := range m.underWay {
		if c.fate.survives && !c.had && !c.fate.refused(m.o.Now()) {
			m.have(c)
		}
	}
	m.dead, m.underWay = true, nil
	m.cancel(ErrKilled)
	close(m.killed)
}

// Pause stops the machine for a while, as SIGSTOP does: no call comes to its
// effect or its end before it goes on, and then they do as if nothing had been,
// even if their callers would have given up meanwhile. What the machine does
// without calls goes on, and nobody sees it.
func (m *Machine) Pause(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.goesOn = m.o.Now().Add(d)
}

// paused is for how long the machine still stands still.
func (m *Machine) paused() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(0, m.goesOn.Sub(m.o.Now()))
}

// have lets a call have its effect.
func (m *Machine) have(c *call) {
	c.had = true
	c.err = c.effect()
	m.trace(c, Had)
}

func (m *Machine) trace(c *call, what Outcome) {
	if m.o.Trace != nil {
		m.o.Trace(Step{At: m.o.Now(), Machine: m.o.Name, Link: c.link.to, Call: c.name, Nth: c.nth, Outcome: what, Err: c.err})
	}
}

// leave takes a call off the list of those under way.
func (m *Machine) leave(c *call) {
	if i := slices.Index(m.underWay, c); i >= 0 {
		m.underWay = slices.Delete(m.underWay, i, i+1)
	}
}
