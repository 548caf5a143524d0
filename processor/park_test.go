package processor

import (
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
)

func TestNextLook(t *testing.T) {
	const s = time.Second
	ages := []time.Duration{10 * s, 60 * s, 300 * s}
	event := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	m := touched{Events: []qrie.Event{{ID: "new", Time: event}, {ID: "old", Time: event.Add(-time.Hour)}}}
	for age, want := range map[time.Duration]time.Duration{-s: 11 * s, 0: 10 * s, 4 * s: 6 * s, 10 * s: 50 * s, 59 * s: s, 200 * s: 100 * s} {
		// However often was looked before: the event is what counts.
		for attempt := range 5 {
			m.Attempt = attempt
			if pause, ok := m.nextLook(event.Add(age), ages); !ok || pause != want {
				t.Errorf("%s after the event, attempt %d: next look in %s (%v), want %s", age, attempt, pause, ok, want)
			}
		}
	}
	if pause, ok := m.nextLook(event.Add(300*s), ages); ok {
		t.Errorf("five minutes after the event another look is due in %s", pause)
	}
	if _, ok := (touched{}).nextLook(event, ages); ok {
		t.Error("without an event another look is due")
	}
	// An event that claims to be of the future is as old as its record.
	m.Events[0].Time, m.Events[0].Arrived = event.Add(1000*time.Hour), event
	if pause, ok := m.nextLook(event.Add(20*s), ages); !ok || pause != 40*s {
		t.Errorf("an event of the future: next look in %s (%v), want 40s", pause, ok)
	}
	if _, ok := m.nextLook(event.Add(400*s), ages); ok {
		t.Error("an event of the future is looked for without end")
	}
}
