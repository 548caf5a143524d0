package qrie

import (
	"cmp"
	"slices"
	"time"
)

// Attribution says how sure a cause is.
type Attribution string

// A cause is exact when exactly one event can have made the change and named
// the resource. It is ambiguous when several can, when the one names only its
// type, or when it was made before the resource was last seen, or not known at
// all, so that what is seen now may be older or newer than it. It is unknown when
// no event was seen. It is never guessed.
const (
	AttributionExact     Attribution = "exact"
	AttributionAmbiguous Attribution = "ambiguous"
	AttributionUnknown   Attribution = "unknown"
)

// Cause is the CloudTrail event or events behind a transition.
type Cause struct {
	Attribution Attribution `json:"attribution"`
	Events      []Event     `json:"events"`          // newest first, at most MaxCauseEvents
	After       time.Time   `json:"after,omitzero"`  // the change happened after this observation
	Before      time.Time   `json:"before,omitzero"` // and not after this one
	Note        string      `json:"note,omitempty"`  // what else opened it: "policy launched", "found by scan"
}

// MaxCauseEvents bounds the events that one cause lists.
const MaxCauseEvents = 5

// With is the cause with further events that may be behind it. The order in
// which events come does not matter, and one that is told again changes
// nothing.
func (c Cause) With(events ...Event) Cause {
	with := NewestEvents(c.Events, events)
	if SameEvents(with, c.Events) {
		return c
	}
	c.Events, c.Note = with, ""
	c.Attribution = AttributionAmbiguous
	if len(c.Events) == 1 && !c.Events[0].Wide {
		c.Attribution = AttributionExact
	}
	return c
}

// Unsure is the cause of what something else may be behind as well.
func (c Cause) Unsure() Cause {
	if c.Attribution == AttributionExact {
		c.Attribution = AttributionAmbiguous
	}
	return c
}

// StaleReads is how old what AWS shows may be: most services show a change at once,
// and within seconds at the latest.
const StaleReads = 35 * time.Second

// Spans reports whether the event can have made the change: it happened between the
// observations that the change lies between, or so shortly before the first that
// this may not have shown it.
func (c Cause) Spans(e Event) bool {
	if c.Before.IsZero() {
		return false // no change of the resource was behind it
	}
	return e.MayFollow(c.After.Add(-StaleReads)) && !e.Time.After(c.Before)
}

// Lists reports whether the event is one of those behind the change.
func (c Cause) Lists(e Event) bool {
	return slices.ContainsFunc(c.Events, func(own Event) bool { return own.ID == e.ID })
}

// Explain is the cause with those of the events that happened in its span and
// that it does not list yet; false if there are none. It is for events that
// come after the change was found. told is Ambiguous for events that may be behind
// another change instead, and Exact for those that made the resource, which alone
// are sure to be behind what was seen of it first.
func (c Cause) Explain(events []Event, told Attribution) (Cause, bool) {
	var own []Event
	for _, e := range events {
		if c.Spans(e) {
			own = append(own, e)
		}
	}
	with := c.With(own...)
	if SameEvents(with.Events, c.Events) {
		return c, false
	}
	if told == AttributionAmbiguous || c.After.IsZero() && told != AttributionExact {
		with = with.Unsure()
	}
	return with, true
}

// SameEvents reports whether two lists name the same events in the same order.
func SameEvents(a, b []Event) bool {
	return slices.EqualFunc(a, b, func(x, y Event) bool { return x.ID == y.ID && x.Wide == y.Wide })
}

// NewestEvents are the newest events of several lists, each event once, at
// most MaxCauseEvents. The order of the lists does not matter. An event that
// names the resource in one of them names it.
func NewestEvents(lists ...[]Event) []Event {
	out := slices.Concat(lists...)
	slices.SortStableFunc(out, func(x, y Event) int {
		exactFirst := 0
		if x.Wide != y.Wide {
			exactFirst = -1
			if x.Wide {
				exactFirst = 1
			}
		}
		return cmp.Or(y.Time.Compare(x.Time), cmp.Compare(x.ID, y.ID), exactFirst)
	})
	out = slices.CompactFunc(out, func(x, y Event) bool { return x.ID == y.ID })
	return out[:min(len(out), MaxCauseEvents)]
}
