package qrie_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func eventAt(id string, after time.Duration) qrie.Event {
	return qrie.Event{ID: id, Name: "PutBucketPolicy", Time: noon.Add(after)}
}

func TestCauseExplain(t *testing.T) {
	found := qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, After: noon.Add(500 * time.Millisecond), Before: noon.Add(time.Minute), Note: "found by a scan"}
	first := found
	first.After = time.Time{}
	wide := eventAt("a", 10*time.Second)
	wide.Wide = true
	for _, test := range []struct {
		name   string
		cause  qrie.Cause
		events []qrie.Event
		want   qrie.Attribution
		ids    string
		news   bool
	}{
		{"an event in the span", found, []qrie.Event{eventAt("a", 10*time.Second)}, qrie.AttributionExact, "a", true},
		{"the second in which the span begins", found, []qrie.Event{eventAt("a", 0)}, qrie.AttributionExact, "a", true},
		{"so shortly before that it may not have been seen", found, []qrie.Event{eventAt("a", -30*time.Second)}, qrie.AttributionExact, "a", true},
		{"before it", found, []qrie.Event{eventAt("a", -time.Minute)}, qrie.AttributionUnknown, "", false},
		{"what was not known before", first, []qrie.Event{eventAt("a", 10*time.Second)}, qrie.AttributionAmbiguous, "a", true},
		{"after it", found, []qrie.Event{eventAt("a", 61*time.Second)}, qrie.AttributionUnknown, "", false},
		{"two", found, []qrie.Event{eventAt("a", 10*time.Second), eventAt("b", 20*time.Second)}, qrie.AttributionAmbiguous, "b a", true},
		{"one that names the type only", found, []qrie.Event{wide}, qrie.AttributionAmbiguous, "a", true},
		{"and then names it", found.With(wide), []qrie.Event{eventAt("a", 10*time.Second)}, qrie.AttributionExact, "a", true},
		{"one that is known", found.With(eventAt("a", 10*time.Second)), []qrie.Event{eventAt("a", 10*time.Second)}, qrie.AttributionExact, "a", false},
		{"what no change was behind", qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}}, []qrie.Event{eventAt("a", 0)}, qrie.AttributionUnknown, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, news := test.cause.Explain(test.events, qrie.AttributionUnknown)
			ids := ""
			for i, e := range got.Events {
				if i > 0 {
					ids += " "
				}
				ids += e.ID
			}
			if got.Attribution != test.want || ids != test.ids || news != test.news {
				t.Errorf("%s by %q, news %v; want %s by %q, %v", got.Attribution, ids, news, test.want, test.ids, test.news)
			}
			if told, _ := test.cause.Explain(test.events, qrie.AttributionAmbiguous); news && told.Attribution != qrie.AttributionAmbiguous {
				t.Errorf("%s by what may be behind another change", told.Attribution)
			}
			if news && got.Note != "" {
				t.Errorf("note %q stands beside events", got.Note)
			}
		})
	}
}

// TestCauseIsASetOfEvents tells the same events in any order, some twice.
func TestCauseIsASetOfEvents(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		var events []qrie.Event
		for i := range 1 + rng.IntN(9) {
			e := eventAt(fmt.Sprint(i), time.Duration(rng.IntN(4))*time.Second)
			e.Wide = rng.IntN(3) == 0
			events = append(events, e)
		}
		tell := func() qrie.Cause {
			c := qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, Before: noon.Add(time.Hour)}
			for n := range 2 {
				for _, i := range rng.Perm(len(events)) {
					if n == 0 || rng.IntN(2) == 0 {
						c, _ = c.Explain([]qrie.Event{events[i]}, qrie.AttributionUnknown)
					}
				}
			}
			return c
		}
		if a, b := tell(), tell(); !reflect.DeepEqual(a, b) {
			t.Fatalf("seed %d: %+v\nis not\n%+v", seed, a, b)
		}
	}
}

// Who made a resource is behind what was seen of it first.
func TestCauseOfAResourceThatWasMade(t *testing.T) {
	first := qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, Before: noon.Add(time.Minute), Note: "found by a scan"}
	if got, _ := first.Explain([]qrie.Event{eventAt("a", 0)}, qrie.AttributionExact); got.Attribution != qrie.AttributionExact {
		t.Errorf("%s", got.Attribution)
	}
}
