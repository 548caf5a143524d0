package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

const (
	public  = "S3BucketPublic"
	version = "S3BucketVersioningDisabled"
	world22 = "EC2SecurityGroupOpenToWorld"
)

var applyCases = []testCase{
	{"everything is stored and read back", func(w *world) {
		g := w.launched(public)[public].Generation
		ref := bucket(accountA, "data")
		e := w.judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}, summary: "open",
			events: []qrie.Event{{ID: "e1", Name: "PutBucketPolicy", Source: "s3.amazonaws.com", Account: accountA, Region: "eu-west-1", Time: w.now.Add(-time.Second),
				Arrived: w.now, SourceIP: "192.0.2.1", Actor: qrie.Actor{Kind: qrie.ActorHuman, Name: "mira", Type: "AssumedRole", Via: "SSO", Tool: "console"}}}})
		e.Next.Tags = map[string]string{"name": "übergröße", "empty": ""}
		e.Next.Missing = []qrie.Missing{{Member: "Policy", Code: "AccessDenied", Action: "s3:GetBucketPolicy"}}
		e.Next.Ties = "0123456789abcdef"
		e.Next.Unfinished = true
		e.Next.DueAt = w.now.Add(time.Hour)
		e.Next.Explained = []string{"e1"}
		w.ok(w.s.Apply(w.ctx, e))

		want := e.Next
		want.Version = 1
		got, err := w.s.Resource(w.ctx, ref.ResourceID())
		w.ok(err)
		same(w, "resource", got, want)
		want.Document = nil
		same(w, "state", w.state(ref), want)

		tr := e.Transitions[0]
		same(w, "finding", w.finding(ref, public), qrie.Finding{ID: ref.FindingID(public), Ref: ref, Policy: public, Name: e.Next.Name, Severity: 90, State: qrie.Active,
			Summary: tr.Summary, Evidence: tr.Evidence, FirstSeen: w.now, OpenedAt: w.now, ChangedAt: w.now, Cause: tr.Cause,
			LastEvaluated: w.now, Generation: g, Version: 1})
		v, err := w.s.ResourceVersion(w.ctx, ref.ResourceID(), 1)
		w.ok(err)
		same(w, "version", v, store.Version{Resource: ref.ResourceID(), Version: 1, ObservedAt: w.now, Cause: e.Next.Cause, Document: e.Next.Document})
		w.reopen()
		same(w, "state after reopening", w.state(ref), want)
		same(w, "finding after reopening", w.finding(ref, public).Evidence, tr.Evidence)
	}},
	{"what is not stored is not found", func(w *world) {
		_, err := w.s.ResourceState(w.ctx, bucket(accountA, "none"))
		w.want(err, qrie.ErrNotFound)
		for _, id := range []string{bucket(accountA, "none").ResourceID(), "", "r_", "x", "r_0000000000000000", "r_aaaaaaaaaaaaaaa\x00", strings.Repeat("a", 5000)} {
			_, err = w.s.Resource(w.ctx, id)
			w.want(err, qrie.ErrNotFound)
			_, err = w.s.ResourceVersion(w.ctx, id, 1)
			w.want(err, qrie.ErrNotFound)
			_, err = w.s.Finding(w.ctx, id)
			w.want(err, qrie.ErrNotFound)
			for _, list := range []func() (int, string, error){
				func() (int, string, error) {
					p, err := w.s.ListVersions(w.ctx, id, store.PageRequest{})
					return len(p.Items), p.Next, err
				},
				func() (int, string, error) {
					p, err := w.s.ListFindings(w.ctx, store.FindingQuery{Resource: "r_" + id}, store.PageRequest{})
					return len(p.Items), p.Next, err
				},
			} {
				n, next, err := list()
				w.ok(err)
				same(w, "items", n, 0)
				same(w, "token", next, "")
			}
		}
	}},
	{"an older observation is stale and changes nothing", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "new"})
		for _, at := range []time.Time{w.now.Add(-time.Hour), w.now.Add(-time.Nanosecond)} {
			e := w.judge(look{ref: ref, doc: "old", fails: map[string]qrie.Severity{public: 90}, at: at})
			w.unchanged(ref, qrie.ErrStale, func() error { return w.s.Apply(w.ctx, e) })
			e.Base = 0
			w.unchanged(ref, qrie.ErrStale, func() error { return w.s.Apply(w.ctx, e) })
		}
	}},
	{"another observation of the same moment is stale", func(w *world) {
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "one"})
		e := w.judge(look{ref: ref, doc: "two"})
		w.unchanged(ref, qrie.ErrStale, func() error { return w.s.Apply(w.ctx, e) })
	}},
	{"the same one twice is a no-op", func(w *world) {
		w.launched(public, version)
		ref := bucket(accountA, "data")
		first := w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}, passes: []string{version}})
		before := w.snapshot(ref)
		w.ok(w.s.Apply(w.ctx, first))
		same(w, "after the repetition", w.snapshot(ref), before)
		again := w.judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}, passes: []string{version}})
		w.ok(w.s.Apply(w.ctx, again))
		same(w, "after the same observation judged again", w.snapshot(ref), before)

		w.tick(time.Minute)
		touch := w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}, passes: []string{version}})
		before = w.snapshot(ref)
		w.ok(w.s.Apply(w.ctx, touch))
		same(w, "after the repeated touch", w.snapshot(ref), before)
		w.reopen()
		w.ok(w.s.Apply(w.ctx, touch))
		same(w, "after reopening", w.snapshot(ref), before)
	}},
	{"a touch moves the time of observation and nothing else", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		before := w.snapshot(ref)
		w.tick(time.Minute)
		e := w.judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		e.Next.Document = nil // an unchanged document may be left out
		w.ok(w.s.Apply(w.ctx, e))
		want := before
		want.Resource.Version, want.Resource.ObservedAt, want.Resource.ListedAt = 2, w.now, w.now
		want.Findings[0].LastEvaluated = w.now
		same(w, "after the touch", w.snapshot(ref), want)
	}},
	{"heads may change without a transition", func(w *world) {
		w.launched(public, version)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		w.tick(time.Minute)
		w.apply(look{ref: ref, doc: "v1", unknown: map[string]string{public: "s3:GetBucketPolicy was denied"}, passes: []string{version}})
		same(w, "open", w.state(ref).Heads[public].Open, true)
		f := w.finding(ref, public)
		same(w, "state", f.State, qrie.Active)
		same(w, "unknown", f.Unknown, "s3:GetBucketPolicy was denied")
		verdicts, err := w.s.CountVerdicts(w.ctx, accountA)
		w.ok(err)
		same(w, "verdicts", verdicts, []store.VerdictCount{{Account: accountA, Policy: public, Outcome: qrie.Unknown, Count: 1},
			{Account: accountA, Policy: version, Outcome: qrie.Pass, Count: 1}})
		w.tick(time.Minute)
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}, passes: []string{version}})
		same(w, "unknown no more", w.finding(ref, public).Unknown, "")
		same(w, "transitions", len(w.history(ref, public)), 1)
	}},
	{"a late observation does not revive a tombstone", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "gone")
		seen := w.now
		w.apply(look{ref: ref, doc: "v1"})
		w.tick(time.Minute)
		w.apply(look{ref: ref})
		tomb := w.state(ref)
		same(w, "deleted", tomb.Deleted, true)
		same(w, "heads", tomb.Heads, nil)
		e := w.judge(look{ref: ref, doc: "v1", at: seen.Add(time.Second), fails: map[string]qrie.Severity{public: 90}})
		w.unchanged(ref, qrie.ErrStale, func() error { return w.s.Apply(w.ctx, e) })
		w.tick(time.Minute)
		w.apply(look{ref: ref, doc: "v2"})
		back := w.state(ref)
		same(w, "deleted after it was made again", back.Deleted, false)
		same(w, "version", back.Version, int64(3))
		same(w, "first seen", back.FirstSeen, seen)
	}},
	{"a tombstone of what was never stored", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "gone")
		e := w.judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		w.tick(time.Minute)
		w.apply(look{ref: ref})
		tomb := w.state(ref)
		same(w, "deleted", tomb.Deleted, true)
		same(w, "version", tomb.Version, int64(1))
		same(w, "resources", len(w.allResources(store.ResourceQuery{})), 0)
		w.unchanged(ref, qrie.ErrStale, func() error { return w.s.Apply(w.ctx, e) })
		counts, err := w.s.CountResources(w.ctx, accountA)
		w.ok(err)
		for _, c := range counts {
			same(w, "resources of "+c.Type, c.Total, int64(0))
		}
		w.tick(time.Minute)
		w.apply(look{ref: ref, doc: "v2"})
		same(w, "deleted after it was made", w.state(ref).Deleted, false)
	}},
	{"a wrong base is a conflict", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		e := w.judge(look{ref: ref, doc: "v1"})
		e.Base = 3
		w.unchanged(ref, qrie.ErrConflict, func() error { return w.s.Apply(w.ctx, e) })
		w.apply(look{ref: ref, doc: "v1"})
		w.tick(time.Minute)
		for _, base := range []int64{0, 2, 7} {
			for _, doc := range []string{"v1", "v2"} {
				e := w.judge(look{ref: ref, doc: doc})
				e.Base, e.Changed = base, base == 0 || doc == "v2"
				w.unchanged(ref, qrie.ErrConflict, func() error { return w.s.Apply(w.ctx, e) })
			}
		}
	}},
	{"a verdict of another launch generation is refused", func(w *world) {
		l := w.launched(public)[public]
		ref := bucket(accountA, "data")
		fresh := w.judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		refuse := func(e store.Evaluation) {
			w.Helper()
			w.unchanged(ref, qrie.ErrGeneration, func() error { return w.s.Apply(w.ctx, e) })
		}
		updated, err := w.s.PutLaunch(w.ctx, l, l.Generation)
		w.ok(err)
		refuse(fresh)
		future := w.judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		w.ok(w.s.Apply(w.ctx, future))
		w.tick(time.Minute)
		resolve := w.judge(look{ref: ref, doc: "v2", passes: []string{public}})
		same(w, "kind", resolve.Transitions[0].Kind, qrie.Closed)
		updated.Status = qrie.LaunchSuspended
		updated, err = w.s.PutLaunch(w.ctx, updated, updated.Generation)
		w.ok(err)
		refuse(resolve)
		resolve.Transitions[0].Generation = updated.Generation // suspended even so
		refuse(resolve)
		_, err = w.s.DeleteLaunch(w.ctx, public, updated.Generation)
		w.ok(err)
		refuse(resolve)
	}},
	{"a resource of a suspended policy may be deleted", func(w *world) {
		l := w.launched(public)[public]
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		l.Status = qrie.LaunchSuspended
		_, err := w.s.PutLaunch(w.ctx, l, l.Generation)
		w.ok(err)
		w.tick(time.Minute)
		w.apply(look{ref: ref})
		same(w, "resolution", w.finding(ref, public).Resolution, qrie.ResolvedDeleted)
	}},
	{"rereading keeps the time of observation", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1"})
		seen := w.now
		w.launched(version)
		w.tick(time.Minute)
		e := w.apply(look{ref: ref, doc: "v1", reread: true, at: seen, fails: map[string]qrie.Severity{version: 60}})
		r := w.state(ref)
		same(w, "observed at", r.ObservedAt, seen)
		same(w, "version", r.Version, int64(2))
		same(w, "generation", r.Generation, e.Next.Generation)
		same(w, "finding", w.finding(ref, version).State, qrie.Active)
		before := w.snapshot(ref)
		w.ok(w.s.Apply(w.ctx, e))
		same(w, "after the repetition", w.snapshot(ref), before)
		w.tick(time.Minute)
		stale := w.judge(look{ref: ref, doc: "v1", reread: true, at: seen, passes: []string{version}})
		w.apply(look{ref: ref, doc: "v2", fails: map[string]qrie.Severity{version: 60}})
		w.unchanged(ref, qrie.ErrConflict, func() error { return w.s.Apply(w.ctx, stale) })
	}},
	{"an evaluation that contradicts itself is refused", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		for name, spoil := range map[string]func(e *store.Evaluation){
			"no time of observation":  func(e *store.Evaluation) { e.Next.ObservedAt = time.Time{} },
			"no id":                   func(e *store.Evaluation) { e.Next.Ref.ID = "" },
			"no document":             func(e *store.Evaluation) { e.Next.Document = nil },
			"new and unchanged":       func(e *store.Evaluation) { e.Changed = false },
			"open without transition": func(e *store.Evaluation) { e.Transitions = nil },
			"transition without head": func(e *store.Evaluation) { e.Next.Heads = nil },
			"another's finding":       func(e *store.Evaluation) { e.Transitions[0].Finding = bucket(accountB, "x").FindingID(public) },
			"severity out of range":   func(e *store.Evaluation) { e.Transitions[0].Severity = 101 },
			"two of one policy":       func(e *store.Evaluation) { e.Transitions = append(e.Transitions, e.Transitions[0]) },
		} {
			e := w.judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
			spoil(&e)
			before := w.snapshot(ref)
			if w.s.Apply(w.ctx, e) == nil {
				w.Errorf("%s: accepted", name)
			}
			same(w, "after "+name, w.snapshot(ref), before)
		}
	}},
	{"large documents, many tags, odd strings", func(w *world) {
		w.launched(public)
		var b strings.Builder
		for i := range 30000 {
			fmt.Fprintf(&b, "%d:%x,", i, i*7919)
		}
		large := b.String()
		for name, ref := range map[string]qrie.Ref{
			"unicode":   bucket(accountA, "größe-日本-\u202e"),
			"quotes":    bucket(accountA, `it's "quoted" % _ \ |`),
			"long":      bucket(accountA, strings.Repeat("x", 1000)),
			"separator": bucket(accountA, "a|b\x1fc"),
		} {
			e := w.judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 0}, summary: strings.Repeat("语", 400)})
			doc, err := json.Marshal(map[string]string{"Large": large, "Half": strings.Repeat("pattern ", 1<<16)})
			w.ok(err)
			e.Next.Document = doc
			e.Next.Name = ""
			e.Next.Tags = map[string]string{}
			for i := range 50 {
				e.Next.Tags[fmt.Sprintf("%s-%d", strings.Repeat("k", 100), i)] = strings.Repeat("v", 256)
			}
			w.ok(w.s.Apply(w.ctx, e))
			got, err := w.s.Resource(w.ctx, ref.ResourceID())
			w.ok(err)
			want := e.Next
			want.Version = 1
			same(w, name, got, want)
			f := w.finding(ref, public)
			same(w, "severity zero", f.Severity, 0)
			same(w, "summary", f.Summary, e.Transitions[0].Summary)
			page, err := w.s.ListFindings(w.ctx, store.FindingQuery{Resource: ref.ResourceID(), Bands: []qrie.Band{qrie.Informational}}, store.PageRequest{})
			w.ok(err)
			same(w, "listed", len(page.Items), 1)
		}
	}},
	{"as many transitions at once as there may be", func(w *world) {
		ref := bucket(accountA, "data")
		fails := map[string]qrie.Severity{}
		for i := range store.MaxTransitions {
			p := fmt.Sprintf("S3BucketPolicy%02d", i)
			w.launched(p)
			fails[p] = qrie.Severity(i)
		}
		w.apply(look{ref: ref, doc: "v1", fails: fails})
		w.consistent()
		w.tick(time.Minute)
		w.apply(look{ref: ref})
		same(w, "transitions", len(paged(w, 7, func(p store.PageRequest) (store.Page[qrie.Transition], error) {
			return w.s.ListTransitions(w.ctx, "", ref.ResourceID(), p)
		})), 2*store.MaxTransitions)
		w.consistent()
		w.launched("OneMore")
		fails["OneMore"] = 90
		e := w.judge(look{ref: bucket(accountA, "other"), doc: "v1", fails: fails})
		if w.s.Apply(w.ctx, e) == nil {
			w.Error("one transition more was taken")
		}
	}},
	{"evidence is bounded, and its count is not", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		e := w.judge(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		full := &e.Transitions[0].Evidence
		full.Violations, full.Pointers, full.Total = nil, nil, 5000
		for i := range qrie.MaxViolations {
			full.Violations = append(full.Violations, json.RawMessage(fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("语", 400))))
			full.Pointers = append(full.Pointers, fmt.Sprint("/Statement/", i))
		}
		w.ok(w.s.Apply(w.ctx, e))
		for what, got := range map[string]qrie.Evidence{"finding": w.finding(ref, public).Evidence, "transition": w.history(ref, public)[0].Evidence} {
			n := 0
			for _, v := range got.Violations {
				n += len(v)
			}
			if n > store.MaxEvidenceBytes || n < store.MaxEvidenceBytes-2000 {
				w.Errorf("%s: %d bytes of evidence are kept", what, n)
			}
			same(w, what+": total", got.Total, 5000)
			same(w, what+": the first", string(got.Violations[0]), string(full.Violations[0]))
		}
		same(w, "the caller's own is left alone", len(full.Violations), qrie.MaxViolations)
	}},
	{"global resources are one whatever the Region", func(w *world) {
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1"})
		w.tick(time.Minute)
		moved := ref
		moved.Region = "us-west-2"
		w.apply(look{ref: moved, doc: "v2"})
		same(w, "Region", w.state(ref).Ref, moved)
		page, err := w.s.ListResources(w.ctx, store.ResourceQuery{Regions: []string{"us-west-2"}}, store.PageRequest{})
		w.ok(err)
		same(w, "listed", len(page.Items), 1)
	}},
}
