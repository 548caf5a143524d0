// Package storetest is the contract of package store as a suite: every adapter
// passes it unchanged.
package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Adapter is what the suite asks of an adapter.
type Adapter struct {
	// Open opens the store at a place, a new folder that the adapter may use
	// or take as a name. The same place again, after Close, is the same store.
	Open func(t *testing.T, place string) store.Store
	// Skew changes a stored counter behind the store's back. Without it the
	// recount is tested on counters that are right only.
	Skew func(t *testing.T, s store.Store, c store.Counter, by int64)
}

// Run runs the suite.
func Run(t *testing.T, a Adapter) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"Apply", applyCases},
		{"Lifecycle", lifecycleCases},
		{"Launches", launchCases},
		{"Counters", counterCases},
		{"Pages", pageCases},
		{"Changes", changeCases},
		{"Summaries", summaryCases},
		{"Work", workCases},
		{"Again", againCases},
		{"Small", smallCases},
		{"Exceptions", exceptionCases},
		{"Audit", auditCases},
		{"Explain", explainCases},
		{"Health", healthCases},
		{"Deliveries", deliveryCases},
		{"Retention", retentionCases},
		{"Concurrency", concurrencyCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) { c.run(newWorld(t, a)) })
			}
		})
	}
}

type testCase struct {
	name string
	run  func(w *world)
}

// world is a store under test and what a processor would know beside it.
type world struct {
	rapid.TB // where failures go
	t        *testing.T
	ctx      context.Context
	adapter  Adapter
	place    string
	s        store.Store
	now      time.Time
}

func newWorld(t *testing.T, a Adapter) *world {
	w := &world{TB: t, t: t, ctx: t.Context(), adapter: a, place: t.TempDir(), now: time.Date(2026, 3, 14, 15, 9, 26, 535, time.UTC)}
	w.s = a.Open(t, w.place)
	t.Cleanup(func() {
		if err := w.s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w
}

// reopen closes the store and opens it again.
func (w *world) reopen() {
	w.Helper()
	w.ok(w.s.Close())
	w.s = w.adapter.Open(w.t, w.place)
}

// tick moves the clock.
func (w *world) tick(d time.Duration) time.Time {
	w.now = w.now.Add(d)
	return w.now
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) want(err, target error) {
	w.Helper()
	if !errors.Is(err, target) {
		w.Fatalf("got error %v, want %v", err, target)
	}
}

// same compares; nil and empty collections are one, and so are equal moments.
func same[T any](w *world, what string, got, want T) {
	w.Helper()
	// Documents may be large: go-cmp would compare them byte by byte.
	documents := cmp.FilterValues(func(a, b json.RawMessage) bool { return len(a)+len(b) > 0 },
		cmp.Comparer(func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }))
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), documents); diff != "" {
		w.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

const (
	accountA = "111122223333"
	accountB = "444455556666"
	accountC = "777788889999"
)

func bucket(account, id string) qrie.Ref {
	return qrie.Ref{Account: account, Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: id, ARN: "arn:aws:s3:::" + id, Global: true}
}

func group(account, region, id string) qrie.Ref {
	return qrie.Ref{Account: account, Region: region, Type: "AWS::EC2::SecurityGroup", ID: id,
		ARN: "arn:aws:ec2:" + region + ":" + account + ":security-group/" + id}
}

// launched makes policies active and returns their launches.
func (w *world) launched(policies ...string) map[string]qrie.Launch {
	w.Helper()
	out := map[string]qrie.Launch{}
	for _, p := range policies {
		l, err := w.s.PutLaunch(w.ctx, qrie.Launch{Policy: p, Status: qrie.LaunchActive}, 0)
		w.ok(err)
		out[p] = l
	}
	return out
}

// look is one observation as the test wants it judged.
type look struct {
	ref     qrie.Ref
	doc     string // empty: deleted
	fails   map[string]qrie.Severity
	passes  []string
	unknown map[string]string // policy to reason
	summary string
	reread  bool
	at      time.Time // observed; zero: now
	events  []qrie.Event
}

// judge makes the evaluation of a look the way a processor does.
func (w *world) judge(l look) store.Evaluation {
	w.Helper()
	set, err := w.s.LaunchSet(w.ctx)
	w.ok(err)
	stored, err := w.s.ResourceState(w.ctx, l.ref)
	if err != nil {
		w.want(err, qrie.ErrNotFound)
		stored = store.Resource{}
	}
	return judge(l, stored, set, w.now)
}

func judge(l look, stored store.Resource, set qrie.LaunchSet, now time.Time) store.Evaluation {
	if l.at.IsZero() {
		l.at = now
	}
	cause := qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, Before: l.at}
	if len(l.events) > 0 {
		cause.Attribution, cause.Events = qrie.AttributionExact, l.events
	}
	next := store.Resource{Ref: l.ref, Name: "name of " + l.ref.ID, Tags: map[string]string{"team": "blue"}, ObservedAt: l.at, ListedAt: l.at,
		ChangedAt: l.at, FirstSeen: l.at, Deleted: l.doc == "", Hash: l.doc, Generation: set.Generation, Cause: cause}
	if l.doc != "" {
		next.Document = json.RawMessage(fmt.Sprintf(`{"Bucket":%q}`, l.doc))
	}
	e := store.Evaluation{Base: stored.Version, Reread: l.reread}
	e.Changed = !l.reread && (stored.Version == 0 || stored.Hash != next.Hash || stored.Deleted != next.Deleted)
	if stored.Version > 0 {
		next.FirstSeen = stored.FirstSeen
		if !e.Changed {
			next.ChangedAt, next.Cause = stored.ChangedAt, qrie.Cause{}
		}
	}
	next.Heads = map[string]store.Head{}
	for policy, h := range stored.Heads {
		if l.unknown[policy] != "" {
			h.Outcome, h.Reason = qrie.Unknown, l.unknown[policy]
			next.Heads[policy] = h
		}
	}
	if !next.Deleted {
		for _, policy := range l.passes {
			next.Heads[policy] = store.Head{Outcome: qrie.Pass, Generation: generationOf(set, policy)}
		}
		for policy, severity := range l.fails {
			next.Heads[policy] = store.Head{Outcome: qrie.Fail, Severity: severity, Open: true, Hash: l.summary, Generation: generationOf(set, policy)}
		}
	}
	add := func(policy string, kind qrie.TransitionKind, why qrie.Resolution, h store.Head) {
		id := l.ref.FindingID(policy)
		t := qrie.Transition{ID: qrie.TransitionID(id, stored.Version+1, h.Generation, kind), Kind: kind, Finding: id, Ref: l.ref, Name: next.Name,
			Policy: policy, Severity: h.Severity, Resolution: why, Cause: cause, At: now, Generation: h.Generation, Version: stored.Version + 1}
		if kind != qrie.Closed {
			t.Summary = "summary of " + policy + " " + l.summary
			t.Evidence = qrie.Evidence{Violations: []json.RawMessage{json.RawMessage(fmt.Sprintf(`{"key":%q}`, l.summary))}, Pointers: []string{"/Bucket"}, Total: 1}
		}
		e.Transitions = append(e.Transitions, t)
	}
	for _, policy := range slices.Sorted(maps.Keys(next.Heads)) {
		old, h := stored.Heads[policy], next.Heads[policy]
		switch {
		case h.Outcome == qrie.Unknown:
		case h.Open && !old.Open:
			add(policy, qrie.Opened, "", h)
		case h.Open && (old.Hash != h.Hash || old.Severity != h.Severity):
			add(policy, qrie.Changed, "", h)
		case old.Open && !h.Open:
			h.Severity = old.Severity
			add(policy, qrie.Closed, qrie.ResolvedFixed, h)
		}
	}
	for _, policy := range slices.Sorted(maps.Keys(stored.Heads)) {
		if _, kept := next.Heads[policy]; !kept && stored.Heads[policy].Open {
			if next.Deleted {
				add(policy, qrie.Closed, qrie.ResolvedDeleted, stored.Heads[policy])
			} else {
				next.Heads[policy] = stored.Heads[policy]
			}
		}
	}
	e.Next = next
	return e
}

func generationOf(set qrie.LaunchSet, policy string) int64 {
	for _, l := range set.Launches {
		if l.Policy == policy {
			return l.Generation
		}
	}
	return 0
}

// apply judges a look and writes it.
func (w *world) apply(l look) store.Evaluation {
	w.Helper()
	e := w.judge(l)
	w.ok(w.s.Apply(w.ctx, e))
	return e
}

// state is a resource with its cause and without its document.
func (w *world) state(ref qrie.Ref) store.Resource {
	w.Helper()
	r, err := w.s.ResourceState(w.ctx, ref)
	w.ok(err)
	whole, err := w.s.Resource(w.ctx, ref.ResourceID())
	w.ok(err)
	whole.Document = nil
	bare := whole
	bare.Cause = qrie.Cause{}
	same(w, "state", r, bare)
	return whole
}

func (w *world) finding(ref qrie.Ref, policy string) qrie.Finding {
	w.Helper()
	f, err := w.s.Finding(w.ctx, ref.FindingID(policy))
	w.ok(err)
	return f
}

// history is the transitions of a finding, oldest first.
func (w *world) history(ref qrie.Ref, policy string) []qrie.Transition {
	w.Helper()
	page, err := w.s.ListTransitions(w.ctx, ref.FindingID(policy), "", store.PageRequest{Size: store.MaxPage})
	w.ok(err)
	slices.Reverse(page.Items)
	return page.Items
}

// snapshot is everything that Apply may change, to compare before and after.
type snapshot struct {
	Resource    store.Resource
	Versions    []store.Version
	Transitions []qrie.Transition
	Outbox      []qrie.Transition
	Findings    []qrie.Finding
	Counts      []store.FindingCount
	Verdicts    []store.VerdictCount
	Resources   []store.ResourceCount
	Newest      int64
}

func (w *world) snapshot(ref qrie.Ref) (out snapshot) {
	w.Helper()
	var err error
	if out.Resource, err = w.s.Resource(w.ctx, ref.ResourceID()); err != nil {
		w.want(err, qrie.ErrNotFound)
	}
	all := store.PageRequest{Size: store.MaxPage}
	versions, err := w.s.ListVersions(w.ctx, ref.ResourceID(), all)
	w.ok(err)
	transitions, err := w.s.ListTransitions(w.ctx, "", ref.ResourceID(), all)
	w.ok(err)
	findings, err := w.s.ListFindings(w.ctx, store.FindingQuery{Resource: ref.ResourceID()}, all)
	w.ok(err)
	out.Versions, out.Transitions, out.Findings = versions.Items, transitions.Items, findings.Items
	out.Outbox, err = w.s.Outbox(w.ctx, 1000)
	w.ok(err)
	out.Counts, err = w.s.CountFindings(w.ctx, "")
	w.ok(err)
	out.Verdicts, err = w.s.CountVerdicts(w.ctx, "")
	w.ok(err)
	out.Resources, err = w.s.CountResources(w.ctx, "")
	w.ok(err)
	_, out.Newest, err = w.s.Changes(w.ctx, 0, 1)
	w.ok(err)
	return out
}

// unchanged runs f, which must fail with target and change nothing of ref.
func (w *world) unchanged(ref qrie.Ref, target error, f func() error) {
	w.Helper()
	before := w.snapshot(ref)
	w.want(f(), target)
	same(w, "after the refusal", w.snapshot(ref), before)
}
