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
// change an event has brought to light. They are marked before the change is
// written, because a crash between would not find it again. A scan sees them by
// itself.
func (s *session) markRelated(ctx context.Context, m touched, stored *store.Resource, obs qrie.Observation) error {
	t, ok := resources.Find(m.Ref.Type)
	if !ok || len(t.References) == 0 || len(m.Events) == 0 {
		return nil
	}
	var before []byte
	switch {
	case stored == nil || stored.Deleted:
	case stored.Ties != "" && stored.Ties == ties(obs):
		before = obs.Document // which tells of them what the stored one does
	default:
		old, err := s.w.Store.Resource(ctx, m.Ref.ResourceID())
		if err != nil && !errors.Is(err, qrie.ErrNotFound) {
			return fmt.Errorf("read what %s referred to: %w", m.Ref, err)
		}
		before = old.Document
	}
	related := t.Related(obs.Ref, before, obs.Document)
	if len(related) == 0 {
		return nil
	}
	// The events name this resource and not the others.
	events := make([]qrie.Event, len(m.Events))
	for i, e := range m.Events {
		e.Wide = true
		events[i] = e
	}
	marks := make([]touched, len(related))
	for i, ref := range related {
		marks[i] = touched{Ref: ref, Reason: qrie.ReasonEvent, Events: events, Through: true}
		s.mark(marks[i], "related")
	}
	records, err := encodeMarks(marks, s.w.memo.keep)
	if err != nil {
		return err
	}
	return s.publish(records)
}
