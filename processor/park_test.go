package processor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
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
			next, ok := m.nextLook(event.Add(age), ages)
			if !ok || next.pause != want {
				t.Errorf("%s after the event, attempt %d: next look in %s (%v), want %s", age, attempt, next.pause, ok, want)
			}
			if shows := age+want > qrie.StaleReads; next.settled != shows {
				t.Errorf("a look %s after the event shows what it did: %v, want %v", age+want, next.settled, shows)
			}
		}
	}
	if next, ok := m.nextLook(event.Add(300*s), ages); ok {
		t.Errorf("five minutes after the event another look is due in %s", next.pause)
	}
	if _, ok := (touched{}).nextLook(event, ages); ok {
		t.Error("without an event another look is due")
	}
	// An event that claims to be of the future is as old as its record.
	m.Events[0].Time, m.Events[0].Arrived = event.Add(1000*time.Hour), event
	if next, ok := m.nextLook(event.Add(20*s), ages); !ok || next.pause != 40*s {
		t.Errorf("an event of the future: next look in %s (%v), want 40s", next.pause, ok)
	}
	if _, ok := m.nextLook(event.Add(400*s), ages); ok {
		t.Error("an event of the future is looked for without end")
	}
}

func TestAgesOfLaterLooks(t *testing.T) {
	const s = time.Second
	all := []time.Duration{10 * s, 60 * s, 300 * s}
	event := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	events := []qrie.Event{{ID: "e", Time: event}}
	known, told := &store.Resource{Hash: "h"}, &store.Resource{Hash: "h", Explained: []string{"e"}}
	for _, c := range []struct {
		name      string
		kind      string
		events    []qrie.Event
		stored    *store.Resource
		unchanged bool
		age       time.Duration
		want      []time.Duration
	}{
		{"nothing to be seen yet", "AWS::S3::Bucket", events, known, true, s, all},
		{"nothing to be seen after a minute", "AWS::S3::Bucket", events, known, true, 61 * s, all},
		{"changed: once when it has settled", "AWS::S3::Bucket", events, known, false, s, all[1:]},
		{"changed and settled", "AWS::S3::Bucket", events, known, false, 36 * s, nil},
		{"changed, in IAM", "AWS::IAM::User", events, known, false, 60 * s, all[2:]},
		{"new: the rest may come soon", "AWS::EC2::Instance", events, nil, false, s, all},
		{"new and settled", "AWS::EC2::Instance", events, nil, false, 36 * s, nil},
		{"new, looked at again", "AWS::EC2::Instance", events, told, true, 10 * s, all[1:]},
		{"seen by an earlier look, and settled", "AWS::EC2::Instance", events, told, true, 60 * s, nil},
		{"no event", "AWS::S3::Bucket", nil, known, false, s, nil},
	} {
		m := touched{Ref: qrie.Ref{Type: c.kind}, Events: c.events}
		if diff := cmp.Diff(c.want, m.ages(all, event.Add(c.age), c.stored, c.unchanged), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
