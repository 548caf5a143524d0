package storetest

import (
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// again applies a look that plans a further one, after so many minutes. The events are
// the cause of what it shows.
func (w *world) again(ref qrie.Ref, doc string, minutes int, events ...qrie.Event) store.Evaluation {
	w.Helper()
	w.tick(time.Second)
	e := w.judge(look{ref: ref, doc: doc, events: events})
	due := w.now.Add(time.Duration(minutes) * time.Minute)
	e.Again = &store.DirtyMark{Ref: ref, Events: events, Reason: store.ReasonSettle, DueAt: due, Settles: due, Attempts: 1, Since: w.now}
	w.ok(w.s.Apply(w.ctx, e))
	return e
}

// waiting is how many marks there are, at any time, by the counter.
func (w *world) waiting() int64 {
	w.Helper()
	n, _, err := w.s.CountDirty(w.ctx)
	w.ok(err)
	return n
}

// merged are the marks of a resource that are due, as one: a store may keep what
// PutDirty and what Apply wrote apart.
func (w *world) merged(ref qrie.Ref) (m store.DirtyMark, n int) {
	w.Helper()
	for _, d := range w.due() {
		if d.Ref.Key() != ref.Key() {
			continue
		}
		if d.Revision == 0 {
			w.Error("no revision")
		}
		d.Revision = 0
		if n++; n == 1 {
			m = d
		} else {
			m = m.Merge(d)
		}
	}
	return m, n
}

var againCases = []testCase{
	{"a further look is planned with what is written", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		for i, doc := range []string{"v1", "v1", "v2", "v2", ""} { // new, the same, changed, the same, deleted
			e := w.again(ref, doc, 1, event(fmt.Sprint("e", i), w.now))
			same(w, "waiting", w.waiting(), int64(1))
			same(w, "due before its time", len(w.due()), 0)
			w.reopen()
			w.now = e.Again.DueAt
			got, n := w.merged(ref)
			same(w, "due", n, 1)
			same(w, "mark", got, *e.Again)
			_, oldest, err := w.s.CountDirty(w.ctx)
			w.ok(err)
			same(w, "oldest", oldest, e.Again.Since)
			w.ok(w.s.DeleteDirty(w.ctx, w.due()))
			same(w, "due once it is done", len(w.due()), 0)
			same(w, "waiting once it is done", w.waiting(), int64(0))
		}
		w.consistent()
	}},
	{"planned looks merge as marks do", func(w *world) {
		ref := bucket(accountA, "data")
		start := w.now
		first := w.again(ref, "v1", 5, event("e1", start)).Again
		second := w.again(ref, "v1", 1, event("e2", start.Add(time.Second))).Again
		third := w.again(ref, "v2", 9, event("e3", start.Add(2*time.Second))).Again
		same(w, "waiting", w.waiting(), int64(1))
		w.now = second.DueAt.Add(-time.Nanosecond)
		same(w, "due early", len(w.due()), 0)
		w.now = second.DueAt
		got, n := w.merged(ref)
		same(w, "due", n, 1)
		same(w, "mark", got, first.Merge(*second).Merge(*third))
		same(w, "settles", got.Settles, third.DueAt)
		same(w, "events", len(got.Events), 3)
	}},
	{"a look that plans none leaves what is planned", func(w *world) {
		ref := bucket(accountA, "data")
		again := w.again(ref, "v1", 1, event("e1", w.now)).Again
		for _, doc := range []string{"v1", "v2", ""} {
			w.tick(time.Second)
			w.apply(look{ref: ref, doc: doc})
		}
		w.now = again.DueAt
		got, n := w.merged(ref)
		same(w, "due", n, 1)
		same(w, "mark", got, *again)
		same(w, "waiting", w.waiting(), int64(1))
	}},
	{"a planned look is deleted at its revision only, and put off", func(w *world) {
		ref := bucket(accountA, "data")
		w.again(ref, "v1", 0)
		read := w.due()
		w.again(ref, "v1", 0, event("new", w.now))
		w.ok(w.s.DeleteDirty(w.ctx, read))
		got, _ := w.merged(ref)
		same(w, "the event is kept", len(got.Events), 1)

		m := w.due()[0]
		later := m
		later.DueAt = w.now.Add(time.Minute)
		w.ok(w.s.PutDirty(w.ctx, later))
		same(w, "due at once", len(w.due()), 0)
		same(w, "waiting", w.waiting(), int64(1))
		w.now = later.DueAt
		w.ok(w.s.DeleteDirty(w.ctx, []store.DirtyMark{m}))
		same(w, "due after it was put off", len(w.due()), 1)
		// What has another revision is not replaced, and nothing of either is lost.
		m.DueAt, m.Events = w.now, []qrie.Event{event("late", w.now)}
		w.ok(w.s.PutDirty(w.ctx, m))
		got, _ = w.merged(ref)
		same(w, "events", len(got.Events), 2)

		w.ok(w.s.DeleteDirty(w.ctx, w.due()))
		same(w, "waiting in the end", w.waiting(), int64(0))
		read = []store.DirtyMark{m}
		w.again(ref, "v2", 0)
		w.ok(w.s.DeleteDirty(w.ctx, read))
		same(w, "a look that was planned later", len(w.due()), 1)
	}},
	{"a planned look and a mark that waits are both due", func(w *world) {
		ref := bucket(accountA, "data")
		w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: ref, Events: []qrie.Event{event("e1", w.now)}, Reason: "denied", DueAt: w.now, Attempts: 2, Since: w.now}))
		w.again(ref, "v1", 0, event("e2", w.now.Add(time.Second)))
		got, _ := w.merged(ref)
		same(w, "events", len(got.Events), 2)
		same(w, "attempts", got.Attempts, 2)
		w.ok(w.s.DeleteDirty(w.ctx, w.due()))
		same(w, "due in the end", len(w.due()), 0)
		same(w, "waiting in the end", w.waiting(), int64(0))
	}},
	{"what is stored already plans its look still", func(w *world) {
		ref := bucket(accountA, "data")
		e := w.judge(look{ref: ref, doc: "v1"})
		w.ok(w.s.Apply(w.ctx, e))
		e.Again = &store.DirtyMark{Ref: ref, DueAt: w.now, Since: w.now}
		w.ok(w.s.Apply(w.ctx, e))
		same(w, "due", len(w.due()), 1)
		same(w, "waiting", w.waiting(), int64(1))
		same(w, "version", w.state(ref).Version, int64(1))
		w.ok(w.s.Apply(w.ctx, e))
		same(w, "due after another time", len(w.due()), 1)
	}},
	{"what another has stored already plans its look for other events", func(w *world) {
		ref := bucket(accountA, "data")
		e := w.judge(look{ref: ref, doc: "v1", events: []qrie.Event{event("e1", w.now)}})
		w.ok(w.s.Apply(w.ctx, e))
		events := []qrie.Event{event("e2", w.now.Add(time.Second)), event("e1", w.now)}
		e.Next.Cause = e.Next.Cause.With(events...)
		e.Again = &store.DirtyMark{Ref: ref, Events: events, Reason: store.ReasonSettle, DueAt: w.now, Attempts: 1, Since: w.now}
		w.ok(w.s.Apply(w.ctx, e))
		got, _ := w.merged(ref)
		same(w, "events", got.Events, events)
	}},
	{"a further look at another resource is refused", func(w *world) {
		e := w.judge(look{ref: bucket(accountA, "data"), doc: "v1"})
		e.Again = &store.DirtyMark{Ref: bucket(accountA, "other"), DueAt: w.now, Since: w.now}
		if err := w.s.Apply(w.ctx, e); err == nil {
			w.Error("it was written")
		}
		same(w, "waiting", w.waiting(), int64(0))
	}},
	{"many looks at one resource are one in the end", func(w *world) {
		ref := bucket(accountA, "data")
		var want store.DirtyMark
		for i := range 60 {
			again := *w.again(ref, fmt.Sprint("v", i/7), 120-i%9, event(fmt.Sprintf("event-%040d", i), w.now)).Again
			if i == 0 {
				want = again
			} else {
				want = want.Merge(again)
			}
		}
		same(w, "waiting", w.waiting(), int64(1))
		w.now = want.DueAt
		got, n := w.merged(ref)
		same(w, "due", n, 1)
		same(w, "mark", got, want)
	}},
	{"planned looks and marks that wait come earliest first", func(w *world) {
		for i := range 5 {
			w.again(bucket(accountA, fmt.Sprint("planned", i)), "v", 10-2*i)
			w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: bucket(accountA, fmt.Sprint("waits", i)), DueAt: w.now.Add(time.Duration(9-2*i) * time.Minute), Since: w.now}))
		}
		w.tick(time.Hour)
		due, err := w.s.DueDirty(w.ctx, w.now, 4)
		w.ok(err)
		var got []string
		for _, m := range due {
			got = append(got, m.Ref.ID)
		}
		same(w, "due", got, []string{"waits4", "planned4", "waits3", "planned3"})
		same(w, "waiting", w.waiting(), int64(10))
	}},
	{"a tombstone that is trimmed takes its planned look along, or leaves it", func(w *world) {
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1"})
		again := w.again(ref, "", 1).Again
		w.tick(store.KeepTombstones + day)
		w.trim()
		_, err := w.s.ResourceState(w.ctx, ref)
		w.want(err, qrie.ErrNotFound)
		drift, err := w.s.Recount(w.ctx)
		w.ok(err)
		same(w, "drift", len(drift), 0)
		due := w.due()
		same(w, "waiting", w.waiting(), int64(len(due)))
		for _, m := range due {
			m.Revision = 0
			same(w, "mark", m, *again)
		}
	}},
	{"the recount counts planned looks", func(w *world) {
		ref := bucket(accountA, "data")
		w.again(ref, "v1", 1)
		w.again(ref, "v1", 1)
		w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: bucket(accountA, "other"), DueAt: w.now, Since: w.now}))
		drift, err := w.s.Recount(w.ctx)
		w.ok(err)
		same(w, "drift", len(drift), 0)
		same(w, "waiting", w.waiting(), int64(2))
	}},
}
