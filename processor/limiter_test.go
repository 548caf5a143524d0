package processor

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// called runs callers of a line for d and counts their calls.
func called(l *limiter, ctx context.Context, line, callers int, wg *sync.WaitGroup) *atomic.Int64 {
	var n atomic.Int64
	for range callers {
		wg.Go(func() {
			for l.wait(ctx, line) == nil {
				n.Add(1)
			}
		})
	}
	return &n
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within {
		t.Errorf("%s: %.1f, want %.1f within %.1f", what, got, want, within)
	}
}

func TestLimiterKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(20, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		n := called(l, ctx, eventLine, 30, &wg)
		wg.Wait()
		near(t, "calls in 5 s at 10 a second and a burst of a second", float64(n.Load()), 60, 2)
	})
}

// Both sides wait: events have seven of ten calls. One side alone has all.
func TestLimiterSharesBetweenEventsAndScans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(200, time.Now)
		l.tokens = 0 // who comes first would have them all
		both, endBoth := context.WithTimeout(t.Context(), 5*time.Second)
		defer endBoth()
		var wg sync.WaitGroup
		events, scans := called(l, both, eventLine, 20, &wg), called(l, both, scanLine, 20, &wg)
		wg.Wait()
		total := float64(events.Load() + scans.Load())
		near(t, "share of events", float64(events.Load())/total, 0.7, 0.1)
		near(t, "share of scans", float64(scans.Load())/total, 0.3, 0.1)

		alone, endAlone := context.WithTimeout(t.Context(), 5*time.Second)
		defer endAlone()
		before := l.pace()
		scans = called(l, alone, scanLine, 20, &wg)
		wg.Wait()
		near(t, "scans alone", float64(scans.Load()), 5*before, before)
	})
}

// AWS takes four calls a second: the limiter settles below that and tries more
// now and then, so that few calls are refused.
func TestLimiterConvergesUnderThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 4.0
		l := newLimiter(20, time.Now)
		aws := newLimiter(2*budget, time.Now) // begins at half
		aws.raised = time.Now().Add(24 * time.Hour)
		var made, refused atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				for l.wait(ctx, eventLine) == nil {
					made.Add(1)
					aws.mu.Lock()
					aws.fill(time.Now())
					ok := aws.tokens >= 1
					if ok {
						aws.tokens--
					}
					aws.mu.Unlock()
					if !ok {
						refused.Add(1)
						l.throttled(0)
					}
				}
			})
		}
		wg.Wait()
		taken := float64(made.Load() - refused.Load())
		if share := float64(made.Load()) / (budget * 600); share > 1.1 {
			t.Errorf("%.2f times the budget was asked for", share)
		}
		if share := taken / (budget * 600); share < 0.5 {
			t.Errorf("only %.2f of the budget was used", share)
		}
		t.Logf("%d calls in 10 min at 4 a second, %d of them refused", made.Load(), refused.Load())
	})
}

// One burst of throttled calls that were under way together slows down once.
func TestLimiterHalvesOnceForABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(16, time.Now)
		for range 50 {
			l.throttled(0)
		}
		near(t, "after a burst of throttles", l.pace(), 4, 0.001)
		time.Sleep(2 * time.Second)
		l.throttled(0)
		near(t, "after another", l.pace(), 2, 0.001)
		time.Sleep(time.Hour)
		near(t, "an hour later", l.pace(), 16, 0.001)
		for range 100 {
			l.throttled(0)
			time.Sleep(2 * time.Second)
		}
		near(t, "at the least", l.pace(), leastRate, 0.001)
	})
}

func TestLimiterHeedsRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(20, time.Now)
		l.throttled(20 * time.Second)
		began := time.Now()
		if err := l.wait(t.Context(), eventLine); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < 20*time.Second {
			t.Errorf("waited %s, AWS said 20 s", waited)
		}
	})
}

func TestLimiterLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, time.Now)
		for range 2 {
			if err := l.wait(t.Context(), eventLine); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for line := range 2 {
			wg.Go(func() {
				if l.wait(ctx, line) == nil {
					t.Error("a call was let go though its caller gave up")
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.lines[0])+len(l.lines[1]) != 0 || l.timer != nil {
			t.Errorf("lines %v, timer %v", l.lines, l.timer)
		}
	})
}

func TestLimitersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ls := newLimiters(10, time.Now)
		old := ls.of("a")
		if ls.of("a") != old {
			t.Error("another limiter for the same key")
		}
		time.Sleep(2 * forgetAfter)
		ls.of("b")
		if len(ls.byKey) != 1 {
			t.Errorf("%d limiters are kept, want the one in use", len(ls.byKey))
		}
	})
}
