package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// late is the evaluation that explains a resource by events that come late.
func (w *world) late(ref qrie.Ref, policies []string, events ...qrie.Event) store.Evaluation {
	w.Helper()
	stored := w.state(ref)
	next := stored
	next.Cause, _ = stored.Cause.Explain(events, qrie.AttributionUnknown)
	for _, e := range events {
		next.Explained = append([]string{e.ID}, next.Explained...)
	}
	e := store.Evaluation{Base: stored.Version, Reread: true, Explains: true, Next: next}
	for _, policy := range policies {
		finding := ref.FindingID(policy)
		generation := stored.Heads[policy].Generation
		e.Transitions = append(e.Transitions, qrie.Transition{ID: qrie.TransitionID(finding, stored.Version+1, generation, qrie.Explained), Kind: qrie.Explained,
			Finding: finding, Ref: ref, Policy: policy, At: w.now, Generation: generation, Version: stored.Version + 1,
			Cause: qrie.Cause{Attribution: qrie.AttributionUnknown, Events: events}})
	}
	return e
}

// causes are the ids of the events behind the opening and the resolving.
func causes(f qrie.Finding) (opening, resolving string) {
	join := func(c *qrie.Cause) (out string) {
		if c == nil {
			return "none"
		}
		for _, e := range c.Events {
			out += e.ID + " "
		}
		return out + string(c.Attribution)
	}
	return join(&f.Cause), join(f.ResolvedCause)
}

var explainCases = []testCase{
	{"a late event tells the cause of a finding, and nothing else of it changes", func(w *world) {
		w.launched(public, version)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1", passes: []string{public, version}})
		w.tick(time.Minute)
		w.spanned(ref, "v2", w.now.Add(-time.Minute), public)
		before, r := w.finding(ref, public), w.state(ref)
		days, err := w.s.CountDays(w.ctx, "2026-01-01")
		w.ok(err)
		w.tick(time.Minute)
		who := event("who", before.Cause.Before.Add(-10*time.Second))
		w.ok(w.s.Apply(w.ctx, w.late(ref, []string{public, version}, who)))

		after := w.finding(ref, public)
		opening, _ := causes(after)
		same(w, "cause", opening, "who exact")
		after.Cause = before.Cause
		same(w, "the rest of the finding", after, before)
		h := w.history(ref, public)
		same(w, "transitions", len(h), 2)
		same(w, "newest transition", h[1].Kind, qrie.Explained)
		same(w, "its cause", h[1].Cause.Events, []qrie.Event{who})
		same(w, "its severity", h[1].Severity, before.Severity)
		same(w, "its summary", h[1].Summary, before.Summary)
		same(w, "transitions of what passes", len(w.history(ref, version)), 0)
		now := w.state(ref)
		same(w, "explained", now.Explained, []string{"who"})
		same(w, "cause of the resource", now.Cause.Events, []qrie.Event{who})
		same(w, "observed", now.ObservedAt, r.ObservedAt)
		same(w, "changed", now.ChangedAt, r.ChangedAt)
		same(w, "heads", now.Heads, r.Heads)
		versions, err := w.s.ListVersions(w.ctx, ref.ResourceID(), store.PageRequest{})
		w.ok(err)
		same(w, "cause of the newest version", versions.Items[0].Cause.Events, []qrie.Event{who})
		same(w, "cause of the version before", len(versions.Items[1].Cause.Events), 0)
		whole, err := w.s.ResourceVersion(w.ctx, ref.ResourceID(), versions.Items[0].Version)
		w.ok(err)
		same(w, "its document", string(whole.Document), `{"Bucket":"v2"}`)
		again, err := w.s.CountDays(w.ctx, "2026-01-01")
		w.ok(err)
		same(w, "days", again, days)
		waiting, err := w.s.Outbox(w.ctx, 100)
		w.ok(err)
		same(w, "last to be told", waiting[len(waiting)-1].Kind, qrie.Explained)
		w.consistent()
		w.tick(time.Minute) // the next observation is judged as ever
		w.apply(look{ref: ref, doc: "v3", passes: []string{public, version}})
		same(w, "state", w.finding(ref, public).State, qrie.Resolved)
		w.consistent()
	}},
	{"an event explains what its time lies in", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1", passes: []string{public}})
		opened := w.tick(time.Hour)
		w.spanned(ref, "v2", opened.Add(-time.Hour), public)
		resolved := w.tick(time.Hour)
		w.spanned(ref, "v3", opened)
		made, mended := event("made", opened.Add(-time.Minute)), event("mended", resolved.Add(-time.Minute))
		stranger := event("stranger", opened.Add(-3*time.Hour))
		w.ok(w.s.Apply(w.ctx, w.late(ref, []string{public}, stranger)))
		same(w, "transitions after one that explains nothing", len(w.history(ref, public)), 2)
		same(w, "but it is remembered", w.state(ref).Explained, []string{"stranger"})
		w.ok(w.s.Apply(w.ctx, w.late(ref, []string{public}, made)))
		opening, resolving := causes(w.finding(ref, public))
		same(w, "causes", []string{opening, resolving}, []string{"made exact", "unknown"})
		w.ok(w.s.Apply(w.ctx, w.late(ref, []string{public}, mended)))
		opening, resolving = causes(w.finding(ref, public))
		same(w, "causes", []string{opening, resolving}, []string{"made exact", "mended exact"})
		h := w.history(ref, public)
		same(w, "the last tells of the resolving", []qrie.Resolution{h[2].Resolution, h[3].Resolution}, []qrie.Resolution{qrie.ResolvedFixed, qrie.ResolvedFixed})
		another := event("another", opened.Add(-2*time.Minute))
		w.ok(w.s.Apply(w.ctx, w.late(ref, []string{public}, another)))
		opening, _ = causes(w.finding(ref, public))
		same(w, "with two of them", opening, "made another ambiguous")
		w.consistent()
	}},
	{"what is explained twice or on another version is refused", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		w.spanned(ref, "v1", w.now.Add(-time.Hour), public)
		e := w.late(ref, []string{public}, event("who", w.now.Add(-time.Minute)))
		w.ok(w.s.Apply(w.ctx, e))
		w.want(w.s.Apply(w.ctx, e), qrie.ErrConflict)
		same(w, "transitions", len(w.history(ref, public)), 2)
		stale := w.late(ref, []string{public}, event("other", w.now.Add(-time.Minute)))
		w.tick(time.Minute)
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		w.want(w.s.Apply(w.ctx, stale), qrie.ErrConflict)
		bad := w.late(ref, []string{public}, event("other", w.now))
		bad.Reread = false
		if w.s.Apply(w.ctx, bad) == nil {
			w.Error("an observation that explains: accepted")
		}
		bad = w.late(ref, []string{public}, event("other", w.now))
		bad.Transitions[0].Kind = qrie.Changed
		if w.s.Apply(w.ctx, bad) == nil {
			w.Error("an explanation that changes: accepted")
		}
	}},
	{"a finding of a deleted policy is explained", func(w *world) {
		l := w.launched(public)[public]
		ref := bucket(accountA, "data")
		w.spanned(ref, "v1", w.now.Add(-time.Hour), public)
		e := w.late(ref, []string{public}, event("who", w.now.Add(-time.Minute)))
		_, err := w.s.DeleteLaunch(w.ctx, public, l.Generation)
		w.ok(err)
		w.ok(w.s.Apply(w.ctx, e))
		opening, _ := causes(w.finding(ref, public))
		same(w, "cause", opening, "who exact")
	}},
	{"one of many explanations of a version wins", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		w.spanned(ref, "v1", w.now.Add(-time.Hour), public)
		e := w.late(ref, []string{public}, event("who", w.now.Add(-time.Minute)))
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if w.s.Apply(w.ctx, e) == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		same(w, "winners", won.Load(), 1)
		same(w, "transitions", len(w.history(ref, public)), 2)
		w.consistent()
	}},
}

// spanned applies a look whose cause nobody knows: the change happened after
// the time given. Without a policy that fails, public passes.
func (w *world) spanned(ref qrie.Ref, doc string, after time.Time, fails ...string) {
	w.Helper()
	l := look{ref: ref, doc: doc}
	for _, policy := range fails {
		l.fails = map[string]qrie.Severity{policy: 90}
	}
	if len(fails) == 0 {
		l.passes = []string{public}
	}
	e := w.judge(l)
	e.Next.Cause.After = after
	for i := range e.Transitions {
		e.Transitions[i].Cause.After = after
	}
	w.ok(w.s.Apply(w.ctx, e))
}
