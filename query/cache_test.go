package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/store"
)

// counter is a summary that tells how often it was computed.
type counter struct {
	computed atomic.Int64
	stamp    atomic.Pointer[string]
	// before, if set, is called in the middle of a computation.
	before func(ctx context.Context, n int64) error
}

func (c *counter) compute(ctx context.Context) (any, error) {
	n := c.computed.Add(1)
	if c.before != nil {
		if err := c.before(ctx, n); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// cache makes a cache over the rig's store, as one of several servers would.
func (r *rig) cache(owner string, c *counter) *cache {
	r.t.Helper()
	cache := newCache(r.store, cacheOptions{
		key: "counter", fresh: time.Hour, compute: c.compute,
		stamp: func(context.Context) (string, error) {
			if s := c.stamp.Load(); s != nil {
				return *s, nil
			}
			return "", nil
		},
		now: r.clock.now, jitter: func() float64 { return 0.5 }, owner: owner,
		metrics: r.server.metrics, log: r.server.options.Log,
	})
	cache.poll = 2 * time.Millisecond
	return cache
}

// start runs a cache for the rest of the test.
func (r *rig) start(c *cache) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return stop
}

func (c *cache) value(t *testing.T) (string, bool) {
	t.Helper()
	got, err := c.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(got.data), got.stale
}

// settle waits until nothing is being refreshed.
func (c *cache) settle(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	r := c.pending
	c.mu.Unlock()
	if r == nil {
		return
	}
	select {
	case <-r.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the refresh does not end")
	}
}

func TestColdCacheComputesOnce(t *testing.T) {
	r := newRig(t)
	var sum counter
	asked := make(chan struct{})
	sum.before = func(context.Context, int64) error { <-asked; return nil }
	// Two servers, fifty readers each.
	caches := []*cache{r.cache("a", &sum), r.cache("b", &sum)}
	var readers sync.WaitGroup
	for _, c := range caches {
		r.start(c)
		for range 50 {
			readers.Go(func() {
				got, err := c.get(context.Background())
				if err != nil || string(got.data) != "1" || got.stale {
					t.Errorf("got %s, stale %v, %v", got.data, got.stale, err)
				}
			})
		}
	}
	for sum.computed.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(asked)
	readers.Wait()
	if n := sum.computed.Load(); n != 1 {
		t.Errorf("100 readers made %d computations, want 1", n)
	}
}

// TestLateAskerComputesNothing: it found no entry, and by the time it has the
// lock there is one.
func TestLateAskerComputesNothing(t *testing.T) {
	r := newRig(t)
	var sum counter
	first, late := r.cache("a", &sum), r.cache("b", &sum)
	r.start(first)
	r.start(late)
	first.value(t)
	for _, c := range []*cache{first, late} {
		refresh := c.ask()
		<-refresh.done
		must(t, refresh.err)
	}
	if n := sum.computed.Load(); n != 1 {
		t.Errorf("%d computations, want 1", n)
	}
	// And the lock was given back.
	if _, ok, err := r.store.LockSummary(t.Context(), "counter", "c", r.clock.now(), lockAge); err != nil || !ok {
		t.Errorf("the lock is still held: %v", err)
	}
}

func TestFreshThenStaleWhileRevalidating(t *testing.T) {
	r := newRig(t)
	var sum counter
	c := r.cache("a", &sum)
	r.start(c)
	c.value(t)

	r.clock.advance(time.Hour - time.Second)
	if got, stale := c.value(t); got != "1" || stale {
		t.Errorf("after 59 minutes: %s, stale %v", got, stale)
	}
	r.clock.advance(time.Second)
	if got, stale := c.value(t); got != "1" || !stale {
		t.Errorf("after an hour: %s, stale %v; want the old one, marked", got, stale)
	}
	c.settle(t)
	if got, stale := c.value(t); got != "2" || stale {
		t.Errorf("after the refresh: %s, stale %v", got, stale)
	}

	// A change makes a refresh due at once.
	changed := "policies changed"
	sum.stamp.Store(&changed)
	if got, stale := c.value(t); got != "2" || !stale {
		t.Errorf("after a change: %s, stale %v", got, stale)
	}
	c.settle(t)
	if got, stale := c.value(t); got != "3" || stale {
		t.Errorf("after that refresh: %s, stale %v", got, stale)
	}

	// What is older than a day is not served at all.
	r.clock.advance(25 * time.Hour)
	if got, stale := c.value(t); got != "4" || stale {
		t.Errorf("after a day: %s, stale %v", got, stale)
	}
	for series, want := range map[string]string{
		`qrie_summary_cache_total{result="stale"}`: "2",
		`qrie_summary_cache_total{result="miss"}`:  "2",
		`qrie_summary_cache_total{result="fresh"}`: "3",
		`qrie_summary_age_seconds`:                 "0",
	} {
		if got := r.metric(series); got != want {
			t.Errorf("%s = %s, want %s", series, got, want)
		}
	}
}

func TestJitterStaysWithinBounds(t *testing.T) {
	for _, tc := range []struct {
		jitter float64
		fresh  time.Duration
	}{{0, 54 * time.Minute}, {0.5, time.Hour}, {1, 66 * time.Minute}} {
		r := newRig(t)
		c := r.cache("a", &counter{})
		c.jitter = func() float64 { return tc.jitter }
		r.start(c)
		c.value(t)
		r.clock.advance(tc.fresh - time.Second)
		if _, stale := c.value(t); stale {
			t.Errorf("jitter %v: stale before %v", tc.jitter, tc.fresh)
		}
		r.clock.advance(time.Second)
		if _, stale := c.value(t); !stale {
			t.Errorf("jitter %v: fresh after %v", tc.jitter, tc.fresh)
		}
		c.settle(t)
	}
}

// TestSlowHolderIsFenced: the first holder takes longer than its lock lasts;
// the second one's entry stays.
func TestSlowHolderIsFenced(t *testing.T) {
	r := newRig(t)
	var first, second counter
	hold, computing := make(chan struct{}), make(chan struct{})
	first.before = func(context.Context, int64) error { close(computing); <-hold; return nil }
	second.before = func(context.Context, int64) error { second.computed.Store(100); return nil }
	slow, fast := r.cache("slow", &first), r.cache("fast", &second)
	fast.compute = func(context.Context) (any, error) { return "of the second", nil }
	r.start(slow)
	r.start(fast)
	refresh := slow.ask()
	<-computing
	r.clock.advance(lockAge)
	if got, _ := fast.value(t); got != `"of the second"` {
		t.Fatalf("the second server got %s", got)
	}
	close(hold)
	<-refresh.done
	if refresh.err != nil {
		t.Errorf("being fenced off is no failure: %v", refresh.err)
	}
	if got, _ := slow.value(t); got != `"of the second"` {
		t.Errorf("the slow holder overwrote the later entry: %s", got)
	}
}

// TestKilledHolder: a server took the lock and never came back.
func TestKilledHolder(t *testing.T) {
	r := newRig(t)
	if _, ok, err := r.store.LockSummary(t.Context(), "counter", "killed", r.clock.now(), lockAge); err != nil || !ok {
		t.Fatal(ok, err)
	}
	var sum counter
	c := r.cache("b", &sum)
	c.wait = 50 * time.Millisecond
	r.start(c)
	_, err := c.get(t.Context())
	var p *Problem
	if !errors.As(err, &p) || p.Status != 503 || p.header.Get("Retry-After") == "" {
		t.Fatalf("while the lock is held: %v, want 503 with Retry-After", err)
	}
	if n := sum.computed.Load(); n != 0 {
		t.Errorf("it was computed %d times without the lock", n)
	}
	r.clock.advance(lockAge)
	c.settle(t)
	if got, _ := c.value(t); got != "1" {
		t.Errorf("after the lock expired: %s", got)
	}
}

func TestErrorGivesTheLockBack(t *testing.T) {
	r := newRig(t)
	var sum counter
	sum.before = func(_ context.Context, n int64) error {
		if n == 1 {
			return fmt.Errorf("the store is away")
		}
		return nil
	}
	c := r.cache("a", &sum)
	r.start(c)
	if _, err := c.get(t.Context()); err == nil || !strings.Contains(err.Error(), "the store is away") {
		t.Fatalf("got %v", err)
	}
	c.settle(t)
	// Another server takes over at once: the clock has not moved.
	other := r.cache("b", &sum)
	r.start(other)
	if got, _ := other.value(t); got != "2" {
		t.Errorf("the next server got %s", got)
	}
}

// TestFailedRefreshKeepsTheOldEntry: a stale number is better than none.
func TestFailedRefreshKeepsTheOldEntry(t *testing.T) {
	r := newRig(t)
	var sum counter
	c := r.cache("a", &sum)
	r.start(c)
	c.value(t)
	sum.before = func(context.Context, int64) error { return errors.New("the store is away") }
	r.clock.advance(2 * time.Hour)
	for range 3 {
		if got, stale := c.value(t); got != "1" || !stale {
			t.Errorf("got %s, stale %v", got, stale)
		}
		c.settle(t)
	}
	sum.before = nil
	c.value(t)
	c.settle(t)
	if got, stale := c.value(t); stale || got == "1" {
		t.Errorf("after the store came back: %s, stale %v", got, stale)
	}
}

func TestStoppingEndsAWaitingRefresh(t *testing.T) {
	r := newRig(t)
	if _, ok, err := r.store.LockSummary(t.Context(), "counter", "other", r.clock.now(), lockAge); err != nil || !ok {
		t.Fatal(ok, err)
	}
	c := r.cache("a", &counter{})
	stop := r.start(c)
	refresh := c.ask()
	stop()
	select {
	case <-refresh.done:
		if !errors.Is(refresh.err, context.Canceled) {
			t.Errorf("got %v", refresh.err)
		}
	default: // it had not begun
	}
}

func TestDamagedEntryIsComputedAgain(t *testing.T) {
	r := newRig(t)
	fence, ok, err := r.store.LockSummary(t.Context(), "counter", "x", r.clock.now(), lockAge)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	must(t, r.store.PutSummary(t.Context(), store.Summary{Key: "counter", Payload: []byte("{"), ComputedAt: r.clock.now(), Fence: fence}, "x"))
	c := r.cache("a", &counter{})
	r.start(c)
	if got, _ := c.value(t); got != "1" {
		t.Errorf("got %s", got)
	}
}

// TestDashboardFollowsPolicies goes through the API.
func TestDashboardFollowsPolicies(t *testing.T) {
	r := newWorld(t)
	r.run(r.server)
	dash := func() DashboardAnswer { return get[DashboardAnswer](r, "/api/v1/summary/dashboard?date=2026-03-18") }
	if d := dash(); d.Stale || d.AgeSeconds != 0 || d.ActivePolicies != 2 {
		t.Fatalf("first: %+v", d)
	}
	r.clock.advance(10 * time.Minute)
	if d := dash(); d.Stale || d.AgeSeconds != 600 || !d.GeneratedAt.Equal(start) {
		t.Errorf("ten minutes later: stale %v, age %d, generated %v", d.Stale, d.AgeSeconds, d.GeneratedAt)
	}
	a := r.ask("PUT", "/api/v1/policies/EC2SecurityGroupWide", `{"status":"active"}`, "If-Match", "*")
	if a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if d := dash(); !d.Stale || d.ActivePolicies != 2 {
		t.Errorf("just after the change: stale %v, %d active", d.Stale, d.ActivePolicies)
	}
	r.server.dashboard.settle(t)
	if d := dash(); d.Stale || d.ActivePolicies != 3 || d.AgeSeconds != 0 {
		t.Errorf("after the refresh: stale %v, %d active, age %d", d.Stale, d.ActivePolicies, d.AgeSeconds)
	}
	// A scan that ends makes it due as well.
	r.job("inv-2", "inventory", "scheduled", r.clock.now(), time.Minute, 4)
	if d := dash(); !d.Stale {
		t.Error("a scan ended, and the dashboard is not due")
	}
	r.server.dashboard.settle(t)
	if d := dash(); d.AntiEntropy.LastInventoryScan.ScanID != "inv-2" {
		t.Errorf("last scan: %+v", d.AntiEntropy.LastInventoryScan)
	}
}
