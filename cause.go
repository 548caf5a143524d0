package qrie

import (
	"cmp"
	"slices"
	"time"
)

// Attribution says how sure a cause is.
type Attribution string

// A cause is exact when exactly one event can have made the change and named
// the resource, ambiguous when several can or the one names only its type,
// unknown when none was seen. It is never guessed.
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
	if len(events) == 0 {
		return c
	}
	c.Events, c.Note = NewestEvents(c.Events, events), ""
	c.Attribution = AttributionAmbiguous
	if len(c.Events) == 1 && !c.Events[0].Wide {
		c.Attribution = AttributionExact
	}
	return c
}

// Spans reports whether the event happened between the observations that the
// change lies between. Event times are whole seconds, cut off.
func (c Cause) Spans(e Event) bool {
	if c.Before.IsZero() {
		return false // no change of the resource was behind it
	}
	return e.Time.Add(time.Second).After(c.After) && !e.Time.After(c.Before)
}

// Lists reports whether the event is one of those behind the change.
func (c Cause) Lists(e Event) bool {
	return slices.ContainsFunc(c.Events, func(own Event) bool { return own.ID == e.ID })
}

// Explain is the cause with those of the events that happened in its span and
// that it does not list yet; false if there are none. It is for events that
// come after the change was found.
func (c Cause) Explain(events []Event) (Cause, bool) {
	var own []Event
	for _, e := range events {
		if c.Spans(e) {
			own = append(own, e)
		}
	}
	with := c.With(own...)
	return with, !slices.EqualFunc(with.Events, c.Events, func(x, y Event) bool { return x.ID == y.ID && x.Wide == y.Wide })
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
