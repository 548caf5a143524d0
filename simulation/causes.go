package simulation

import (
	"context"
	"fmt"
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

// judgeCauses counts the causes that are said to be exact, and those of them of
// which the event is not of the change that opened or closed the finding in the
// world. Nobody can know where events were lost, or where AWS showed what was no
// longer so.
func (r *run) judgeCauses(found []qrie.Finding) (exact int, wrong []string) {
	if r.blind || r.plan.world.Stale > 0 {
		return 0, nil
	}
	judge := func(what string, f qrie.Finding, c qrie.Cause, all []maker) {
		if c.Attribution != qrie.AttributionExact {
			return
		}
		exact++
		// AWS may have been at work on it when it was seen before.
		if !slices.ContainsFunc(all, func(m maker) bool {
			return slices.Contains(m.events, c.Events[0].ID) && !m.at.After(c.Before) &&
				(c.After.IsZero() || m.at.Add(r.plan.world.Work).After(c.After))
		}) {
			wrong = append(wrong, fmt.Sprintf("the %s of %s on %s between %s and %s is said to be by %s", what, f.Policy, f.Ref.Key(), c.After, c.Before, c.Events[0].ID))
		}
	}
	for _, f := range found {
		switch f.Resolution {
		case qrie.ResolvedFixed, qrie.ResolvedDeleted:
			judge("resolving", f, *f.ResolvedCause, r.makers.closed[f.ID])
			fallthrough
		case "":
			judge("opening", f, f.Cause, r.makers.opened[f.ID])
		}
	}
	return exact, wrong
}
