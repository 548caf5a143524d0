package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

var concurrencyCases = []testCase{
	{"writers on one resource win, lose or are stale", func(w *world) {
		w.launched(public, version)
		set := mustSet(w)
		ref := bucket(accountA, "hot")
		const writers, each = 8, 20
		var applied atomic.Int64
		start := w.now
		var wg sync.WaitGroup
		for n := range writers {
			wg.Go(func() {
				for i := range each {
					at := start.Add(time.Duration(i*writers+n) * time.Millisecond)
					l := look{ref: ref, doc: fmt.Sprint("v", (n+i)%3), at: at, fails: map[string]qrie.Severity{}}
					if (n+i)%2 == 0 {
						l.fails[public] = 90
					} else {
						l.passes = []string{public}
					}
					stored, err := w.s.ResourceState(w.ctx, ref)
					if err != nil && !errors.Is(err, qrie.ErrNotFound) {
						w.Error(err)
						return
					}
					err = w.s.Apply(w.ctx, judge(l, stored, set, at))
					switch {
					case err == nil:
						applied.Add(1)
					case !errors.Is(err, qrie.ErrConflict) && !errors.Is(err, qrie.ErrStale):
						w.Errorf("apply: %v", err)
					}
				}
			})
		}
		wg.Wait()
		r := w.state(ref)
		same(w, "one version an evaluation", r.Version, applied.Load())
		w.consistent()
		history := w.history(ref, public)
		open := false
		for _, t := range history {
			if (t.Kind == qrie.Closed) != open {
				w.Fatalf("%s while open is %v", t.Kind, open)
			}
			open = !open
		}
		same(w, "the head against the history", r.Heads[public].Open, open)
		drift, err := w.s.Recount(w.ctx)
		w.ok(err)
		same(w, "drift", drift, nil)
	}},
	{"writers on many resources, with a recount between", func(w *world) {
		w.launched(public)
		set := mustSet(w)
		const writers, each = 6, 30
		var wg sync.WaitGroup
		for n := range writers {
			wg.Go(func() {
				for i := range each {
					ref := bucket([]string{accountA, accountB}[n%2], fmt.Sprintf("%d-%d", n, i))
					e := judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}}, store.Resource{}, set, w.now)
					if err := w.s.Apply(w.ctx, e); err != nil {
						w.Errorf("apply: %v", err)
					}
				}
			})
		}
		for range 5 {
			drift, err := w.s.Recount(w.ctx)
			w.ok(err)
			same(w, "drift", drift, nil)
		}
		wg.Wait()
		same(w, "findings", len(w.allFindings(store.FindingQuery{})), writers*each)
		w.consistent()
	}},
	{"one of many takes a lock, one adds a job, one launches", func(w *world) {
		var locks, summaries, jobs, launches atomic.Int64
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				owner := fmt.Sprint("owner-", n)
				if _, ok, err := w.s.Lock(w.ctx, "l", owner, w.now, time.Minute); err != nil {
					w.Error(err)
				} else if ok {
					locks.Add(1)
				}
				if _, ok, err := w.s.LockSummary(w.ctx, "s", owner, w.now, time.Minute); err != nil {
					w.Error(err)
				} else if ok {
					summaries.Add(1)
				}
				if w.s.PutJob(w.ctx, store.Job{ID: "j", Kind: "policy", Started: w.now}) == nil {
					jobs.Add(1)
				}
				if _, err := w.s.PutLaunch(w.ctx, qrie.Launch{Policy: public, Status: qrie.LaunchActive}, 0); err == nil {
					launches.Add(1)
				}
			})
		}
		wg.Wait()
		same(w, "locks, summaries, jobs, launches", []int64{locks.Load(), summaries.Load(), jobs.Load(), launches.Load()}, []int64{1, 1, 1, 1})
	}},
}
