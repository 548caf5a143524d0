package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

var changeCases = []testCase{
	{"changes are ascending and without evidence", func(w *world) {
		changes, newest, err := w.s.Changes(w.ctx, 0, 10)
		w.ok(err)
		same(w, "at first", len(changes), 0)
		same(w, "newest at first", newest, int64(0))
		w.launched(public)
		for i := range 5 {
			w.apply(look{ref: bucket(accountA, fmt.Sprint(i)), doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		}
		changes, newest, err = w.s.Changes(w.ctx, 0, 3)
		w.ok(err)
		same(w, "limited", len(changes), 3)
		rest, _, err := w.s.Changes(w.ctx, changes[2].Seq, 100)
		w.ok(err)
		same(w, "rest", len(rest), 2)
		same(w, "newest", newest, rest[1].Seq)
		all := slices.Concat(changes, rest)
		for i, t := range all {
			same(w, "evidence", t.Evidence, qrie.Evidence{})
			if i > 0 && t.Seq <= all[i-1].Seq {
				w.Fatalf("seq %d after %d", t.Seq, all[i-1].Seq)
			}
		}
		none, newest, err := w.s.Changes(w.ctx, newest, 100)
		w.ok(err)
		same(w, "after the newest", len(none), 0)
		same(w, "newest still", newest, rest[1].Seq)
		w.reopen()
		_, again, err := w.s.Changes(w.ctx, 0, 1)
		w.ok(err)
		same(w, "newest after reopening", again, newest)
	}},
	{"a reader that polls while writers commit misses nothing", func(w *world) {
		w.launched(public)
		const writers, each = 6, 25
		var wg sync.WaitGroup
		for n := range writers {
			wg.Go(func() {
				for i := range each {
					ref := bucket(accountA, fmt.Sprintf("%d-%d", n, i))
					e := judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}}, store.Resource{}, mustSet(w), w.now)
					if err := w.s.Apply(w.ctx, e); err != nil {
						w.Errorf("apply: %v", err)
					}
				}
			})
		}
		seen := map[string]bool{}
		var after int64
		deadline := time.Now().Add(20 * time.Second)
		for len(seen) < writers*each && time.Now().Before(deadline) {
			changes, _, err := w.s.Changes(w.ctx, after, 7)
			w.ok(err)
			for _, t := range changes {
				if t.Seq <= after || seen[t.ID] {
					w.Fatalf("transition %s with seq %d after %d", t.ID, t.Seq, after)
				}
				seen[t.ID], after = true, t.Seq
			}
		}
		wg.Wait()
		same(w, "transitions seen", len(seen), writers*each)
	}},
	{"transitions list by finding and by resource, in pages", func(w *world) {
		w.launched(public, version)
		ref := bucket(accountA, "data")
		for i := range 5 {
			w.tick(time.Minute)
			w.apply(look{ref: ref, doc: fmt.Sprint("v", i), summary: fmt.Sprint(i), fails: map[string]qrie.Severity{public: 90, version: 60}})
			w.apply(look{ref: bucket(accountA, "other"), doc: fmt.Sprint("v", i), summary: fmt.Sprint(i), fails: map[string]qrie.Severity{public: 90}})
		}
		list := func(finding, resource string) []qrie.Transition {
			return paged(w, 3, func(p store.PageRequest) (store.Page[qrie.Transition], error) {
				return w.s.ListTransitions(w.ctx, finding, resource, p)
			})
		}
		of := list(ref.FindingID(public), "")
		same(w, "of the finding", len(of), 5)
		same(w, "newest first", of[0].Summary, "summary of "+public+" 4")
		same(w, "evidence", string(of[0].Evidence.Violations[0]), `{"key":"4"}`)
		same(w, "of the resource", len(list("", ref.ResourceID())), 10)
		_, err := w.s.ListTransitions(w.ctx, "", "", store.PageRequest{})
		if err == nil {
			w.Error("transitions of nothing were listed")
		}
		_, err = w.s.ListTransitions(w.ctx, of[0].Finding, ref.ResourceID(), store.PageRequest{})
		if err == nil {
			w.Error("transitions of both were listed")
		}
	}},
}

func mustSet(w *world) qrie.LaunchSet {
	set, err := w.s.LaunchSet(w.ctx)
	if err != nil {
		w.Error(err)
	}
	return set
}
