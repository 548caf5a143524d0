package processor

import (
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// consistencyWindow is how long before the last observation an event may have
// happened and still be what this observation shows for the first time: the
// last look at an unchanged resource is five minutes after its event, and
// event times are whole seconds of another clock.
const consistencyWindow = 6 * time.Minute

// causeOf names what made stored become what was observed. stored is nil for
// a resource that was not known. Events that explain an earlier change, or
// that an earlier observation must have shown already, cannot be the cause, unless
// AWS was still at work then on what they had asked for.
func causeOf(stored *store.Resource, events []qrie.Event, observedAt time.Time, note string) qrie.Cause {
	cause := qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, Before: observedAt}
	if stored != nil {
		cause.After = stored.ObservedAt
	}
	var own []qrie.Event
	for _, e := range events {
		begun := stored != nil && stored.Unfinished && stored.Cause.Lists(e)
		if stored != nil && !begun && (slices.Contains(stored.Explained, e.ID) || e.Time.Before(stored.ObservedAt.Add(-consistencyWindow))) {
			continue
		}
		own = append(own, e)
	}
	if len(own) == 0 {
		cause.Note = note
	}
	return cause.With(own...)
}

// explain remembers which events a change is ascribed to.
func explain(explained []string, cause qrie.Cause) []string {
	out := make([]string, 0, len(cause.Events)+len(explained))
	for _, e := range cause.Events {
		out = append(out, e.ID)
	}
	for _, id := range explained {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out[:min(len(out), store.MaxExplained)]
}
