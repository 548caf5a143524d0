package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/qrie-sec/qrie"
)

var (
	testRef = qrie.Ref{Account: "111122223333", Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: "b", Global: true}
	noon    = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
)

func TestAdmit(t *testing.T) {
	failing := map[string]Head{"P": {Outcome: qrie.Fail, Open: true}}
	stored := Resource{Ref: testRef, Version: 3, ObservedAt: noon, Hash: "h", Heads: failing, Generation: 5}
	next := func(f func(e *Evaluation)) Evaluation {
		e := Evaluation{Base: 3, Next: stored}
		e.Next.ObservedAt = noon.Add(time.Second)
		f(&e)
		return e
	}
	for name, c := range map[string]struct {
		stored Resource
		e      Evaluation
		repeat bool
		err    error
	}{
		"newer":                      {stored, next(func(e *Evaluation) {}), false, nil},
		"first":                      {Resource{}, next(func(e *Evaluation) { e.Base = 0 }), false, nil},
		"gone":                       {Resource{}, next(func(e *Evaluation) {}), false, qrie.ErrConflict},
		"older":                      {stored, next(func(e *Evaluation) { e.Next.ObservedAt = noon.Add(-1) }), false, qrie.ErrStale},
		"older and of an old base":   {stored, next(func(e *Evaluation) { e.Next.ObservedAt, e.Base = noon.Add(-1), 1 }), false, qrie.ErrStale},
		"newer and of an old base":   {stored, next(func(e *Evaluation) { e.Base = 2 }), false, qrie.ErrConflict},
		"the stored one":             {stored, next(func(e *Evaluation) { e.Next.ObservedAt, e.Base = noon, 2 }), true, nil},
		"the stored one, read since": {stored, next(func(e *Evaluation) { e.Next.ObservedAt = noon }), true, nil},
		"same time, other document":  {stored, next(func(e *Evaluation) { e.Next.ObservedAt, e.Next.Hash = noon, "i" }), false, qrie.ErrStale},
		"same time, other heads":     {stored, next(func(e *Evaluation) { e.Next.ObservedAt, e.Next.Heads = noon, nil }), false, qrie.ErrStale},
		"same time, deleted":         {stored, next(func(e *Evaluation) { e.Next.ObservedAt, e.Next.Deleted = noon, true }), false, qrie.ErrStale},
		"reread":                     {stored, next(func(e *Evaluation) { e.Reread, e.Next.ObservedAt, e.Next.Heads = true, noon, nil }), false, nil},
		"reread for nothing":         {stored, next(func(e *Evaluation) { e.Reread, e.Next.ObservedAt = true, noon }), false, nil},
		"reread written before":      {stored, next(func(e *Evaluation) { e.Reread, e.Base = true, 2 }), true, nil},
		"reread of an old base":      {stored, next(func(e *Evaluation) { e.Reread, e.Base, e.Next.Generation = true, 2, 6 }), false, qrie.ErrConflict},
	} {
		repeat, err := Admit(c.stored, c.e)
		if repeat != c.repeat || !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, %v, want %v, %v", name, repeat, err, c.repeat, c.err)
		}
	}
}

func TestJudged(t *testing.T) {
	active := &qrie.Launch{Policy: "P", Status: qrie.LaunchActive, Generation: 4}
	suspended := &qrie.Launch{Policy: "P", Status: qrie.LaunchSuspended, Generation: 4}
	opened := qrie.Transition{Policy: "P", Kind: qrie.Opened, Generation: 4}
	closed := func(why qrie.Resolution) qrie.Transition {
		return qrie.Transition{Policy: "P", Kind: qrie.Closed, Resolution: why, Generation: 4}
	}
	old := opened
	old.Generation = 3
	for name, c := range map[string]struct {
		t      qrie.Transition
		launch *qrie.Launch
		ok     bool
	}{
		"opened":                          {opened, active, true},
		"opened, older generation":        {old, active, false},
		"opened, suspended":               {opened, suspended, false},
		"opened, not launched":            {opened, nil, false},
		"fixed":                           {closed(qrie.ResolvedFixed), active, true},
		"fixed, suspended":                {closed(qrie.ResolvedFixed), suspended, false},
		"out of scope":                    {closed(qrie.ResolvedOutOfScope), active, true},
		"out of scope, not launched":      {closed(qrie.ResolvedOutOfScope), nil, false},
		"resource deleted, suspended":     {closed(qrie.ResolvedDeleted), suspended, true},
		"resource deleted, not launched":  {closed(qrie.ResolvedDeleted), nil, true},
		"account removed, not launched":   {closed(qrie.ResolvedAccountRemoved), nil, true},
		"policy deleted":                  {closed(qrie.ResolvedPolicyDeleted), nil, true},
		"policy deleted, launched again?": {closed(qrie.ResolvedPolicyDeleted), suspended, false},
	} {
		err := Judged(c.t, c.launch)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, qrie.ErrGeneration) {
			t.Errorf("%s: got error %v, want none: %v", name, err, c.ok)
		}
	}
}

func TestApplyTransitionMendsTheKind(t *testing.T) {
	f := qrie.Finding{}
	step := func(kind, want qrie.TransitionKind) {
		t.Helper()
		tr := qrie.Transition{Kind: kind, Finding: "f", Policy: "P", At: noon, Severity: 50}
		if !ApplyTransition(&f, &tr) {
			t.Fatalf("%s: nothing was changed", kind)
		}
		if tr.Kind != want {
			t.Errorf("%s became %s, want %s", kind, tr.Kind, want)
		}
	}
	closing := qrie.Transition{Kind: qrie.Closed, Finding: "f", At: noon}
	if ApplyTransition(&f, &closing) || f.ID != "" {
		t.Error("resolving what is not there changed something")
	}
	step(qrie.Reopened, qrie.Opened)
	step(qrie.Opened, qrie.Changed)
	step(qrie.Closed, qrie.Closed)
	if again := closing; ApplyTransition(&f, &again) {
		t.Error("resolving what is resolved changed something")
	}
	step(qrie.Changed, qrie.Reopened)
	if f.Reopened != 1 || f.State != qrie.Active {
		t.Errorf("it came back %d times and is %s, want 1 and %s", f.Reopened, f.State, qrie.Active)
	}
}

// An opening seen at noon and a resolving seen half a second later: an event of
// that second may be behind either.
func TestExplainTellsOpeningFromResolving(t *testing.T) {
	at := func(id string, when time.Time) qrie.Event { return qrie.Event{ID: id, Time: when} }
	seen := noon.Add(500 * time.Millisecond)
	made, both, mended := at("made", noon.Add(-time.Minute)), at("both", noon), at("mended", noon.Add(30*time.Second))
	finding := func(opening, resolving []qrie.Event) qrie.Finding {
		return qrie.Finding{ID: "f", State: qrie.Resolved, Cause: qrie.Cause{After: noon.Add(-time.Hour), Before: seen}.With(opening...),
			ResolvedCause: new(qrie.Cause{After: seen, Before: noon.Add(time.Minute)}.With(resolving...))}
	}
	var many []qrie.Event
	for i := range qrie.MaxCauseEvents {
		many = append(many, at(string(rune('1'+i)), noon.Add(time.Duration(10+i)*time.Second)))
	}
	type events = []qrie.Event
	for name, c := range map[string]struct {
		f                  qrie.Finding
		late               events
		opening, resolving events // after
		told               events // nil: nothing changes
	}{
		"of the opening":             {finding(nil, nil), events{made}, events{made}, nil, events{made}},
		"of the resolving":           {finding(nil, nil), events{mended}, nil, events{mended}, events{mended}},
		"of either":                  {finding(nil, nil), events{both}, events{both}, events{both}, events{both}},
		"one of each":                {finding(nil, nil), events{made, mended}, events{made}, events{mended}, events{mended}},
		"of none":                    {finding(nil, nil), events{at("later", noon.Add(time.Hour))}, nil, nil, nil},
		"told again, as the opening": {finding(events{both}, nil), events{both}, events{both}, nil, nil},
		"told again, as the other":   {finding(nil, events{both}), events{both}, nil, events{both}, nil},
		"one more than are listed":   {finding(nil, many), events{both}, events{both}, qrie.NewestEvents(many), events{both}},
	} {
		tr := qrie.Transition{Kind: qrie.Explained, Finding: "f", Cause: qrie.Cause{Events: c.late}}
		f := c.f
		if changed := ApplyTransition(&f, &tr); changed != (c.told != nil) {
			t.Errorf("%s: it changed the finding: %v", name, changed)
		}
		if diff := cmp.Diff([]events{c.opening, c.resolving}, []events{f.Cause.Events, f.ResolvedCause.Events}, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: events of the opening and the resolving (-want +got):\n%s", name, diff)
		}
		if name == "of either" && (f.Cause.Attribution != qrie.AttributionAmbiguous || f.ResolvedCause.Attribution != qrie.AttributionAmbiguous) {
			t.Errorf("it is %s behind the opening and %s behind the resolving", f.Cause.Attribution, f.ResolvedCause.Attribution)
		}
		if diff := cmp.Diff(c.told, tr.Cause.Events); c.told != nil && diff != "" {
			t.Errorf("%s: events that are told (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatExplainsNeitherOpensNorCloses(t *testing.T) {
	stored := Resource{Ref: testRef, Version: 3, ObservedAt: noon, Heads: map[string]Head{"P": {Outcome: qrie.Fail, Open: true}}}
	id := testRef.FindingID("P")
	e := Evaluation{Base: 3, Next: stored, Reread: true, Explains: true,
		Transitions: []qrie.Transition{{ID: "t", Kind: qrie.Explained, Finding: id, Policy: "P", At: noon, Version: 4}}}
	if err := e.Valid(); err != nil || e.Unexplained(stored) != "" {
		t.Fatalf("refused: %v, or for %q", err, e.Unexplained(stored))
	}
	closes := e
	closes.Next.Heads = nil
	if closes.Unexplained(stored) != "P" {
		t.Error("a finding may be closed by an explanation")
	}
	older := e
	older.Transitions = []qrie.Transition{e.Transitions[0]}
	older.Transitions[0].Version = 3
	if older.Valid() == nil {
		t.Error("an explanation may take the place of another version's transition")
	}
}

func TestTallyCancelsOut(t *testing.T) {
	head := func(o qrie.Outcome) map[string]Head {
		return map[string]Head{"P": {Outcome: o, Open: o == qrie.Fail, Severity: 90}, "Q": {Outcome: qrie.Pass}}
	}
	passing := Resource{Ref: testRef, Version: 1, Heads: head(qrie.Pass)}
	failing := Resource{Ref: testRef, Version: 2, Heads: head(qrie.Fail)}
	gone := Resource{Ref: testRef, Version: 3, Deleted: true}
	all := func(c Counter, n int64) []Delta {
		total := c
		total.Account = ""
		return []Delta{{Counter: total, N: n}, {Counter: c, N: n}}
	}
	var tally Tally
	tally.Resource(passing, failing)
	want := append(all(ResourceCounter(testRef.Account, testRef.Type, true), 1),
		append(all(VerdictCounter(testRef.Account, "P", qrie.Fail), 1), all(VerdictCounter(testRef.Account, "P", qrie.Pass), -1)...)...)
	byCounter := cmpopts.SortSlices(func(a, b Delta) bool {
		return strings.Join([]string{string(a.Dimension), a.Account, a.Name, a.Part}, "|") < strings.Join([]string{string(b.Dimension), b.Account, b.Name, b.Part}, "|")
	})
	if diff := cmp.Diff(want, tally.Deltas(), byCounter); diff != "" {
		t.Errorf("pass to fail (-want +got):\n%s", diff)
	}
	tally.Resource(failing, passing)
	if got := tally.Deltas(); len(got) > 0 {
		t.Errorf("there and back leaves %v", got)
	}
	tally.Resource(Resource{}, failing)
	tally.Resource(failing, gone)
	if got := tally.Deltas(); len(got) > 0 {
		t.Errorf("from nothing to a tombstone leaves %v", got)
	}
	f := qrie.Finding{ID: "f", Ref: testRef, Policy: "P", Severity: 90, State: qrie.Active, ChangedAt: noon}
	resolved := f
	resolved.State = qrie.Resolved
	tally.Finding(qrie.Finding{}, f)
	tally.Finding(f, resolved)
	tally.Finding(resolved, qrie.Finding{})
	for _, d := range tally.Deltas() {
		if d.N != 0 {
			t.Errorf("a finding that came and went leaves %+v", d)
		}
	}
}

func TestSeverityRanges(t *testing.T) {
	for name, c := range map[string]struct {
		bands []qrie.Band
		want  []SeverityRange
	}{
		"none":         {nil, []SeverityRange{{0, 100}}},
		"all":          {qrie.Bands, []SeverityRange{{0, 100}}},
		"side by side": {[]qrie.Band{qrie.Medium, qrie.High}, []SeverityRange{{40, 89}}},
		"apart":        {[]qrie.Band{qrie.Low, qrie.Critical, qrie.High}, []SeverityRange{{70, 100}, {1, 39}}},
		"no band":      {[]qrie.Band{"grave"}, nil},
	} {
		if diff := cmp.Diff(c.want, SeverityRanges(c.bands)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestJobFinishesInAnyOrder(t *testing.T) {
	pages := []JobPage{{Page: "root", Next: []string{"a", "b"}, Items: 2}, {Page: "a", Next: []string{"a2"}, Items: 3}, {Page: "a2"}, {Page: "b", Items: 4, Failed: 1}}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 3, 0, 1}, {0, 3, 2, 1}, {1, 2, 3, 0}} {
		j := Job{}.Begin("root")
		for n, i := range order {
			j = j.Finish(pages[i], noon)
			if over := n == len(order)-1; over != (j.State == JobDone) {
				t.Errorf("in order %v the job is %s after %d of %d pages", order, j.State, n+1, len(order))
			}
		}
		want := Job{State: JobDone, Pages: 4, Done: 4, Items: 9, Failed: 1, Finished: noon}
		if diff := cmp.Diff(want, j); diff != "" {
			t.Errorf("in order %v (-want +got):\n%s", order, diff)
		}
	}
}
