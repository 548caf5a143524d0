package storetest

import (
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

var lifecycleCases = []testCase{
	{"open, change, resolve, reopen", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		fail := func(summary string, severity qrie.Severity) look {
			return look{ref: ref, doc: summary, summary: summary, fails: map[string]qrie.Severity{public: severity}}
		}
		w.apply(fail("a", 90))
		opened := w.now
		w.tick(time.Minute)
		w.apply(fail("b", 90))
		w.tick(time.Minute)
		w.apply(fail("b2", 70))
		changed := w.now
		f := w.finding(ref, public)
		same(w, "first seen", f.FirstSeen, opened)
		same(w, "opened at", f.OpenedAt, opened)
		same(w, "changed at", f.ChangedAt, changed)
		same(w, "severity", f.Severity, 70)
		w.tick(time.Minute)
		w.apply(look{ref: ref, doc: "fixed", passes: []string{public}, events: []qrie.Event{{ID: "fix", Name: "DeleteBucketPolicy", Time: w.now}}})
		resolved := w.now
		f = w.finding(ref, public)
		same(w, "state", f.State, qrie.Resolved)
		same(w, "resolution", f.Resolution, qrie.ResolvedFixed)
		same(w, "resolved at", f.ResolvedAt, resolved)
		same(w, "severity kept", f.Severity, 70)
		same(w, "summary kept", f.Summary, "summary of "+public+" b2")
		same(w, "evidence kept", f.Evidence.Total, 1)
		same(w, "who fixed it", f.ResolvedCause.Events[0].ID, "fix")
		w.tick(time.Minute)
		w.apply(fail("c", 90))
		f = w.finding(ref, public)
		same(w, "state after coming back", f.State, qrie.Active)
		same(w, "first seen kept", f.FirstSeen, opened)
		same(w, "opened again at", f.OpenedAt, w.now)
		same(w, "reopened", f.Reopened, 1)
		same(w, "resolved at cleared", f.ResolvedAt, time.Time{})
		same(w, "resolution cleared", f.Resolution, qrie.Resolution(""))
		if f.ResolvedCause != nil {
			w.Errorf("resolved cause %v of an active finding", f.ResolvedCause)
		}
		var kinds []qrie.TransitionKind
		for _, t := range w.history(ref, public) {
			kinds = append(kinds, t.Kind)
		}
		same(w, "history", kinds, []qrie.TransitionKind{qrie.Opened, qrie.Changed, qrie.Changed, qrie.Closed, qrie.Reopened})
		w.reopen()
		same(w, "after reopening the store", w.finding(ref, public), f)
	}},
	{"resolving creates no row", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1", passes: []string{public}})
		_, err := w.s.Finding(w.ctx, ref.FindingID(public))
		w.want(err, qrie.ErrNotFound)
		w.tick(time.Minute)
		e := w.judge(look{ref: ref, doc: "v2", passes: []string{public}})
		id := ref.FindingID(public)
		h := e.Next.Heads[public]
		e.Transitions = []qrie.Transition{{ID: qrie.TransitionID(id, 2, h.Generation, qrie.Closed), Kind: qrie.Closed, Finding: id, Ref: ref, Policy: public,
			Resolution: qrie.ResolvedFixed, At: w.now, Generation: h.Generation, Version: 2}}
		w.ok(w.s.Apply(w.ctx, e))
		_, err = w.s.Finding(w.ctx, id)
		w.want(err, qrie.ErrNotFound)
		same(w, "history", len(w.history(ref, public)), 0)
		counts, err := w.s.CountFindings(w.ctx, "")
		w.ok(err)
		same(w, "counts", counts, nil)
	}},
	{"deletion resolves", func(w *world) {
		w.launched(public, version)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90, version: 60}})
		w.tick(time.Minute)
		w.apply(look{ref: ref})
		for _, policy := range []string{public, version} {
			f := w.finding(ref, policy)
			same(w, "state", f.State, qrie.Resolved)
			same(w, "resolution", f.Resolution, qrie.ResolvedDeleted)
		}
		counts, err := w.s.CountResources(w.ctx, "")
		w.ok(err)
		same(w, "resources", counts, nil)
		verdicts, err := w.s.CountVerdicts(w.ctx, "")
		w.ok(err)
		same(w, "verdicts", verdicts, nil)
		r, err := w.s.Resource(w.ctx, ref.ResourceID())
		w.ok(err)
		same(w, "document", len(r.Document), 0)
		v, err := w.s.ResourceVersion(w.ctx, ref.ResourceID(), 1)
		w.ok(err)
		if len(v.Document) == 0 {
			w.Error("the last document before the deletion is gone")
		}
		w.tick(time.Minute)
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		same(w, "came back", w.finding(ref, public).Reopened, 1)
		same(w, "kind", w.history(ref, public)[2].Kind, qrie.Reopened)
	}},
	{"the outbox holds each transition until it is delivered", func(w *world) {
		w.launched(public, version)
		first := w.apply(look{ref: bucket(accountA, "one"), doc: "v1", fails: map[string]qrie.Severity{public: 90, version: 60}})
		w.apply(look{ref: bucket(accountA, "two"), doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		waiting, err := w.s.Outbox(w.ctx, 2)
		w.ok(err)
		same(w, "first in the outbox", ids(waiting), ids(first.Transitions))
		same(w, "evidence", waiting[0].Evidence, first.Transitions[0].Evidence)
		w.ok(w.s.Delivered(w.ctx, append(ids(waiting), "t_unknown", "")))
		w.ok(w.s.Delivered(w.ctx, ids(waiting)))
		w.reopen()
		waiting, err = w.s.Outbox(w.ctx, 10)
		w.ok(err)
		same(w, "left in the outbox", len(waiting), 1)
		w.ok(w.s.Delivered(w.ctx, ids(waiting)))
		waiting, err = w.s.Outbox(w.ctx, 10)
		w.ok(err)
		same(w, "left at the end", len(waiting), 0)
		w.ok(w.s.Apply(w.ctx, first))
		waiting, err = w.s.Outbox(w.ctx, 10)
		w.ok(err)
		same(w, "after a repetition", len(waiting), 0)
	}},
	{"versions list newest first and in pages", func(w *world) {
		ref, other := bucket(accountA, "data"), bucket(accountA, "other")
		for i := range 7 {
			w.apply(look{ref: ref, doc: fmt.Sprint("v", i)})
			w.tick(time.Minute)
			w.apply(look{ref: ref, doc: fmt.Sprint("v", i)}) // a touch adds none
			w.tick(time.Minute)
			w.apply(look{ref: other, doc: fmt.Sprint("v", i)})
		}
		var got []int64
		p := store.PageRequest{Size: 3}
		for pages := 0; ; pages++ {
			page, err := w.s.ListVersions(w.ctx, ref.ResourceID(), p)
			w.ok(err)
			for _, v := range page.Items {
				got = append(got, v.Version)
				same(w, "document in a list", len(v.Document), 0)
			}
			if page.Next == "" {
				break
			}
			p.Token = page.Next
			_, err = w.s.ListVersions(w.ctx, other.ResourceID(), p)
			w.want(err, qrie.ErrBadToken)
			if pages > 10 {
				w.Fatal("the pages do not end")
			}
		}
		same(w, "versions", got, []int64{13, 11, 9, 7, 5, 3, 1})
		v, err := w.s.ResourceVersion(w.ctx, ref.ResourceID(), 5)
		w.ok(err)
		same(w, "document", string(v.Document), `{"Bucket":"v2"}`)
		_, err = w.s.ResourceVersion(w.ctx, ref.ResourceID(), 6)
		w.want(err, qrie.ErrNotFound)
	}},
	{"the history of a resource is bounded", func(w *world) {
		ref := bucket(accountA, "busy")
		var stored store.Resource
		for i := range store.MaxVersions + 60 {
			e := judge(look{ref: ref, doc: fmt.Sprint("v", i)}, stored, qrie.LaunchSet{}, w.tick(time.Second))
			w.ok(w.s.Apply(w.ctx, e))
			stored = e.Next
			stored.Version = e.Base + 1
		}
		n, token := 0, ""
		for {
			page, err := w.s.ListVersions(w.ctx, ref.ResourceID(), store.PageRequest{Size: store.MaxPage, Token: token})
			w.ok(err)
			n += len(page.Items)
			if token = page.Next; token == "" {
				break
			}
		}
		if n < store.MaxVersions || n > store.MaxVersions+50 {
			w.Errorf("%d versions are kept, want about %d", n, store.MaxVersions)
		}
		r, err := w.s.Resource(w.ctx, ref.ResourceID())
		w.ok(err)
		same(w, "document", string(r.Document), fmt.Sprintf(`{"Bucket":"v%d"}`, store.MaxVersions+59))
	}},
}

func ids(list []qrie.Transition) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.ID
	}
	return out
}
