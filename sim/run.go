package sim

import (
	"container/heap"
	"context"
	"fmt"
	"time"
)

// The first changes of a run come quickly, so that whoever looks at a fresh
// demo sees it move.
const (
	firstChanges  = 6
	firstInterval = 1500 * time.Millisecond
)

// Run lets the organisation live in real time: about perMinute changes a
// minute, and noise beside them, each event handed to publish when its
// delivery is due. It returns nil when ctx ends, and the error of publish if
// that fails. Events still under way at the end are lost, as they would be;
// the next scan finds what they would have told. Run starts no goroutine.
func (w *World) Run(ctx context.Context, perMinute float64, publish Publish) error {
	if perMinute <= 0 {
		return fmt.Errorf("run the simulated organisation: %g changes a minute: the rate must be above 0", perMinute)
	}
	interval := time.Duration(float64(time.Minute) / perMinute)
	var under heapOfDeliveries
	next := w.clock().Add(min(interval, firstInterval))
	for n := 0; ; {
		due := next
		if len(under) > 0 && under[0].At.Before(due) {
			due = under[0].At
		}
		if err := sleep(ctx, due.Sub(w.clock())); err != nil {
			return nil
		}
		now := w.clock()
		for len(under) > 0 && !under[0].At.After(now) {
			d := heap.Pop(&under).(Delivery)
			if err := publish(ctx, d.Account, d.Data); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("publish an event of account %s: %w", d.Account, err)
			}
		}
		if next.After(now) {
			continue
		}
		list, unevenness, err := w.live(now)
		if err != nil {
			return err
		}
		for _, d := range list {
			heap.Push(&under, d)
		}
		pause := time.Duration(unevenness * float64(interval))
		if n++; n < firstChanges {
			pause = min(interval, firstInterval)
		}
		next = now.Add(pause)
	}
}

// live makes one change, and noise as often as the rest of the day has it. It
// also draws how long the next change is to wait, as a factor around 1: even
// work would look like a clock.
func (w *World) live(now time.Time) (list []Delivery, unevenness float64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.note(entry{Do: "live", At: now.UnixNano()}); err != nil {
		return nil, 0, err
	}
	w.forget(now)
	var events []event
	if s := w.act(now); s != nil {
		events = s.events
	}
	if often(w.rng, noiseShare/(1-noiseShare)) {
		events = append(events, w.noise(now).events...)
	}
	return w.deliver(events), 0.4 + 1.2*w.rng.Float64(), nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// heapOfDeliveries has the earliest on top. It is as long as what happens in
// the longest lag.
type heapOfDeliveries []Delivery

func (h heapOfDeliveries) Len() int           { return len(h) }
func (h heapOfDeliveries) Less(i, j int) bool { return h[i].At.Before(h[j].At) }
func (h heapOfDeliveries) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heapOfDeliveries) Push(d any)        { *h = append(*h, d.(Delivery)) }

func (h *heapOfDeliveries) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = Delivery{}
	*h = old[:len(old)-1]
	return last
}
