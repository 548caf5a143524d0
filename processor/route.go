package processor

import (
	"fmt"
	"strings"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/stream"
)

// route is step 1: it decodes a batch of events, merges their marks by
// resource, and publishes them under the key of their owner. The events are
// done once their marks are durable.
func (s *session) route(records []stream.Record) {
	marks := map[string]*touched{}
	var order []string
	var done []string
	for _, r := range records {
		if !s.decode(r, func(m touched) {
			key := m.Ref.Key()
			if have, ok := marks[key]; ok {
				have.merge(m)
				s.w.metrics.marks.WithLabelValues(m.Ref.Service(), "coalesced").Inc()
				return
			}
			marks[key] = &m
			order = append(order, key)
		}) {
			return // the session ended
		}
		done = append(done, r.Seq)
	}
	list := make([]touched, 0, len(order))
	for _, key := range order {
		list = append(list, *marks[key])
	}
	out, err := encodeMarks(list, s.w.memo.keep)
	if err != nil {
		panic(fmt.Sprintf("BUG: marks cannot be encoded: %v", err))
	}
	if len(out) > 0 && s.publish(out) != nil {
		return
	}
	for _, seq := range done {
		s.s.Done(seq)
	}
}

// decode gives the marks of one record and counts what became of each event
// in it. It returns false when the session ended before a dead letter was
// durable.
func (s *session) decode(r stream.Record, yield func(touched)) bool {
	raws, err := ingest.Split(r.Data)
	if err != nil {
		s.count("other", "dead_letter")
		return s.letter(r, r.Seq, r.Data, err)
	}
	for i, raw := range raws {
		d, err := s.tryDecode(raw)
		if err != nil {
			s.count("other", "dead_letter")
			if !s.letter(r, fmt.Sprintf("%s/%d", r.Seq, i), raw.Record, err) {
				return false
			}
			continue
		}
		svc, ok := s.w.labels[d.Event.Source]
		if !ok {
			svc = "other"
		}
		if d.Drop != "" {
			s.count(svc, "dropped_"+string(d.Drop))
			continue
		}
		if _, ok := s.w.desk.account(d.Event.Account); !ok {
			s.count(svc, "dropped_unknown_account")
			continue
		}
		s.count(svc, "marked")
		if age := r.Arrived.Sub(d.Event.Time).Seconds(); age > 0 {
			s.w.metrics.eventAge.Observe(age)
		}
		event := d.Event
		event.Arrived = r.Arrived
		for _, m := range d.Marks {
			event.Wide = m.Ref.ID == ""
			yield(touched{Ref: m.Ref, Reason: qrie.ReasonEvent, Events: []qrie.Event{event}})
		}
	}
	return true
}

// tryDecode turns a panic of the decoder into the dead letter of one record.
func (s *session) tryDecode(raw ingest.Raw) (d ingest.Decoded, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.w.metrics.panics.WithLabelValues("decoder").Inc()
			err = fmt.Errorf("BUG: the decoder panicked: %v", r)
		}
	}()
	return s.w.decoder.Decode(raw)
}

func (s *session) count(service, outcome string) {
	s.w.taken.Add(1)
	s.w.metrics.events.WithLabelValues(service, outcome).Inc()
}

// serviceLabels maps the event sources that some resource type listens to to
// their short names, so that the label is bounded; any other is "other".
func serviceLabels(types []resources.Type) map[string]string {
	labels := map[string]string{}
	for _, t := range types {
		for _, r := range t.Events {
			if service, _, ok := strings.Cut(r.Source, "."); ok {
				labels[r.Source] = service
			}
		}
	}
	return labels
}
