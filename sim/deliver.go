package sim

import (
	"slices"
	"time"

	"github.com/qrie-sec/qrie/ingest"
)

// Delivery is one event on its way to qrie.
type Delivery struct {
	At      time.Time // when it arrives
	Account string    // the account it comes from
	Data    []byte    // an EventBridge envelope around a CloudTrail record
}

// deliver gives each event the times at which it arrives: none if it is lost,
// several if it is duplicated. The deliveries are in the order of their times.
func (w *World) deliver(events []event) []Delivery {
	f := &w.faults
	out := make([]Delivery, 0, len(events))
	for i := range events {
		e := &events[i]
		if f.Loss > 0 && often(w.rng, f.Loss) {
			continue
		}
		copies := 1
		if f.Duplicate > 0 && often(w.rng, f.Duplicate) {
			copies += 1 + w.rng.IntN(3)
		}
		data := e.envelope()
		for range copies {
			out = append(out, Delivery{At: e.at.Add(w.lag()), Account: e.account.ID, Data: data})
		}
	}
	slices.SortStableFunc(out, func(a, b Delivery) int { return a.At.Compare(b.At) })
	return out
}

// lag draws how long an event is under way.
func (w *World) lag() time.Duration {
	f := &w.faults
	lag := f.LagMin
	if f.LagMax > f.LagMin {
		// The square makes short ways common and long ones rare.
		u := w.rng.Float64()
		lag += time.Duration(u * u * float64(f.LagMax-f.LagMin))
	}
	if f.Reorder > 0 && often(w.rng, f.Reorder) {
		lag += time.Duration(w.rng.Int64N(int64(f.ReorderBy)))
	}
	return lag
}

// envelope wraps the record as EventBridge does. EventBridge has the second
// of the event, too.
func (e *event) envelope() []byte {
	return ingest.Envelope(e.account.ID, e.region, e.record, e.at.Truncate(time.Second))
}
