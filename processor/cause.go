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
// a resource that was not known. Events that an earlier observation must have
// shown already cannot be the cause, unless AWS was still at work then on what they
// had asked for. One that explains an earlier change can if that was observed before
// AWS's reads had settled, but never for sure.
func causeOf(stored *store.Resource, obs qrie.Observation, events []qrie.Event, note string) qrie.Cause {
	cause := qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, Before: obs.Shows()}
	if stored != nil {
		cause.After = stored.ObservedAt
	}
	var own []qrie.Event
	for _, e := range events {
		if stored == nil || begun(stored, e) || stored.ObservedAt.Before(e.Time.Add(shownWithin(stored, e))) {
			own = append(own, e)
		}
	}
	if len(own) == 0 {
		cause.Note = note
	}
	cause = cause.With(own...)
	if len(own) == 1 && !sure(stored, obs, own[0]) {
		cause = cause.Unsure()
	}
	return cause
}

// sure reports whether an event, if it is the only one known, must be behind a
// change: it came after the last change that was seen, or began what AWS has
// finished, or made the resource, which is there.
func sure(stored *store.Resource, obs qrie.Observation, e qrie.Event) bool {
	if stored == nil {
		return !obs.Deleted && creates(obs.Ref, []qrie.Event{e})
	}
	return e.MayFollow(stored.ChangedAt) || begun(stored, e)
}

// begun reports whether AWS was still at work on what an event had asked for.
func begun(stored *store.Resource, e qrie.Event) bool {
	return stored.Unfinished && stored.Cause.Lists(e)
}

// shownWithin is how long after an event an observation may not show yet what it
// did.
func shownWithin(stored *store.Resource, e qrie.Event) time.Duration {
	if slices.Contains(stored.Explained, e.ID) {
		return settleOf(stored.Ref)
	}
	return consistencyWindow
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
