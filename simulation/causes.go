package simulation

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sim"
)

// makers tells which changes of the world opened and closed which findings.
type makers struct {
	mu             sync.Mutex
	opened, closed map[string][]maker // by the id of the finding
}

// maker is a change: when it was made, and the ids of its events.
type maker struct {
	at     time.Time
	events []string
}

// note remembers a change by the findings before and after it.
func (m *makers) note(before, after map[string]bool, at time.Time, events ...[]byte) {
	made := maker{at: at}
	for _, e := range events {
		made.events = append(made.events, gjson.GetBytes(e, "detail.eventID").Str)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range after {
		if !before[id] {
			m.opened[id] = append(m.opened[id], made)
		}
	}
	for id := range before {
		if !after[id] {
			m.closed[id] = append(m.closed[id], made)
		}
	}
}

// happen lets something happen in the world, whose events arrive.
func (r *run) happen(act func() []sim.Delivery) {
	before := r.failing()
	list := act()
	var events [][]byte
	for _, d := range list {
		events = append(events, d.Data)
	}
	r.makers.note(before, r.failing(), r.now(), events...)
	r.bring(list)
}

// change lets a person make a change of one call.
func (r *run) change(id, arn string, publish sim.Publish) (sim.Applied, error) {
	before := r.failing()
	return r.world.Change(r.ctx, id, arn, func(ctx context.Context, account string, data []byte) error {
		r.makers.note(before, r.failing(), r.now(), data)
		return publish(ctx, account, data)
	})
}

// failing are the findings that the world must have, whoever can see them.
func (r *run) failing() map[string]bool {
	out := map[string]bool{}
	for _, e := range r.world.ExpectAll() {
		out[e.Ref.FindingID(e.Policy)] = true
	}
	return out
}

// judgeCauses sees to it that a cause is never said to be exact and is another: the
// one event that is named is of the change that opened or closed the finding in the
// world. Nobody can know where events were lost, or where AWS showed what was no
// longer so.
func (r *run) judgeCauses(found []qrie.Finding) {
	if r.blind || r.plan.world.Stale > 0 {
		return
	}
	for _, f := range found {
		name := f.Policy + " on " + f.Ref.Key()
		switch f.Resolution {
		case qrie.ResolvedFixed, qrie.ResolvedDeleted:
			r.judgeCause("resolving of "+name, *f.ResolvedCause, r.makers.closed[f.ID])
			fallthrough
		case "":
			r.judgeCause("opening of "+name, f.Cause, r.makers.opened[f.ID])
		}
	}
}

func (r *run) judgeCause(what string, c qrie.Cause, all []maker) {
	var made []string
	for _, m := range all {
		// AWS may have been at work on it when it was seen before.
		if !m.at.After(c.Before) && (c.After.IsZero() || m.at.Add(r.plan.world.Work).After(c.After)) {
			made = append(made, m.events...)
		}
	}
	if c.Attribution == qrie.AttributionExact && !slices.Contains(made, c.Events[0].ID) {
		r.watch.wrong("%s between %s and %s is said to be by %s, and was by %q", what, c.After, c.Before, c.Events[0].ID, made)
	}
}
