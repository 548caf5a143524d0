package processor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qrie-sec/qrie"
)

func ref(account, id string) qrie.Ref {
	return qrie.Ref{Account: account, Region: "eu-west-1", Type: "AWS::EC2::Volume", ID: id}
}

// startLanes runs lanes until the test ends.
func startLanes(t *testing.T, l *lanes) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.dispatch(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return ctx
}

func testLanes(run func(context.Context, touched), slots, share int, floor time.Duration, limit int) *lanes {
	return newLanes(run, make(chan struct{}, slots), make(chan struct{}, max(1, slots/2)), newHands(slots), share, floor, limit, time.Now, func() {})
}

func TestLanesBurstCostsFewRunsAndEndsWithTheLastMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var runs []touched
		var starts []time.Time
		l := testLanes(func(ctx context.Context, m touched) {
			mu.Lock()
			runs, starts = append(runs, m), append(starts, time.Now())
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
		}, 8, 8, 2*time.Second, 1000)
		ctx := startLanes(t, l)
		done := 0
		begin := time.Now()
		for i := range 100 {
			e := qrie.Event{ID: fmt.Sprint(i), Time: begin.Add(time.Duration(i) * time.Second)}
			l.submit(ctx, touched{Ref: ref("1", "a"), Reason: qrie.ReasonEvent, Events: []qrie.Event{e}}, func() {
				mu.Lock()
				defer mu.Unlock()
				done++
			})
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if done != 100 {
			t.Errorf("%d of 100 marks are done", done)
		}
		if len(runs) > 6 {
			t.Errorf("a burst of 100 edits in 5 s cost %d runs, want at most 6", len(runs))
		}
		if wait := starts[0].Sub(begin); wait != 0 {
			t.Errorf("the first mark waited %s, want none", wait)
		}
		for i := 1; i < len(starts); i++ {
			if gap, least := starts[i].Sub(starts[i-1]), 2*time.Second<<min(i-1, floorDoublings); gap < least {
				t.Errorf("runs %d and %d are %s apart, want at least %s", i-1, i, gap, least)
			}
		}
		if last := runs[len(runs)-1].Events[0].ID; last != "99" {
			t.Errorf("the last run saw event %s as the newest, want 99", last)
		}
	})
}

func TestLanesRunAResourceOnceAtATime(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running := map[string]int{}
		finished := map[string]int{}
		l := testLanes(func(ctx context.Context, m touched) {
			key := m.Ref.Key()
			mu.Lock()
			running[key]++
			if running[key] > 1 {
				t.Errorf("%s runs twice at once", key)
			}
			pause := time.Duration(rng.IntN(300)) * time.Millisecond
			mu.Unlock()
			time.Sleep(pause)
			mu.Lock()
			running[key]--
			finished[key]++
			mu.Unlock()
		}, 16, 16, 100*time.Millisecond, 200)
		ctx := startLanes(t, l)
		var wg sync.WaitGroup
		var done int
		for range 2000 {
			mu.Lock()
			r, pause := ref(fmt.Sprint(rng.IntN(3)), fmt.Sprint(rng.IntN(20))), time.Duration(rng.IntN(5))*time.Millisecond
			mu.Unlock()
			wg.Add(1)
			if !l.submit(ctx, touched{Ref: r}, func() { mu.Lock(); done++; mu.Unlock(); wg.Done() }) {
				t.Fatal("submit refused while running")
			}
			time.Sleep(pause)
		}
		wg.Wait()
		if done != 2000 {
			t.Errorf("%d of 2000 marks are done", done)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if held, active := l.depth(); held != 0 || active != 0 {
			t.Errorf("%d marks held and %d jobs running after all were done", held, active)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.lanes) > 20*3 {
			t.Errorf("%d lanes are remembered", len(l.lanes))
		}
	})
}

func TestLanesNoisyAccountLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var quiet time.Duration
		begin := time.Now()
		l := testLanes(func(ctx context.Context, m touched) {
			time.Sleep(time.Second)
			if m.Ref.Account == "quiet" {
				mu.Lock()
				quiet = time.Since(begin)
				mu.Unlock()
			}
		}, 8, 2, 0, 10000)
		ctx := startLanes(t, l)
		for i := range 500 {
			l.submit(ctx, touched{Ref: ref("noisy", fmt.Sprint(i))}, func() {})
		}
		l.submit(ctx, touched{Ref: ref("quiet", "a")}, func() {})
		time.Sleep(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if quiet == 0 || quiet > 2*time.Second {
			t.Errorf("the quiet account waited %s behind a noisy one", quiet)
		}
	})
}

// Whatever a scan has marked, what an event marks goes first, and a scan never
// has every slot.
func TestLanesEventsNeverWaitBehindScans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		began := map[string]time.Duration{}
		scans, most := 0, 0
		begin := time.Now()
		l := testLanes(func(ctx context.Context, m touched) {
			mu.Lock()
			began[m.Ref.ID] = time.Since(begin)
			if m.Reason == qrie.ReasonScan {
				scans++
				most = max(most, scans)
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			if m.Reason == qrie.ReasonScan {
				scans--
			}
			mu.Unlock()
		}, 8, 8, 0, 10000)
		ctx := startLanes(t, l)
		for i := range 200 {
			l.submit(ctx, touched{Ref: ref("1", fmt.Sprint("scanned-", i)), Reason: qrie.ReasonScan}, func() {})
		}
		time.Sleep(5500 * time.Millisecond)
		for i := range 4 {
			l.submit(ctx, touched{Ref: ref("1", fmt.Sprint("changed-", i)), Reason: qrie.ReasonEvent}, func() {})
		}
		// This one waits in the scan's line already, far behind.
		l.submit(ctx, touched{Ref: ref("1", "scanned-199"), Reason: qrie.ReasonEvent}, func() {})
		time.Sleep(3 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		for _, id := range []string{"changed-0", "changed-1", "changed-2", "changed-3", "scanned-199"} {
			if at, ok := began[id]; !ok || at > 6600*time.Millisecond {
				t.Errorf("%s began after %s (%v), an event at 5.5 s", id, at, ok)
			}
		}
		if began["changed-0"] != 5500*time.Millisecond {
			t.Errorf("the first event waited until %s for a slot, though scans leave some", began["changed-0"])
		}
		if most != 4 {
			t.Errorf("%d jobs of a scan ran at once, want half of the 8 slots", most)
		}
	})
}

func TestLanesPushBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		l := testLanes(func(ctx context.Context, m touched) { <-release }, 4, 4, 0, 10)
		ctx := startLanes(t, l)
		taken := 0
		var mu sync.Mutex
		go func() {
			for i := range 20 {
				if !l.submit(ctx, touched{Ref: ref("1", fmt.Sprint(i))}, func() {}) {
					return
				}
				mu.Lock()
				taken++
				mu.Unlock()
			}
		}()
		synctest.Wait()
		mu.Lock()
		if taken != 10 {
			t.Errorf("%d marks were taken over, want the limit of 10", taken)
		}
		mu.Unlock()
		close(release)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if taken != 20 {
			t.Errorf("%d marks were taken over once there was room, want 20", taken)
		}
	})
}

func TestLanesDrainRunsWhatWaitsForItsFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		var mu sync.Mutex
		l := testLanes(func(ctx context.Context, m touched) { mu.Lock(); runs++; mu.Unlock() }, 4, 4, time.Hour, 10)
		ctx := startLanes(t, l)
		done := 0
		count := func() { mu.Lock(); done++; mu.Unlock() }
		l.submit(ctx, touched{Ref: ref("1", "a"), Reason: qrie.ReasonEvent}, count)
		synctest.Wait()
		l.submit(ctx, touched{Ref: ref("1", "a"), Reason: qrie.ReasonEvent}, count)
		begin := time.Now()
		if !l.drain(ctx) {
			t.Fatal("drain gave up")
		}
		if waited := time.Since(begin); waited > time.Second {
			t.Errorf("drain took %s", waited)
		}
		if runs != 2 || done != 2 {
			t.Errorf("runs %d, done %d, want 2 and 2", runs, done)
		}
	})
}

func TestLanesCancelledSessionFinishesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := testLanes(func(ctx context.Context, m touched) { <-ctx.Done() }, 4, 4, 0, 10)
		var wg sync.WaitGroup
		wg.Go(func() { l.dispatch(ctx) })
		l.submit(ctx, touched{Ref: ref("1", "a")}, func() { t.Error("a mark of a lost session was called done") })
		synctest.Wait()
		cancel()
		wg.Wait()
		if l.submit(ctx, touched{Ref: ref("1", "b")}, func() {}) {
			t.Error("a mark was taken over after the session ended")
		}
	})
}
