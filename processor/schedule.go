package processor

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
)

// Intervals of what runs by the clock.
const (
	drainEvery     = time.Second
	scheduleEvery  = 15 * time.Second
	inventoryEvery = 7 * 24 * time.Hour
	policyEvery    = 24 * time.Hour
	recountEvery   = 24 * time.Hour
	maintainEvery  = time.Hour
)

// listedJobs is among how many of the newest jobs of a kind one is looked for.
const listedJobs = 200

// drainBatch bounds how many waiting marks go back to the stream at a time.
const drainBatch = 2000

// drainDirty publishes the marks that are due again. One worker does it at a
// time; the owner of each resource receives them.
func (w *Worker) drainDirty(ctx context.Context) {
	if _, ok, err := w.Store.Lock(ctx, "drain-dirty", w.Owner, w.Now(), 10*drainEvery); err != nil || !ok {
		w.warn(ctx, "lock of the waiting marks", err)
		return
	}
	due, err := w.Store.DueDirty(ctx, w.Now(), drainBatch)
	if err != nil || len(due) == 0 {
		w.warn(ctx, "read of the waiting marks", err)
		return
	}
	marks := make([]touched, len(due))
	for i, d := range due {
		marks[i] = touched{Ref: d.Ref, Reason: qrie.ReasonEvent, Events: d.Events, Attempt: d.Attempts}
		if len(d.Events) == 0 {
			marks[i].Reason = qrie.ReasonScan
		}
	}
	records, err := encodeMarks(marks)
	if err == nil {
		err = w.Stream.Publish(ctx, records)
	}
	if err != nil {
		w.warn(ctx, "publish of the waiting marks", err)
		return
	}
	// Published first, removed second: a crash between repeats a look, and a
	// mark that was merged meanwhile has another revision and stays.
	// They go at once, so that they share commits.
	var g errgroup.Group
	g.SetLimit(64)
	for _, d := range due {
		g.Go(func() error {
			if err := w.Store.DeleteDirty(ctx, d.Ref, d.Revision); err != nil && !errors.Is(err, qrie.ErrConflict) {
				return err
			}
			return nil
		})
	}
	w.warn(ctx, "removal of the waiting marks", g.Wait())
}

func (w *Worker) warn(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		w.Log.Warn(what+" failed and will be tried again", "error", err)
	}
}

// schedule starts what is due. One worker does it at a time.
func (w *Worker) schedule(ctx context.Context) {
	now := w.Now()
	if _, ok, err := w.Store.Lock(ctx, "schedule", w.Owner, now, 4*scheduleEvery); err != nil || !ok {
		w.warn(ctx, "lock of the schedule", err)
		return
	}
	w.scheduleJob(ctx, jobInventory, inventoryEvery, func(first bool) error {
		reason := "scheduled"
		if first {
			reason = "bootstrap"
		}
		_, err := w.Inventory(ctx, reason, Extent{})
		return err
	})
	w.scheduleJob(ctx, jobPolicy, policyEvery, func(bool) error {
		_, err := w.Rejudge(ctx, "", "scheduled")
		return err
	})
	w.scheduleTask(ctx, "recount", recountEvery, func() error {
		drift, err := w.Store.Recount(ctx)
		if len(drift) > 0 {
			w.Log.Error("counters had drifted and were corrected", "counters", len(drift))
		}
		return err
	})
	w.scheduleTask(ctx, "maintain", maintainEvery, func() error {
		_, err := w.Store.Maintain(ctx, now)
		return err
	})
}

// scheduleJob starts a job of a kind unless a scan of everything of that kind
// began within the interval.
func (w *Worker) scheduleJob(ctx context.Context, kind string, interval time.Duration, start func(first bool) error) {
	jobs, err := w.Store.ListJobs(ctx, kind, listedJobs)
	if err != nil {
		w.warn(ctx, "read of the jobs", err)
		return
	}
	first := true
	for _, j := range jobs {
		if j.Reason != "bootstrap" && j.Reason != "scheduled" {
			continue
		}
		first = false
		if w.Now().Sub(j.Started) < interval {
			return
		}
	}
	if len(w.desk.allAccounts()) == 0 {
		return
	}
	w.warn(ctx, "start of the "+kind+" scan", start(first))
}

// scheduleTask runs a short task unless it ran within the interval. A lock of
// that length, taken under its own name, is what remembers it.
func (w *Worker) scheduleTask(ctx context.Context, name string, interval time.Duration, run func() error) {
	_, ok, err := w.Store.Lock(ctx, "ran-"+name, w.NewID(), w.Now(), interval)
	if err != nil || !ok {
		w.warn(ctx, "lock of "+name, err)
		return
	}
	w.warn(ctx, name, run())
}
