package processor

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qrie-sec/qrie"
)

// TestHandsAreFreeWhileAWSIsAsked: as many jobs as there are slots ask AWS at once,
// and while as many as there are hands are at work no other begins.
func TestHandsAreFreeWhileAWSIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, most = 12, 3
		var asking, working, begun atomic.Int64
		var l *lanes
		l = testLanes(func(ctx context.Context, m touched) {
			begun.Add(1)
			l.hands.without(func() {
				asking.Add(1)
				time.Sleep(time.Minute)
				asking.Add(-1)
			})
			working.Add(1)
			time.Sleep(time.Hour)
			working.Add(-1)
		}, slots, slots, 0, 1000)
		l.hands = newHands(most)
		ctx := startLanes(t, l)
		done := new(atomic.Int64)
		for i := range 2 * slots {
			l.submit(ctx, touched{Ref: ref("1", string(rune('a'+i))), Reason: qrie.ReasonEvent}, func() { done.Add(1) })
		}
		synctest.Wait()
		if n := asking.Load(); n != slots {
			t.Errorf("%d jobs ask AWS at once, want %d", n, slots)
		}
		// All of them are back, and none that waited for AWS waits for hands.
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := working.Load(); n != slots {
			t.Errorf("%d jobs are at work, want %d", n, slots)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if begun.Load() != 2*slots || done.Load() != 2*slots || len(l.hands.taken) != 0 || l.hands.over.Load() != 0 {
			t.Errorf("%d of %d began, %d are done; %d hands are taken and %d jobs are at work without",
				begun.Load(), 2*slots, done.Load(), len(l.hands.taken), l.hands.over.Load())
		}
	})
}

// TestJobsWaitForHands: what does not ask AWS is done by so many at once.
func TestJobsWaitForHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 3
		var working, peak atomic.Int64
		l := testLanes(func(ctx context.Context, m touched) {
			peak.Store(max(peak.Load(), working.Add(1)))
			time.Sleep(time.Second)
			working.Add(-1)
		}, 12, 12, 0, 1000)
		l.hands = newHands(most)
		ctx := startLanes(t, l)
		done := new(atomic.Int64)
		for i := range 12 {
			l.submit(ctx, touched{Ref: ref("1", string(rune('a'+i))), Reason: qrie.ReasonEvent}, func() { done.Add(1) })
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if peak.Load() != most || done.Load() != 12 {
			t.Errorf("%d jobs were at work at once, want %d; %d of 12 are done", peak.Load(), most, done.Load())
		}
	})
}
