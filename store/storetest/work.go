package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

func (w *world) due() []store.DirtyMark {
	w.Helper()
	due, err := w.s.DueDirty(w.ctx, w.now, 100)
	w.ok(err)
	return due
}

func event(id string, at time.Time) qrie.Event { return qrie.Event{ID: id, Name: "Put", Time: at} }

var workCases = []testCase{
	{"marks merge", func(w *world) {
		ref := bucket(accountA, "data")
		bare := ref
		bare.ARN = ""
		start := w.now
		var first, second []qrie.Event
		for i := range 4 {
			first = append(first, event(fmt.Sprint("e", i), start.Add(time.Duration(-i)*time.Second)))
			second = append(second, event(fmt.Sprint("e", i+2), start.Add(time.Duration(-i-2)*time.Second)))
		}
		w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: ref, Events: first, Reason: "settle", DueAt: start.Add(time.Minute), Attempts: 3, Since: start}))
		w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: bare, Events: second, Reason: "denied", DueAt: start.Add(time.Hour), Attempts: 1, Since: start.Add(time.Second)}))
		same(w, "due before its time", len(w.due()), 0)
		w.tick(time.Minute)
		w.reopen()
		due := w.due()
		same(w, "due", len(due), 1)
		got := due[0]
		if got.Revision == 0 {
			w.Error("no revision")
		}
		got.Revision = 0
		want := store.DirtyMark{Ref: ref, Reason: "denied", DueAt: start.Add(time.Minute), Attempts: 3, Since: start}
		for i := range qrie.MaxCauseEvents {
			want.Events = append(want.Events, event(fmt.Sprint("e", i), start.Add(time.Duration(-i)*time.Second)))
		}
		same(w, "merged", got, want)
		n, oldest, err := w.s.CountDirty(w.ctx)
		w.ok(err)
		same(w, "count", n, int64(1))
		same(w, "oldest", oldest, start)
	}},
	{"the later settling wins unless there is none", func(w *world) {
		at := func(minutes int) time.Time { return w.now.Add(time.Duration(minutes) * time.Minute) }
		for n, c := range []struct{ first, second, want time.Time }{
			{at(1), at(2), at(2)}, {at(2), at(1), at(2)}, {at(1), time.Time{}, time.Time{}}, {time.Time{}, at(1), time.Time{}},
		} {
			ref := bucket(accountA, fmt.Sprint(n))
			w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: ref, DueAt: w.now, Settles: c.first, Since: w.now}))
			w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: ref, DueAt: at(n), Settles: c.second, Since: w.now}))
			for _, m := range w.due() {
				if m.Ref == ref {
					same(w, "settles", m.Settles, c.want)
					same(w, "due", m.DueAt, w.now)
				}
			}
		}
		same(w, "due", len(w.due()), 4)
	}},
	{"many marks of a resource are one", func(w *world) {
		ref := bucket(accountA, "data")
		start := w.now
		revisions := map[int64]bool{}
		var want []qrie.Event
		for i := range 40 {
			e := event(fmt.Sprint("e", i), start.Add(time.Duration(i)*time.Second))
			want = append([]qrie.Event{e}, want...)
			due := start.Add(time.Minute)
			if i == 25 {
				due = start // earlier than before
			}
			w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: ref, Events: []qrie.Event{e}, Reason: "settle", DueAt: due, Attempts: i % 7, Since: start.Add(time.Duration(i) * time.Second)}))
			due = start.Add(time.Minute)
			if i >= 25 {
				due = start
			}
			got, err := w.s.DueDirty(w.ctx, due, 10)
			w.ok(err)
			same(w, "marks", len(got), 1)
			if revisions[got[0].Revision] {
				w.Fatalf("revision %d comes a second time", got[0].Revision)
			}
			revisions[got[0].Revision] = true
			got[0].Revision = 0
			same(w, "mark", got[0], store.DirtyMark{Ref: ref, Events: want[:min(len(want), qrie.MaxCauseEvents)], Reason: "settle", DueAt: due, Attempts: min(i, 6), Since: start})
		}
		n, oldest, err := w.s.CountDirty(w.ctx)
		w.ok(err)
		same(w, "count", n, int64(1))
		same(w, "oldest", oldest, start)
	}},
	{"a mark with its revision is put off", func(w *world) {
		ref := bucket(accountA, "data")
		w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: ref, DueAt: w.now, Since: w.now}))
		m := w.due()[0]
		m.DueAt, m.Attempts = w.now.Add(time.Minute), 1
		w.ok(w.s.PutDirty(w.ctx, m))
		same(w, "due at once", len(w.due()), 0)
		// The revision has changed: the same again merges and is due earlier.
		m.DueAt = w.now
		w.ok(w.s.PutDirty(w.ctx, m))
		same(w, "due", len(w.due()), 1)
		m.DueAt = w.now.Add(time.Hour)
		w.ok(w.s.PutDirty(w.ctx, m))
		same(w, "due still", len(w.due()), 1)
	}},
	{"a mark is deleted at its revision only", func(w *world) {
		ref := bucket(accountA, "data")
		w.ok(w.s.DeleteDirty(w.ctx, []store.DirtyMark{{Ref: ref, Revision: 1}}))
		w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: ref, DueAt: w.now, Since: w.now}))
		read := w.due()
		w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: ref, Events: []qrie.Event{event("new", w.now)}, DueAt: w.now, Since: w.now}))
		w.ok(w.s.DeleteDirty(w.ctx, read))
		same(w, "the event is kept", len(w.due()[0].Events), 1)
		read = w.due()
		w.ok(w.s.DeleteDirty(w.ctx, read))
		n, oldest, err := w.s.CountDirty(w.ctx)
		w.ok(err)
		same(w, "count", n, int64(0))
		same(w, "oldest", oldest, time.Time{})
		w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: ref, DueAt: w.now, Since: w.now}))
		w.ok(w.s.DeleteDirty(w.ctx, read))
		same(w, "a mark that came later", len(w.due()), 1)
	}},
	{"many marks are deleted at once, but for those that were touched", func(w *world) {
		const n = 120
		for i := range n {
			w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: bucket(accountA, fmt.Sprint(i)), DueAt: w.now, Since: w.now}))
		}
		read, err := w.s.DueDirty(w.ctx, w.now, 2*n)
		w.ok(err)
		same(w, "read", len(read), n)
		touched := map[string]bool{}
		for i := 0; i < n; i += 40 {
			m := read[i]
			m.Revision, m.Events = 0, []qrie.Event{event("new", w.now)}
			w.ok(w.s.PutDirty(w.ctx, m))
			touched[m.Ref.ID] = true
		}
		w.ok(w.s.DeleteDirty(w.ctx, read))
		left := w.due()
		same(w, "left", len(left), len(touched))
		for _, m := range left {
			same(w, "left of "+m.Ref.ID, touched[m.Ref.ID], true)
		}
		count, _, err := w.s.CountDirty(w.ctx)
		w.ok(err)
		same(w, "count", count, int64(len(touched)))
	}},
	{"due marks come earliest first", func(w *world) {
		for i := range 10 {
			w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: bucket(accountA, fmt.Sprint(i)), DueAt: w.now.Add(time.Duration(-i) * time.Minute), Since: w.now}))
		}
		due, err := w.s.DueDirty(w.ctx, w.now.Add(-3*time.Minute), 4)
		w.ok(err)
		var got []string
		for _, m := range due {
			got = append(got, m.Ref.ID)
		}
		same(w, "due", got, []string{"9", "8", "7", "6"})
	}},
	{"dead letters", func(w *world) {
		data := bytes.Repeat([]byte{0, 0xff, 'x'}, 1000)
		for i := range 7 {
			w.ok(w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: fmt.Sprint("d", i), Shard: "s", Seq: "1", Key: "k", Reason: "not JSON",
				Arrived: w.now, At: w.now.Add(time.Duration(i/2) * time.Minute), Size: 3000, Data: data}))
		}
		w.ok(w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: "d3", Reason: "another reason", At: w.now}))
		n, err := w.s.CountDeadLetters(w.ctx)
		w.ok(err)
		same(w, "count", n, int64(7))
		w.reopen()
		d, err := w.s.DeadLetter(w.ctx, "d3")
		w.ok(err)
		same(w, "letter", d, store.DeadLetter{ID: "d3", Shard: "s", Seq: "1", Key: "k", Reason: "not JSON", Arrived: w.now, At: w.now.Add(time.Minute), Size: 3000, Data: data})
		var got []string
		for _, d := range paged(w, 2, func(p store.PageRequest) (store.Page[store.DeadLetter], error) { return w.s.ListDeadLetters(w.ctx, p) }) {
			got = append(got, d.ID)
			same(w, "data in a list", len(d.Data), 0)
		}
		slices.Sort(got[1:3])
		slices.Sort(got[3:5])
		slices.Sort(got[5:])
		same(w, "listed", got, []string{"d6", "d4", "d5", "d2", "d3", "d0", "d1"})
		w.ok(w.s.DeleteDeadLetter(w.ctx, "d3"))
		w.want(w.s.DeleteDeadLetter(w.ctx, "d3"), qrie.ErrNotFound)
		_, err = w.s.DeadLetter(w.ctx, "d3")
		w.want(err, qrie.ErrNotFound)
		n, err = w.s.CountDeadLetters(w.ctx)
		w.ok(err)
		same(w, "count after deleting", n, int64(6))
		w.ok(w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: "large", At: w.now, Size: 5 << 20, Data: make([]byte, 5<<20)}))
		d, err = w.s.DeadLetter(w.ctx, "large")
		w.ok(err)
		same(w, "bytes kept", len(d.Data), store.MaxDeadLetterBytes)
		same(w, "size told", d.Size, 5<<20)
	}},
	{"pages of a job count once", func(w *world) {
		j := store.Job{ID: "j1", Kind: "inventory", Scope: "all accounts", Reason: "scheduled", Started: w.now}.Begin("p1", "p2")
		w.ok(w.s.PutJob(w.ctx, j))
		w.want(w.s.PutJob(w.ctx, j), qrie.ErrExists)
		page := store.JobPage{Page: "p1", Items: 10, Failed: 1, Next: []string{"p3"}}
		for range 3 {
			got, err := w.s.FinishPage(w.ctx, "j1", page, w.tick(time.Second))
			w.ok(err)
			want := j
			want.Pages, want.Done, want.Items, want.Failed, want.Open = 3, 1, 10, 1, got.Open
			same(w, "after the first page", got, want)
		}
		w.reopen()
		_, err := w.s.FinishPage(w.ctx, "j1", store.JobPage{Page: "p2", Items: 5}, w.now)
		w.ok(err)
		got, err := w.s.FinishPage(w.ctx, "j1", store.JobPage{Page: "p3"}, w.now)
		w.ok(err)
		want := j
		want.Pages, want.Done, want.Items, want.Failed, want.State, want.Finished, want.Open = 3, 3, 15, 1, store.JobDone, w.now, 0
		same(w, "at the end", got, want)
		read, err := w.s.Job(w.ctx, "j1")
		w.ok(err)
		same(w, "read back", read, want)
		_, err = w.s.FinishPage(w.ctx, "none", page, w.now)
		w.want(err, qrie.ErrNotFound)
		_, err = w.s.Job(w.ctx, "none")
		w.want(err, qrie.ErrNotFound)
	}},
	{"a job with a page that could not be done has failed", func(w *world) {
		w.ok(w.s.PutJob(w.ctx, store.Job{ID: "j", Kind: "policy", Started: w.now}.Begin("1", "2")))
		got, err := w.s.FinishPage(w.ctx, "j", store.JobPage{Page: "1", Error: "denied"}, w.now)
		w.ok(err)
		same(w, "running", got.State, store.JobRunning)
		got, err = w.s.FinishPage(w.ctx, "j", store.JobPage{Page: "2"}, w.now)
		w.ok(err)
		same(w, "failed", got.State, store.JobFailed)
		same(w, "error", got.Error, "denied")
	}},
	{"a job is over with its last page, in whatever order they come", func(w *world) {
		w.ok(w.s.PutJob(w.ctx, store.Job{ID: "j", Kind: "policy", Started: w.now}.Begin("1")))
		for _, page := range []store.JobPage{{Page: "3"}, {Page: "1", Next: []string{"2"}}} {
			j, err := w.s.FinishPage(w.ctx, "j", page, w.now)
			w.ok(err)
			same(w, "after page "+page.Page, j.State, store.JobRunning)
		}
		j, err := w.s.FinishPage(w.ctx, "j", store.JobPage{Page: "2", Next: []string{"3"}}, w.now)
		w.ok(err)
		same(w, "at the end", j.State, store.JobDone)
	}},
	{"a page is counted or not", func(w *world) {
		_, _, _, err := w.s.JobPage(w.ctx, "j", "1")
		w.want(err, qrie.ErrNotFound)
		w.ok(w.s.PutJob(w.ctx, store.Job{ID: "j", Kind: "policy", Started: w.now}.Begin("1", "2")))
		j, counted, decided, err := w.s.JobPage(w.ctx, "j", "1")
		w.ok(err)
		same(w, "before", counted, false)
		same(w, "the job", j.Pages, int64(2))
		same(w, "decided before", len(decided), 0)
		_, err = w.s.FinishPage(w.ctx, "j", store.JobPage{Page: "1", Decided: []byte("first")}, w.now)
		w.ok(err)
		// Who does it again may come to another end, and the first counts.
		_, err = w.s.FinishPage(w.ctx, "j", store.JobPage{Page: "1", Next: []string{"3"}, Decided: []byte("second")}, w.now)
		w.ok(err)
		w.reopen()
		j, counted, decided, err = w.s.JobPage(w.ctx, "j", "1")
		w.ok(err)
		same(w, "after", counted, true)
		same(w, "decided", string(decided), "first")
		same(w, "pages", j.Pages, int64(2))
		same(w, "pages done", j.Done, int64(1))
		_, counted, _, err = w.s.JobPage(w.ctx, "j", "2")
		w.ok(err)
		same(w, "another page", counted, false)
		if _, err := w.s.FinishPage(w.ctx, "j", store.JobPage{Page: "2", Decided: make([]byte, store.MaxDecided+1)}, w.now); err == nil {
			w.Error("more is decided than can be kept: accepted")
		}
	}},

	{"a job is cancelled while it runs, and stays so", func(w *world) {
		_, err := w.s.CancelJob(w.ctx, "j", w.now)
		w.want(err, qrie.ErrNotFound)
		w.ok(w.s.PutJob(w.ctx, store.Job{ID: "j", Kind: "policy", Started: w.now}.Begin("1", "2")))
		at := w.tick(time.Minute)
		for range 2 {
			j, err := w.s.CancelJob(w.ctx, "j", at)
			w.ok(err)
			same(w, "state", j.State, store.JobCancelled)
			same(w, "finished", j.Finished, at)
			w.tick(time.Minute)
		}
		for _, page := range []string{"1", "2"} {
			_, err = w.s.FinishPage(w.ctx, "j", store.JobPage{Page: page, Items: 3}, w.now)
			w.ok(err)
		}
		j, err := w.s.Job(w.ctx, "j")
		w.ok(err)
		same(w, "state when all pages are done", j.State, store.JobCancelled)
		same(w, "finished", j.Finished, at)
		same(w, "items", j.Items, int64(6))

		w.ok(w.s.PutJob(w.ctx, store.Job{ID: "short", Kind: "policy", Started: w.now}.Begin("1")))
		_, err = w.s.FinishPage(w.ctx, "short", store.JobPage{Page: "1"}, w.now)
		w.ok(err)
		_, err = w.s.CancelJob(w.ctx, "short", w.now)
		w.want(err, qrie.ErrConflict)
	}},

	{"jobs list newest first", func(w *world) {
		for i := range 6 {
			w.ok(w.s.PutJob(w.ctx, store.Job{ID: fmt.Sprint("j", i), Kind: []string{"inventory", "policy"}[i%2], State: store.JobRunning, Started: w.tick(time.Second)}))
		}
		list := func(kind string, limit int) (out []string) {
			jobs, err := w.s.ListJobs(w.ctx, kind, limit)
			w.ok(err)
			for _, j := range jobs {
				out = append(out, j.ID)
			}
			return out
		}
		same(w, "all", list("", 4), []string{"j5", "j4", "j3", "j2"})
		same(w, "policy", list("policy", 10), []string{"j5", "j3", "j1"})
	}},
	{"locks", func(w *world) {
		lock := func(owner string) (int64, bool) {
			fence, ok, err := w.s.Lock(w.ctx, "scheduler", owner, w.now, time.Minute)
			w.ok(err)
			return fence, ok
		}
		first, ok := lock("a")
		same(w, "taken", ok, true)
		_, ok = lock("b")
		same(w, "held", ok, false)
		w.tick(50 * time.Second)
		renewed, ok := lock("a")
		same(w, "renewed", ok, true)
		if renewed < first {
			w.Errorf("fence %d after %d", renewed, first)
		}
		w.tick(50 * time.Second)
		_, ok = lock("b")
		same(w, "held since the renewal", ok, false)
		w.reopen()
		w.tick(10 * time.Second)
		second, ok := lock("b")
		same(w, "taken after it ran out", ok, true)
		if second <= renewed {
			w.Errorf("fence %d after %d", second, renewed)
		}
		_, ok = lock("a")
		same(w, "lost", ok, false)
		_, ok, err := w.s.Lock(w.ctx, "other", "a", w.now, time.Minute)
		w.ok(err)
		same(w, "another lock", ok, true)
	}},
}
