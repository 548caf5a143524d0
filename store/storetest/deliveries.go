package storetest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

func (w *world) delivery(id string) store.Delivery {
	return store.Delivery{ID: "webhook/" + id, Sink: "webhook", Transition: id, Finding: "f_" + id, State: store.DeliveryPending,
		NextAt: w.now, CreatedAt: w.now, UpdatedAt: w.now, Payload: []byte(`{"id":"` + id + `"}`)}
}

func (w *world) deliver(d store.Delivery) store.Delivery {
	w.Helper()
	written, err := w.s.PutDelivery(w.ctx, d)
	w.ok(err)
	return written
}

// dueDeliveries are the transitions that are due at a time.
func (w *world) dueDeliveries(at time.Time, limit int) (out []string) {
	w.Helper()
	due, err := w.s.DueDeliveries(w.ctx, at, limit)
	w.ok(err)
	for _, d := range due {
		if len(d.Payload) == 0 {
			w.Errorf("delivery %s comes without what is to be sent", d.ID)
		}
		out = append(out, d.Transition)
	}
	return out
}

// deliveries are the transitions of a list, over its pages.
func (w *world) deliveries(q store.DeliveryQuery, size int) (out []string) {
	w.Helper()
	for p := (store.PageRequest{Size: size}); ; {
		page, err := w.s.ListDeliveries(w.ctx, q, p)
		w.ok(err)
		if len(page.Items) > size {
			w.Fatalf("a page of %d, %d were asked for", len(page.Items), size)
		}
		for _, d := range page.Items {
			if d.Payload != nil {
				w.Errorf("delivery %s is listed with what is sent", d.ID)
			}
			out = append(out, d.Transition)
		}
		if p.Token = page.Next; p.Token == "" {
			return out
		}
	}
}

var deliveryCases = []testCase{
	{"put and change at a revision", func(w *world) {
		_, err := w.s.Delivery(w.ctx, "webhook/a")
		w.want(err, qrie.ErrNotFound)
		d := w.delivery("a")
		first := w.deliver(d)
		if first.Revision == 0 {
			w.Error("no revision")
		}
		d.Revision = first.Revision
		same(w, "written", first, d)
		w.reopen()
		got, err := w.s.Delivery(w.ctx, d.ID)
		w.ok(err)
		same(w, "read back", got, first)
		_, err = w.s.PutDelivery(w.ctx, w.delivery("a"))
		w.want(err, qrie.ErrExists)
		failed := first
		failed.Attempts, failed.Status, failed.Error, failed.NextAt, failed.UpdatedAt = 1, 503, strings.Repeat("x", 5000), w.now.Add(time.Minute), w.now.Add(time.Second)
		second := w.deliver(failed)
		same(w, "error is cut", len(second.Error), store.MaxReason)
		_, err = w.s.PutDelivery(w.ctx, failed)
		w.want(err, qrie.ErrConflict)
		never := w.delivery("never")
		never.Revision = 7
		_, err = w.s.PutDelivery(w.ctx, never)
		w.want(err, qrie.ErrNotFound)
		second.State, second.Payload, second.Error = store.DeliveryDelivered, nil, ""
		third := w.deliver(second)
		got, err = w.s.Delivery(w.ctx, d.ID)
		w.ok(err)
		same(w, "delivered", got, third)
	}},
	{"due ones come earliest first and only while they are pending", func(w *world) {
		for i, name := range []string{"c", "a", "b"} {
			d := w.delivery(name)
			d.NextAt = w.now.Add(time.Duration(i) * time.Second)
			w.deliver(d)
		}
		done := w.deliver(w.delivery("done"))
		done.State, done.Payload = store.DeliveryDelivered, nil
		w.deliver(done)
		same(w, "due now", w.dueDeliveries(w.now, 10), []string{"c"})
		same(w, "due before", w.dueDeliveries(w.now.Add(-time.Nanosecond), 10), []string(nil))
		same(w, "due later", w.dueDeliveries(w.now.Add(time.Hour), 10), []string{"c", "a", "b"})
		same(w, "two of them", w.dueDeliveries(w.now.Add(time.Hour), 2), []string{"c", "a"})
		put, err := w.s.Delivery(w.ctx, "webhook/c")
		w.ok(err)
		put.NextAt = w.now.Add(30 * time.Minute)
		w.deliver(put)
		same(w, "one put off", w.dueDeliveries(w.now.Add(time.Minute), 10), []string{"a", "b"})
	}},
	{"lists are newest first, by state and sink", func(w *world) {
		var all, dead []string
		for i := range 11 {
			d := w.delivery(fmt.Sprintf("t%02d", i))
			d.CreatedAt = w.tick(time.Second)
			if i%4 == 1 {
				d.State = store.DeliveryDead
				dead = append([]string{d.Transition}, dead...)
			}
			w.deliver(d)
			all = append([]string{d.Transition}, all...)
		}
		other := w.delivery("other")
		other.ID, other.Sink, other.CreatedAt = "queue/other", "queue", w.now.Add(-time.Hour)
		w.deliver(other)
		for _, size := range []int{2, 3, 50} {
			same(w, fmt.Sprintf("all by %d", size), w.deliveries(store.DeliveryQuery{}, size), append(all[:11:11], "other"))
			same(w, fmt.Sprintf("dead by %d", size), w.deliveries(store.DeliveryQuery{State: store.DeliveryDead}, size), dead)
			same(w, fmt.Sprintf("of a sink by %d", size), w.deliveries(store.DeliveryQuery{Sink: "queue"}, size), []string{"other"})
			same(w, fmt.Sprintf("of both by %d", size), w.deliveries(store.DeliveryQuery{Sink: "webhook", State: store.DeliveryDead}, size), dead)
		}
		page, err := w.s.ListDeliveries(w.ctx, store.DeliveryQuery{}, store.PageRequest{Size: 2})
		w.ok(err)
		_, err = w.s.ListDeliveries(w.ctx, store.DeliveryQuery{State: store.DeliveryDead}, store.PageRequest{Size: 2, Token: page.Next})
		w.want(err, qrie.ErrBadToken)
		counts, err := w.s.CountDeliveries(w.ctx)
		w.ok(err)
		same(w, "counts", counts, map[store.DeliveryState]int64{store.DeliveryPending: 9, store.DeliveryDead: 3})
	}},
	{"what contradicts itself is refused", func(w *world) {
		for name, spoil := range map[string]func(d *store.Delivery){
			"no id":            func(d *store.Delivery) { d.ID = "" },
			"an id too long":   func(d *store.Delivery) { d.ID = strings.Repeat("x", 5000) },
			"no sink":          func(d *store.Delivery) { d.Sink = "" },
			"an unheard state": func(d *store.Delivery) { d.State = "lost" },
			"nothing to send":  func(d *store.Delivery) { d.Payload = nil },
			"too much to send": func(d *store.Delivery) { d.Payload = make([]byte, store.MaxPayload+1) },
			"no time":          func(d *store.Delivery) { d.NextAt = time.Time{} },
		} {
			d := w.delivery("a")
			spoil(&d)
			if _, err := w.s.PutDelivery(w.ctx, d); err == nil {
				w.Errorf("%s: accepted", name)
			}
		}
		_, err := w.s.Delivery(w.ctx, strings.Repeat("x", 5000))
		w.want(err, qrie.ErrNotFound)
		large := w.delivery("large")
		large.Payload = []byte(strings.Repeat("0123456789abcdef", store.MaxPayload/16))
		w.deliver(large)
		got, err := w.s.Delivery(w.ctx, large.ID)
		w.ok(err)
		same(w, "large", string(got.Payload), string(large.Payload))
	}},
	{"what a receiver answers is cut between letters", func(w *world) {
		d := w.delivery("a")
		d.Error = "x" + strings.Repeat("ä", store.MaxReason)
		written := w.deliver(d)
		got, err := w.s.Delivery(w.ctx, d.ID)
		w.ok(err)
		same(w, "read back", got, written)
		if !utf8.ValidString(written.Error) || len(written.Error) > store.MaxReason {
			w.Errorf("an error of %d bytes, ending in %q", len(written.Error), written.Error[len(written.Error)-2:])
		}
	}},
	{"what was delivered is no longer kept", func(w *world) {
		d := w.deliver(w.delivery("a"))
		d.State = store.DeliveryDelivered
		written := w.deliver(d)
		got, err := w.s.Delivery(w.ctx, d.ID)
		w.ok(err)
		same(w, "read back", got, written)
		same(w, "bytes kept", len(got.Payload), 0)
	}},
	{"one of many writers wins", func(w *world) {
		base := w.deliver(w.delivery("a"))
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				d := base
				d.Attempts = i + 1
				if _, err := w.s.PutDelivery(w.ctx, d); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		same(w, "winners", won.Load(), 1)
	}},
	{"old ones are trimmed unless they are pending", func(w *world) {
		for i, state := range store.DeliveryStates {
			for _, age := range []time.Duration{store.KeepOutbox + time.Hour, store.KeepOutbox - time.Hour} {
				d := w.delivery(fmt.Sprintf("%s%d", state, int(age.Hours())))
				d.State, d.CreatedAt = state, w.now.Add(-age-time.Duration(i)*time.Minute)
				w.deliver(d)
			}
		}
		_, err := w.s.Maintain(w.ctx, w.now)
		w.ok(err)
		same(w, "kept", w.deliveries(store.DeliveryQuery{}, 50), []string{"pending167", "delivered167", "dead167", "pending169"})
	}},
}
