package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

var launchCases = []testCase{
	{"put, change and delete take growing generations", func(w *world) {
		set, err := w.s.LaunchSet(w.ctx)
		w.ok(err)
		same(w, "at first", set, qrie.LaunchSet{})
		severity := qrie.Severity(0)
		l := qrie.Launch{Policy: version, Status: qrie.LaunchActive, Severity: &severity, Remediation: "do *it*",
			Scope:  qrie.Scope{IncludeAccounts: []string{accountA}, ExcludeTags: map[string][]string{"env": {"dev", ""}}},
			Params: map[string]json.RawMessage{"days": json.RawMessage("90")}, CreatedAt: w.now, UpdatedAt: w.now}
		first, err := w.s.PutLaunch(w.ctx, l, 0)
		w.ok(err)
		other, err := w.s.PutLaunch(w.ctx, qrie.Launch{Policy: public, Status: qrie.LaunchActive}, 0)
		w.ok(err)
		if first.Generation <= 0 || other.Generation <= first.Generation {
			w.Fatalf("generations %d and %d do not grow", first.Generation, other.Generation)
		}
		set, err = w.s.LaunchSet(w.ctx)
		w.ok(err)
		same(w, "launch set", set, qrie.LaunchSet{Generation: other.Generation, Launches: []qrie.Launch{other, first}})

		first.Status = qrie.LaunchSuspended
		second, err := w.s.PutLaunch(w.ctx, first, first.Generation)
		w.ok(err)
		deleted, err := w.s.DeleteLaunch(w.ctx, version, second.Generation)
		w.ok(err)
		if second.Generation <= other.Generation || deleted <= second.Generation {
			w.Fatalf("generations %d, %d, %d do not grow", other.Generation, second.Generation, deleted)
		}
		w.reopen()
		set, err = w.s.LaunchSet(w.ctx)
		w.ok(err)
		same(w, "after the deletion", set, qrie.LaunchSet{Generation: deleted, Launches: []qrie.Launch{other}})
	}},
	{"conditions", func(w *world) {
		l := w.launched(public)[public]
		_, err := w.s.PutLaunch(w.ctx, l, 0)
		w.want(err, qrie.ErrExists)
		_, err = w.s.PutLaunch(w.ctx, l, l.Generation+1)
		w.want(err, qrie.ErrConflict)
		_, err = w.s.PutLaunch(w.ctx, qrie.Launch{Policy: version}, 1)
		w.want(err, qrie.ErrNotFound)
		_, err = w.s.DeleteLaunch(w.ctx, version, 1)
		w.want(err, qrie.ErrNotFound)
		_, err = w.s.DeleteLaunch(w.ctx, public, l.Generation+1)
		w.want(err, qrie.ErrConflict)
		set, err := w.s.LaunchSet(w.ctx)
		w.ok(err)
		same(w, "unchanged", set, qrie.LaunchSet{Generation: l.Generation, Launches: []qrie.Launch{l}})
	}},
	{"findings of a deleted policy are closed in chunks", func(w *world) {
		ls := w.launched(public, version)
		const n = 70
		for i := range n {
			w.apply(look{ref: bucket(accountA, fmt.Sprintf("b%02d", i)), doc: "v1", fails: map[string]qrie.Severity{public: 90, version: 60}})
		}
		_, err := w.s.CloseFindings(w.ctx, public, qrie.ResolvedPolicyDeleted, w.now, 10)
		w.want(err, qrie.ErrConflict)
		ref := bucket(accountA, "b00")
		late := w.judge(look{ref: ref, doc: "v2", fails: map[string]qrie.Severity{public: 90, version: 60}, at: w.now.Add(time.Hour)})
		_, err = w.s.DeleteLaunch(w.ctx, public, ls[public].Generation)
		w.ok(err)
		w.tick(time.Minute)
		closed, err := w.s.CloseFindings(w.ctx, public, qrie.ResolvedPolicyDeleted, w.now, 40)
		w.ok(err)
		same(w, "closed first", closed, 40)
		w.consistent()
		closed, err = w.s.CloseFindings(w.ctx, public, qrie.ResolvedPolicyDeleted, w.now, 40)
		w.ok(err)
		same(w, "closed then", closed, n-40)
		closed, err = w.s.CloseFindings(w.ctx, public, qrie.ResolvedPolicyDeleted, w.now, 40)
		w.ok(err)
		same(w, "closed at last", closed, 0)
		for i := range n {
			ref := bucket(accountA, fmt.Sprintf("b%02d", i))
			f := w.finding(ref, public)
			same(w, "state", f.State, qrie.Resolved)
			same(w, "resolution", f.Resolution, qrie.ResolvedPolicyDeleted)
			same(w, "resolved at", f.ResolvedAt, w.now)
			same(w, "the other policy", w.finding(ref, version).State, qrie.Active)
			r := w.state(ref)
			same(w, "version", r.Version, int64(2))
			if _, ok := r.Heads[public]; ok {
				w.Fatalf("%s remembers the deleted policy", ref)
			}
			h := w.history(ref, public)
			same(w, "history", []qrie.TransitionKind{h[0].Kind, h[len(h)-1].Kind}, []qrie.TransitionKind{qrie.Opened, qrie.Closed})
			same(w, "length of the history", len(h), 2)
		}
		w.consistent()
		w.unchanged(ref, qrie.ErrConflict, func() error { return w.s.Apply(w.ctx, late) })
		waiting, err := w.s.Outbox(w.ctx, 1000)
		w.ok(err)
		same(w, "outbox", len(waiting), 3*n)

		again := w.launched(public)[public]
		w.tick(time.Minute)
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90, version: 60}})
		f := w.finding(ref, public)
		same(w, "state after launching again", f.State, qrie.Active)
		same(w, "generation", f.Generation, again.Generation)
		same(w, "reopened", f.Reopened, 1)
		w.consistent()
	}},
	{"closing findings of a policy that never was", func(w *world) {
		closed, err := w.s.CloseFindings(w.ctx, "Nothing", qrie.ResolvedPolicyDeleted, w.now, 10)
		w.ok(err)
		same(w, "closed", closed, 0)
	}},
	{"one policy over several types", func(w *world) {
		l := w.launched("Tagged")["Tagged"]
		w.apply(look{ref: bucket(accountA, "b"), doc: "v1", fails: map[string]qrie.Severity{"Tagged": 30}})
		w.apply(look{ref: group(accountA, "eu-west-1", "sg-1"), doc: "v1", fails: map[string]qrie.Severity{"Tagged": 30}})
		page, err := w.s.ListFindings(w.ctx, store.FindingQuery{Policies: []string{"Tagged"}}, store.PageRequest{})
		w.ok(err)
		same(w, "listed", len(page.Items), 2)
		page, err = w.s.ListFindings(w.ctx, store.FindingQuery{Policies: []string{"Tagged"}, Services: []string{"ec2"}}, store.PageRequest{})
		w.ok(err)
		same(w, "listed of ec2", len(page.Items), 1)
		_, err = w.s.DeleteLaunch(w.ctx, "Tagged", l.Generation)
		w.ok(err)
		closed, err := w.s.CloseFindings(w.ctx, "Tagged", qrie.ResolvedPolicyDeleted, w.now, 10)
		w.ok(err)
		same(w, "closed", closed, 2)
	}},
	{"purging forgets what is resolved, of a policy that is not launched", func(w *world) {
		l := w.launched(public, version)[public]
		const n = 30
		for i := range n {
			w.apply(look{ref: bucket(accountA, fmt.Sprintf("b%02d", i)), doc: "v1", fails: map[string]qrie.Severity{public: 90, version: 60}})
		}
		_, err := w.s.PurgeFindings(w.ctx, public, 10)
		w.want(err, qrie.ErrConflict)
		_, err = w.s.DeleteLaunch(w.ctx, public, l.Generation)
		w.ok(err)
		purged, err := w.s.PurgeFindings(w.ctx, public, 10)
		w.ok(err)
		same(w, "purged while they are active", purged, 0)
		w.tick(time.Minute)
		_, err = w.s.CloseFindings(w.ctx, public, qrie.ResolvedPolicyDeleted, w.now, 20)
		w.ok(err)
		purged, err = w.s.PurgeFindings(w.ctx, public, 15)
		w.ok(err)
		same(w, "purged first", purged, 15)
		w.consistent()
		purged, err = w.s.PurgeFindings(w.ctx, public, 15)
		w.ok(err)
		same(w, "purged then", purged, 5)
		w.consistent()
		page, err := w.s.ListFindings(w.ctx, store.FindingQuery{Policies: []string{public}}, store.PageRequest{})
		w.ok(err)
		same(w, "left", len(page.Items), n-20)
		_, err = w.s.CloseFindings(w.ctx, public, qrie.ResolvedPolicyDeleted, w.now, 20)
		w.ok(err)
		w.launched(public)
		_, err = w.s.PurgeFindings(w.ctx, public, 15)
		w.want(err, qrie.ErrConflict)
		w.tick(time.Minute)
		ref := bucket(accountA, "b00")
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90, version: 60}})
		same(w, "it may come back", w.finding(ref, public).State, qrie.Active)
		same(w, "the other policy", w.finding(ref, version).State, qrie.Active)
		w.consistent()
	}},
	{"closing an account", func(w *world) {
		w.launched(public, version)
		w.ok(w.s.PutAccount(w.ctx, qrie.Account{ID: accountA}))
		const n = 12
		for i := range n {
			w.apply(look{ref: bucket(accountA, fmt.Sprintf("b%02d", i)), doc: "v1", fails: map[string]qrie.Severity{public: 90, version: 60}})
		}
		w.apply(look{ref: bucket(accountB, "other"), doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		_, err := store.CloseAccount(w.ctx, w.s, accountA, w.now, nil)
		w.want(err, qrie.ErrConflict)
		w.ok(w.s.DeleteAccount(w.ctx, accountA))
		w.tick(time.Minute)
		told, removed := 0, w.now.Add(10*time.Minute) // by a clock that is ahead of that of AWS
		closed, err := store.CloseAccount(w.ctx, w.s, accountA, removed, func(n int) { told = n })
		w.ok(err)
		same(w, "closed", closed, n)
		same(w, "told", told, n)
		w.consistent()
		ref := bucket(accountA, "b00")
		f := w.finding(ref, public)
		same(w, "resolution", f.Resolution, qrie.ResolvedAccountRemoved)
		same(w, "resolved at", f.ResolvedAt, removed)
		same(w, "a tombstone", w.state(ref).Deleted, true)
		same(w, "changed at", w.state(ref).ChangedAt, removed)
		history, err := w.s.ListVersions(w.ctx, ref.ResourceID(), store.PageRequest{})
		w.ok(err)
		same(w, "in the history", history.Items[0].ObservedAt, removed)
		same(w, "the other account", w.finding(bucket(accountB, "other"), public).State, qrie.Active)
		counts, err := w.s.CountResources(w.ctx, accountA)
		w.ok(err)
		for _, c := range counts {
			same(w, "resources of "+c.Type, c.Total, int64(0))
		}
		w.tick(time.Minute) // it is watched again
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90, version: 60}})
		same(w, "seen again", w.finding(ref, public).State, qrie.Active)
		w.consistent()
	}},
}
