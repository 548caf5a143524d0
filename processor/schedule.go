package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// Intervals of what runs by the clock.
const (
	drainEvery     = time.Second
	scheduleEvery  = 15 * time.Second
	inventoryEvery = 7 * 24 * time.Hour
	policyEvery    = 24 * time.Hour
	recountEvery   = 24 * time.Hour
	maintainEvery  = time.Hour
	// dueEvery is how soon a verdict follows a date that has passed.
	dueEvery = time.Minute
	// foreignFor is how long a policy may be defined otherwise than here before
	// this worker makes it its own: longer than workers are exchanged for others.
	foreignFor = 15 * time.Minute
	// closeEvery is how soon what is left of removed accounts is closed.
	closeEvery = 10 * time.Minute
)

// listedJobs is among how many of the newest jobs of a kind one is looked for.
const listedJobs = 200

// drainBatch bounds how many waiting marks go back to the stream at a time.
const drainBatch = 2000

// drainDirty publishes the marks that are due again, and puts off those to which
// a later look has been added that shows the same. One worker does it at a time;
// the owner of each resource receives them.
func (w *Worker) drainDirty(ctx context.Context) {
	if _, ok, err := w.Store.Lock(ctx, "drain-dirty", w.Owner, w.Now(), 10*drainEvery); err != nil || !ok {
		w.warn(ctx, "lock of the waiting marks", err)
		return
	}
	now := w.Now()
	waiting, err := w.Store.DueDirty(ctx, now, drainBatch)
	if err != nil || len(waiting) == 0 {
		w.warn(ctx, "read of the waiting marks", err)
		return
	}
	var due, early []store.DirtyMark
	for _, d := range waiting {
		if d.Settles.After(now) {
			early = append(early, d)
		} else {
			due = append(due, d)
		}
	}
	w.warn(ctx, "putting off of waiting marks", w.putOff(ctx, early))
	marks := make([]touched, len(due))
	for i, d := range due {
		marks[i] = touched{Ref: d.Ref, Reason: qrie.ReasonEvent, Events: d.Events, Attempt: d.Attempts}
		if len(d.Events) == 0 {
			marks[i].Reason = qrie.ReasonScan
		}
	}
	records, err := encodeMarks(marks, w.memo.keep)
	if err == nil && len(records) > 0 {
		err = w.Stream.Publish(ctx, records)
	}
	if err != nil {
		w.warn(ctx, "publish of the waiting marks", err)
		return
	}
	// Published first, removed second: a crash between repeats a look, and a
	// mark that was merged meanwhile has another revision and stays.
	w.warn(ctx, "removal of the waiting marks", w.Store.DeleteDirty(ctx, due))
}

// putOff lets marks wait until one look shows all that their events did. Many are
// written at once, so that they share commits.
func (w *Worker) putOff(ctx context.Context, marks []store.DirtyMark) error {
	var g errgroup.Group
	g.SetLimit(64)
	for _, d := range marks {
		g.Go(func() error {
			w.metrics.marks.WithLabelValues(d.Ref.Service(), "put_off").Inc()
			d.DueAt = d.Settles
			return w.Store.PutDirty(ctx, d)
		})
	}
	return g.Wait()
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
	if b := w.desk.current(); len(b.foreign) > 0 && now.Sub(b.foreignSince) > foreignFor {
		w.warn(ctx, "upgrade of policies", w.upgrade(ctx))
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
	w.scheduleTask(ctx, "due", dueEvery, func() error { return w.judgeDue(ctx) })
	w.scheduleTask(ctx, "close-accounts", closeEvery, func() error { return w.closeAccounts(ctx) })
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

// dueBatch bounds how many resources are judged anew at a time because of the
// date; the others follow a minute later.
const dueBatch = 2000

// judgeDue has those resources judged anew whose verdicts may have changed
// because a moment has passed. They stay due until that is done.
func (w *Worker) judgeDue(ctx context.Context) error {
	due, err := w.Store.DueResources(ctx, w.Now(), dueBatch)
	if err != nil {
		return fmt.Errorf("read what is due: %w", err)
	}
	var order []string
	tasks := map[string]*judgeTask{}
	for _, ref := range due {
		key := ref.Account + "|" + ref.Type
		if tasks[key] == nil {
			order = append(order, key)
			tasks[key] = &judgeTask{Account: ref.Account, Type: ref.Type, Note: "time passed"}
		}
		tasks[key].Resources = append(tasks[key].Resources, ref.ResourceID())
	}
	var records []stream.Record
	for _, key := range order {
		t := *tasks[key]
		for part := range slices.Chunk(t.Resources, judgePageSize) {
			t.Resources = part
			r, err := encode(kindJudge, t.key(), []judgeTask{t})
			if err != nil {
				return err
			}
			records = append(records, r)
		}
	}
	if len(records) == 0 {
		return nil
	}
	if err := w.Stream.Publish(ctx, records); err != nil {
		return fmt.Errorf("have what is due judged anew: %w", err)
	}
	return nil
}

// closeAccounts resolves what is left of accounts that are no longer watched,
// for whoever removed one and was cut short.
func (w *Worker) closeAccounts(ctx context.Context) error {
	// The counts come first: an account added in between is then seen as
	// watched, and the store refuses to close what is.
	counts, err := w.Store.CountResources(ctx, store.EachAccount)
	if err != nil {
		return fmt.Errorf("count resources by account: %w", err)
	}
	if err := w.desk.reload(ctx); err != nil {
		return err
	}
	closed := map[string]bool{}
	for _, c := range counts {
		if _, watched := w.desk.account(c.Account); watched || c.Total == 0 || closed[c.Account] {
			continue
		}
		closed[c.Account] = true
		_, err := store.CloseAccount(ctx, w.Store, c.Account, w.Now(), nil)
		if errors.Is(err, qrie.ErrConflict) {
			continue // added again meanwhile
		}
		if err != nil {
			return fmt.Errorf("close account %s: %w", c.Account, err)
		}
		w.Log.Info("closed an account that is no longer watched", "account", c.Account)
	}
	return nil
}
