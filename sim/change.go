package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
)

// Change is something that a person may ask the simulated organisation for.
type Change struct {
	ID           string `json:"id"`
	Title        string `json:"title"`
	ResourceType string `json:"resource_type"`
	Bad          bool   `json:"bad"`    // it opens a finding; the others resolve one
	Policy       string `json:"policy"` // whose finding
	Undo         string `json:"undo,omitempty"`
	// Creates is set where the change makes a new resource and takes no ARN.
	Creates bool `json:"creates,omitempty"`
}

// Applied is a change that was made.
type Applied struct {
	Change     string   `json:"change"`
	ARN        string   `json:"arn"`
	ResourceID string   `json:"resource_id"` // qrie's own, Ref.ResourceID
	FindingID  string   `json:"finding_id"`  // the finding that it opens or resolves
	Ref        qrie.Ref `json:"ref"`
	EventName  string   `json:"event_name"` // of the last call; most changes take one
	EventID    string   `json:"event_id"`
	Actor      string   `json:"actor"`
}

// Publish hands one event to qrie: data is an EventBridge envelope.
type Publish = func(ctx context.Context, account string, data []byte) error

// Changes lists the changes that Change makes: the bad ones first, each with
// the one that mends it.
func (w *World) Changes() []Change {
	var bad, good []Change
	for _, m := range moves {
		if !m.shown {
			continue
		}
		c := Change{
			ID: m.id, Title: m.title, ResourceType: kindNames[m.kind], Bad: m.bad, Policy: m.policy,
			Undo: m.undo, Creates: m.birth,
		}
		if m.bad {
			bad = append(bad, c)
		} else {
			good = append(good, c)
		}
	}
	return append(bad, good...)
}

// Change makes one change at once, by a person called DemoActor, and
// publishes its events without lag, loss or duplicates. The resource is named
// by its ARN; an empty one lets the world choose one that qrie can see, among
// those that have the change still to come. It returns qrie.ErrNotFound for an
// unknown change or resource, and an error wrapping qrie.ErrConflict where
// the resource does not admit the change.
func (w *World) Change(ctx context.Context, id, arn string, publish Publish) (Applied, error) {
	m := moveByID(id)
	if m == nil || !m.shown {
		return Applied{}, fmt.Errorf("change %q: %w: ask for the list of changes", id, qrie.ErrNotFound)
	}
	events, applied, err := w.apply(m, arn, w.clock())
	if err != nil {
		return Applied{}, fmt.Errorf("change %q: %w", id, err)
	}
	for _, e := range events {
		if err := publish(ctx, e.account.ID, e.envelope()); err != nil {
			return applied, fmt.Errorf("change %q was made, but its event %s did not reach the stream: %w", id, e.id, err)
		}
	}
	return applied, nil
}

func (w *World) apply(m *move, arn string, now time.Time) ([]event, Applied, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.note(entry{Do: "change", At: now.UnixNano(), ID: m.id, ARN: arn}); err != nil {
		return nil, Applied{}, err
	}
	w.forget(now)
	t, a, err := w.target(m, arn, now)
	if err != nil {
		return nil, Applied{}, err
	}
	who := w.you(a)
	if len(m.by) > 0 && &m.by[0] == &byRoot[0] {
		who = w.root(a) // what only root can do, you do as root
	}
	s, t := w.play(m, t, who, now)
	if m.undo != "" {
		w.keepFrom(t)
	}
	ref := w.ref(t)
	last := s.events[len(s.events)-1]
	return s.events, Applied{
		Change: m.id, ARN: t.arn, ResourceID: ref.ResourceID(), FindingID: ref.FindingID(m.policy), Ref: ref,
		EventName: last.name, EventID: last.id, Actor: who.name,
	}, nil
}

// target chooses where a change is made.
func (w *World) target(m *move, arn string, now time.Time) (*thing, *account, error) {
	// Not where qrie's role lacks anything that the kind needs: the finding
	// could then be unknown, and whoever asked would wait for it in vain.
	visible := func(t *thing) bool {
		a := t.account
		return !a.unreached && !a.denied[describeAction[t.kind]] && len(w.hiddenFrom(a, t.kind)) == 0
	}
	switch {
	case m.birth && arn != "":
		return nil, nil, fmt.Errorf("%w: it makes a new resource: leave the ARN out", qrie.ErrConflict)
	case m.birth:
		for range 64 {
			if a := pick(w.rng, w.accounts); visible(&thing{kind: m.kind, account: a}) {
				return nil, a, nil
			}
		}
		return nil, nil, fmt.Errorf("%w: qrie sees no account where it could be made", qrie.ErrConflict)
	case arn == "":
		t := w.candidate(m, func(t *thing) bool {
			// A bad change has to open a finding, and a good one to resolve one.
			return visible(t) && slices.Contains(w.failingOf(t, now, true), m.policy) != m.bad
		})
		if t == nil {
			return nil, nil, fmt.Errorf("%w: no %s is left to which it can be done", qrie.ErrConflict, kindNames[m.kind])
		}
		return t, t.account, nil
	}
	for _, t := range w.byKind[m.kind] {
		if t.arn != arn {
			continue
		}
		if reason := m.able(w, t); reason != "" {
			return nil, nil, fmt.Errorf("%w: %s: %s", qrie.ErrConflict, arn, reason)
		}
		return t, t.account, nil
	}
	return nil, nil, fmt.Errorf("%s %s: %w", kindNames[m.kind], arn, qrie.ErrNotFound)
}

// keepFrom leaves a thing that a person broke to that person: nobody of the
// organisation mends it behind their back.
func (w *World) keepFrom(t *thing) {
	for i, u := range w.broken {
		if u.t == t {
			w.broken = append(w.broken[:i], w.broken[i+1:]...)
			return
		}
	}
}
