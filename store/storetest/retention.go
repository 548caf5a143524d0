package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

const day = 24 * time.Hour

// trim trims at the world's clock until nothing is left to trim.
func (w *world) trim() {
	w.Helper()
	for range 100 {
		n, err := w.s.Maintain(w.ctx, w.now)
		w.ok(err)
		if n == 0 {
			return
		}
	}
	w.Fatal("trimming does not end")
}

var retentionCases = []testCase{
	{"findings, transitions, versions and tombstones", func(w *world) {
		w.launched(public)
		kept, fixed, gone := bucket(accountA, "kept"), bucket(accountA, "fixed"), bucket(accountA, "gone")
		fail := map[string]qrie.Severity{public: 90}
		for _, ref := range []qrie.Ref{kept, fixed, gone} {
			w.apply(look{ref: ref, doc: "v1", fails: fail})
		}
		w.tick(day)
		w.apply(look{ref: kept, doc: "v2", fails: fail})
		w.apply(look{ref: fixed, doc: "v2", passes: []string{public}})
		w.apply(look{ref: gone})
		w.tick(store.KeepResolved - time.Hour)
		w.trim()
		w.finding(fixed, public)
		v, err := w.s.ResourceVersion(w.ctx, kept.ResourceID(), 1)
		w.ok(err)
		same(w, "version within its retention", v.Version, int64(1))

		w.tick(2 * time.Hour)
		w.trim()
		for _, ref := range []qrie.Ref{fixed, gone} {
			_, err := w.s.Finding(w.ctx, ref.FindingID(public))
			w.want(err, qrie.ErrNotFound)
		}
		same(w, "an active finding", w.finding(kept, public).State, qrie.Active)
		_, err = w.s.ResourceVersion(w.ctx, kept.ResourceID(), 1)
		w.want(err, qrie.ErrNotFound)
		r, err := w.s.Resource(w.ctx, kept.ResourceID())
		w.ok(err)
		same(w, "the present document", string(r.Document), `{"Bucket":"v2"}`)
		same(w, "a tombstone outlives its history", w.state(gone).Deleted, true)
		w.consistent()
		drift, err := w.s.Recount(w.ctx)
		w.ok(err)
		same(w, "drift", drift, nil)

		w.tick(store.KeepTombstones)
		w.trim()
		_, err = w.s.ResourceState(w.ctx, gone)
		w.want(err, qrie.ErrNotFound)
		w.state(fixed)
		_, newest, err := w.s.Changes(w.ctx, 0, 10)
		w.ok(err)
		w.apply(look{ref: gone, doc: "v9", fails: fail})
		changes, _, err := w.s.Changes(w.ctx, newest, 10)
		w.ok(err)
		same(w, "changes after trimming", len(changes), 1)
		same(w, "made anew", w.finding(gone, public).Reopened, 0)
		w.consistent()
	}},
	{"a finding that came back is not trimmed", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		fail := map[string]qrie.Severity{public: 90}
		w.apply(look{ref: ref, doc: "v1", fails: fail})
		w.tick(day)
		w.apply(look{ref: ref, doc: "v2", passes: []string{public}})
		w.tick(day)
		w.apply(look{ref: ref, doc: "v1", fails: fail})
		w.tick(store.KeepResolved + day)
		w.trim()
		same(w, "state", w.finding(ref, public).State, qrie.Active)
		w.apply(look{ref: ref, doc: "v2", passes: []string{public}})
		w.tick(store.KeepResolved - day)
		w.trim()
		same(w, "state within its retention", w.finding(ref, public).State, qrie.Resolved)
	}},
	{"a resource that came back is not trimmed", func(w *world) {
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1"})
		w.tick(day)
		w.apply(look{ref: ref})
		w.tick(day)
		w.apply(look{ref: ref, doc: "v2"})
		w.tick(day)
		w.apply(look{ref: ref})
		w.tick(store.KeepTombstones - time.Hour)
		w.trim()
		same(w, "deleted a second time", w.state(ref).Deleted, true)
		w.tick(2 * time.Hour)
		w.trim()
		_, err := w.s.ResourceState(w.ctx, ref)
		w.want(err, qrie.ErrNotFound)
	}},
	{"nothing goes before it is trimmed, and it goes from everywhere at once", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		w.tick(time.Minute)
		w.apply(look{ref: ref, doc: "v2", passes: []string{public}})
		w.tick(2 * store.KeepResolved)
		same(w, "long past its time", w.finding(ref, public).State, qrie.Resolved)
		same(w, "listed", len(w.allFindings(store.FindingQuery{})), 1)
		w.consistent()
		w.trim()
		_, err := w.s.Finding(w.ctx, ref.FindingID(public))
		w.want(err, qrie.ErrNotFound)
		for _, q := range []store.FindingQuery{{}, {Policies: []string{public}}, {Accounts: []string{accountA}}, {Resource: ref.ResourceID()}} {
			same(w, "listed", len(w.allFindings(q)), 0)
		}
		counts, err := w.s.CountFindings(w.ctx, "")
		w.ok(err)
		same(w, "counted", counts, nil)
	}},
	{"many at once", func(w *world) {
		w.launched(public)
		const n = 130
		for i := range n {
			ref := bucket(accountA, fmt.Sprint(i))
			w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
			w.tick(time.Second)
			w.apply(look{ref: ref})
		}
		w.tick(2 * store.KeepTombstones)
		w.trim()
		same(w, "resources", len(w.allResources(store.ResourceQuery{Deleted: true})), 0)
		same(w, "findings", len(w.allFindings(store.FindingQuery{})), 0)
		w.consistent()
	}},
	{"outbox, dead letters, jobs", func(w *world) {
		w.launched(public)
		w.apply(look{ref: bucket(accountA, "data"), doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		w.ok(w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: "d", At: w.now}))
		w.ok(w.s.PutJob(w.ctx, store.Job{ID: "j", Kind: "policy", Started: w.now}.Begin("1")))
		_, err := w.s.FinishPage(w.ctx, "j", store.JobPage{Page: "1"}, w.now)
		w.ok(err)
		w.tick(store.KeepOutbox - time.Hour)
		w.trim()
		left := func() (out [3]bool) {
			waiting, err := w.s.Outbox(w.ctx, 10)
			w.ok(err)
			out[0] = len(waiting) > 0
			_, err = w.s.DeadLetter(w.ctx, "d")
			out[1] = !errors.Is(err, qrie.ErrNotFound)
			_, err = w.s.Job(w.ctx, "j")
			out[2] = !errors.Is(err, qrie.ErrNotFound)
			return out
		}
		same(w, "outbox, letter, job", left(), [3]bool{true, true, true})
		w.tick(2 * time.Hour)
		w.trim()
		same(w, "after the outbox's time", left(), [3]bool{false, true, true})
		w.tick(store.KeepDeadLetters - store.KeepOutbox)
		w.trim()
		same(w, "after the letter's time", left(), [3]bool{false, false, true})
		w.tick(store.KeepJobs - store.KeepDeadLetters)
		w.trim()
		same(w, "after the job's time", left(), [3]bool{false, false, false})
		n, err := w.s.CountDeadLetters(w.ctx)
		w.ok(err)
		same(w, "letters", n, int64(0))
	}},
}
