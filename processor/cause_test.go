package processor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

func TestCause(t *testing.T) {
	t0 := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	event := func(id string, after time.Duration) qrie.Event { return qrie.Event{ID: id, Time: t0.Add(after)} }
	stored := &store.Resource{ObservedAt: t0, ChangedAt: t0.Add(-time.Hour), Explained: []string{"earlier"}}
	f := func(name string, stored *store.Resource, events []qrie.Event, want qrie.Attribution, ids ...string) {
		t.Helper()
		got := causeOf(stored, qrie.Observation{Ref: bucketOf(shop, 1), ObservedAt: t0.Add(time.Minute)}, events, "found by a scan")
		var have []string
		for _, e := range got.Events {
			have = append(have, e.ID)
		}
		if got.Attribution != want || fmt.Sprint(have) != fmt.Sprint(ids) {
			t.Errorf("%s: got %s %v, want %s %v", name, got.Attribution, have, want, ids)
		}
		if (got.Note != "") != (want == qrie.AttributionUnknown) {
			t.Errorf("%s: note is %q", name, got.Note)
		}
		if !got.Before.Equal(t0.Add(time.Minute)) {
			t.Errorf("%s: the change lies before %s", name, got.Before)
		}
	}
	f("one event", stored, []qrie.Event{event("a", 30*time.Second)}, qrie.AttributionExact, "a")
	f("two events", stored, []qrie.Event{event("b", 40*time.Second), event("a", 30*time.Second)}, qrie.AttributionAmbiguous, "b", "a")
	f("none", stored, nil, qrie.AttributionUnknown)
	f("the event of an earlier change", stored, []qrie.Event{event("earlier", -time.Minute)}, qrie.AttributionUnknown)
	f("a copy of an earlier event beside a new one", stored, []qrie.Event{event("a", time.Second), event("earlier", -time.Minute)}, qrie.AttributionExact, "a")
	f("the event of a change that was seen too early to be seen as a whole", &store.Resource{ObservedAt: t0, ChangedAt: t0, Explained: []string{"earlier"}}, []qrie.Event{event("earlier", -time.Second)}, qrie.AttributionAmbiguous, "earlier")
	f("an event whose change was not visible yet", stored, []qrie.Event{event("slow", -5*time.Minute)}, qrie.AttributionExact, "slow")
	f("an event that an old observation must have shown", stored, []qrie.Event{event("old", -time.Hour)}, qrie.AttributionUnknown)
	begun := &store.Resource{ObservedAt: t0, Explained: []string{"began", "earlier"}, Unfinished: true, Cause: qrie.Cause{Events: []qrie.Event{{ID: "began"}}}}
	f("what AWS has finished", begun, []qrie.Event{event("began", -time.Hour)}, qrie.AttributionExact, "began")
	f("what AWS has finished, and an event of an earlier change", begun, []qrie.Event{event("began", -time.Hour), event("earlier", -2*time.Hour)}, qrie.AttributionExact, "began")
	f("what AWS has finished, or somebody meanwhile", begun, []qrie.Event{event("a", time.Second), event("began", -time.Hour)}, qrie.AttributionAmbiguous, "a", "began")
	done := &store.Resource{ObservedAt: t0, Explained: begun.Explained, Cause: begun.Cause}
	f("what had been finished before", done, []qrie.Event{event("began", -time.Hour)}, qrie.AttributionUnknown)
	f("an event before the last change", &store.Resource{ObservedAt: t0, ChangedAt: t0}, []qrie.Event{event("before", -time.Second)}, qrie.AttributionAmbiguous, "before")
	f("a new resource", nil, []qrie.Event{{ID: "create", Name: "CreateBucket", Time: t0.Add(-time.Hour)}}, qrie.AttributionExact, "create")
	f("a resource that nobody knew", nil, []qrie.Event{{ID: "tag", Name: "PutBucketTagging", Time: t0}}, qrie.AttributionAmbiguous, "tag")
}

func TestExplainIsBounded(t *testing.T) {
	var known []string
	for i := range 40 {
		known = explain(known, qrie.Cause{Events: []qrie.Event{{ID: fmt.Sprint(i)}}})
	}
	if len(known) != store.MaxExplained || known[0] != "39" {
		t.Errorf("%d ids, newest %s", len(known), known[0])
	}
	// What takes AWS long is ascribed to its event more than once.
	again := explain(known, qrie.Cause{Events: []qrie.Event{{ID: "30"}}})
	if len(again) != len(known) || again[0] != "30" || again[1] != "39" || slices.Contains(again[1:], "30") {
		t.Errorf("an event that is known: %v", again)
	}
}
