package processor

import (
	"context"
	"errors"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
)

// markRelated has those resources looked at that may change with one whose
// change an event has brought to light: what it refers to now, and what it did.
// They are marked before the change is written, because a crash between would
// not find it again. A scan sees them by itself.
func (s *session) markRelated(ctx context.Context, m touched, stored *store.Resource, obs qrie.Observation) error {
	t, ok := resources.Find(m.Ref.Type)
	if !ok || len(t.References) == 0 || len(m.Events) == 0 {
		return nil
	}
	related := t.Related(obs.Ref, obs.Document)
	if stored != nil && !stored.Deleted {
		old, err := s.w.Store.Resource(ctx, m.Ref.ResourceID())
		if err != nil && !errors.Is(err, qrie.ErrNotFound) {
			return fmt.Errorf("read what %s referred to: %w", m.Ref, err)
		}
		related = append(related, t.Related(obs.Ref, old.Document)...)
	}
	// The events name this resource and not the others.
	events := make([]qrie.Event, len(m.Events))
	for i, e := range m.Events {
		e.Wide = true
		events[i] = e
	}
	marked := map[string]bool{}
	var marks []touched
	for _, ref := range related {
		if !marked[ref.Key()] {
			marked[ref.Key()] = true
			marks = append(marks, touched{Ref: ref, Reason: qrie.ReasonEvent, Events: events, Through: true})
			s.mark(touched{Ref: ref}, "related")
		}
	}
	if len(marks) == 0 {
		return nil
	}
	records, err := encodeMarks(marks)
	if err != nil {
		return err
	}
	return s.publish(records)
}
