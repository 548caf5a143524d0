package machine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qrie-sec/qrie/sim/machine"
)

const latency = 10 * time.Millisecond

// slow is a link without faults that takes its time.
var slow = machine.Faults{LatencyMin: latency, LatencyMax: latency + 1}

func newMachine(seed uint64) *machine.Machine {
	return machine.New(machine.Options{Name: "m"}, rand.New(rand.NewPCG(seed, 0)))
}

func TestCallHasItsEffectAfterItsLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, failed := time.Now(), errors.New("failed")
		var at time.Duration
		err := newMachine(1).Link("store", slow).Call(t.Context(), "get", func() error {
			at = time.Since(began)
			return failed
		})
		if err != failed || at != latency {
			t.Errorf("error %v after %s, want that of the effect after %s", err, at, latency)
		}
	})
}

func TestFaultsOfACall(t *testing.T) {
	for name, c := range map[string]struct {
		set     func(f *machine.Faults)
		effects int
		err     error
	}{
		"none":       {func(*machine.Faults) {}, 1, nil},
		"refused":    {func(f *machine.Faults) { f.Refuse = 1 }, 0, machine.ErrRefused},
		"unanswered": {func(f *machine.Faults) { f.Unanswer = 1 }, 1, machine.ErrUnanswered},
		"repeated":   {func(f *machine.Faults) { f.Repeat = 1 }, 2, nil},
		"an outage": {func(f *machine.Faults) {
			f.Stretches = []machine.Stretch{{From: time.Now(), Until: time.Now().Add(time.Second), Refuse: 1}}
		}, 0, machine.ErrRefused},
		"an outage that is over": {func(f *machine.Faults) {
			f.Stretches = []machine.Stretch{{From: time.Now(), Until: time.Now().Add(latency), Refuse: 1}}
		}, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				faults, n := slow, 0
				c.set(&faults)
				err := newMachine(1).Link("store", faults).Call(t.Context(), "put", func() error { n++; return nil })
				if n != c.effects || !errors.Is(err, c.err) {
					t.Errorf("%d effects and error %v, want %d and %v", n, err, c.effects, c.err)
				}
			})
		})
	}
}

// A machine that ends within a call ends before its effect or after it.
func TestCallThatKills(t *testing.T) {
	effects := map[int]int{}
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			faults, n := slow, 0
			faults.Kill = 1
			m := newMachine(seed)
			if err := m.Link("store", faults).Call(t.Context(), "put", func() error { n++; return nil }); !errors.Is(err, machine.ErrKilled) {
				t.Errorf("the call ends with %v", err)
			}
			effects[n]++
			if m.Context().Err() == nil {
				t.Error("the machine still runs")
			}
		})
	}
	if effects[0] < 10 || effects[1] < 10 || effects[0]+effects[1] != 40 {
		t.Errorf("calls by their effects: %v, want about half without", effects)
	}
}

// What the caller gives up may still come to be, when it was to, or never.
func TestAbandonedCall(t *testing.T) {
	for late, want := range map[float64]int{0: 0, 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			faults, n := slow, 0
			faults.Late = late
			ctx, cancel := context.WithTimeout(t.Context(), latency/2)
			defer cancel()
			began := time.Now()
			err := newMachine(1).Link("store", faults).Call(ctx, "put", func() error { n++; return nil })
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != latency/2 || n != 0 {
				t.Errorf("error %v after %s with %d effects", err, time.Since(began), n)
			}
			time.Sleep(time.Minute)
			if n != want {
				t.Errorf("%d effects in the end, want %d", n, want)
			}
		})
	}
}

func TestNothingComesToBeAfterKill(t *testing.T) {
	survived := 0
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(seed)
			l := m.Link("store", slow)
			n, over := 0, false
			var wg sync.WaitGroup
			wg.Go(func() {
				err := l.Call(t.Context(), "put", func() error {
					if over {
						t.Error("an effect after Kill")
					}
					n++
					return nil
				})
				if !errors.Is(err, machine.ErrKilled) {
					t.Errorf("the call under way ends with %v", err)
				}
			})
			time.Sleep(latency / 2)
			m.Kill()
			over = true
			wg.Wait()
			survived += n
			if err := l.Call(t.Context(), "put", func() error { n++; return nil }); !errors.Is(err, machine.ErrKilled) {
				t.Errorf("a call after Kill ends with %v", err)
			}
			if context.Cause(m.Context()) != machine.ErrKilled {
				t.Errorf("the machine's context ends with %v", context.Cause(m.Context()))
			}
			select {
			case <-m.Killed():
			default:
				t.Error("Killed is open")
			}
			m.Kill() // again
		})
	}
	if survived < 10 || survived > 30 {
		t.Errorf("of 40 calls under way %d had their effect just before, want about half", survived)
	}
}

// A machine that stands still does nothing, gives nothing up, and goes on as if
// nothing had been.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		l := m.Link("store", slow)
		began := time.Now()
		var at time.Duration
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*latency)
			defer cancel()
			if err := l.Call(ctx, "put", func() error { at = time.Since(began); return nil }); err != nil {
				t.Errorf("the call ends with %v", err)
			}
		})
		time.Sleep(latency / 2)
		m.Pause(time.Minute)
		wg.Wait()
		if at < time.Minute || at > time.Minute+5*latency {
			t.Errorf("the effect came after %s, want just after a minute", at)
		}
	})
}

func TestSkew(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := machine.New(machine.Options{Skew: -time.Minute, Now: func() time.Time { return now }}, rand.New(rand.NewPCG(1, 1)))
	if got := m.Now(); !got.Equal(now.Add(-time.Minute)) {
		t.Errorf("the clock shows %s", got)
	}
}

// What befalls a call is drawn from what is called, and not from when.
func TestFateDoesNotDependOnTheOrderOfCalls(t *testing.T) {
	run := func(order []string) map[string]string {
		fates := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			faults := machine.Faults{LatencyMin: time.Millisecond, LatencyMax: time.Second, Slow: .3, SlowBy: time.Minute, Refuse: .3, Unanswer: .3, Repeat: .3}
			l := newMachine(7).Link("store", faults)
			for _, name := range order {
				began, n := time.Now(), 0
				err := l.Call(t.Context(), name, func() error { n++; return nil })
				fates[name] = fmt.Sprint(time.Since(began), n, err)
			}
		})
		return fates
	}
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	forth := run(names)
	slices.Reverse(names)
	seen := map[string]bool{}
	for name, fate := range run(names) {
		if fate != forth[name] {
			t.Errorf("%s: %s, and in the other order %s", name, fate, forth[name])
		}
		seen[fate] = true
	}
	if len(seen) < len(names) {
		t.Errorf("only %d fates for %d calls", len(seen), len(names))
	}
}
