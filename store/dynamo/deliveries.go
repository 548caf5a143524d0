package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// deliveryBuckets spreads the deliveries of one state.
const deliveryBuckets = 4

func deliveryShelf(state store.DeliveryState, bucket int) string {
	return fmt.Sprintf("%s#%d", state, bucket)
}

// newestFirst is a sort key in the order of time backwards.
func newestFirst(t time.Time, id string) string {
	return digits(math.MaxInt64-nanos(t)) + "#" + id
}

// PutDelivery adds a delivery or replaces the one that was read.
func (s *Store) PutDelivery(ctx context.Context, d store.Delivery) (written store.Delivery, err error) {
	defer s.metrics.Request("qrie_deliveries", "put")(&err)
	if err := d.Valid(); err != nil {
		return d, err
	}
	written = d.Normal()
	// By chance, so that one that was trimmed never matches a later one.
	written.Revision = 1 + rand.Int64N(1<<62)
	body := written
	body.Payload = nil
	row := s.row(deliveriesTable, d.ID, "")
	if row["Body"], err = s.pack.encode("delivery "+d.ID, body); err != nil {
		return d, err
	}
	if len(written.Payload) > 0 {
		row["Payload"] = binary(s.pack.compress(written.Payload))
	}
	bucket := bucketOf(d.ID, deliveryBuckets)
	row["Revision"], row["Sink"] = number(written.Revision), text(d.Sink)
	row["Shelf"], row["Newest"] = text(deliveryShelf(d.State, bucket)), text(newestFirst(written.CreatedAt, d.ID))
	if d.State == store.DeliveryPending {
		row["DueShelf"], row["Due"] = text(deliveryShelf(d.State, bucket)), text(digits(nanos(written.NextAt))+"#"+d.ID)
	}
	condition, values := unchangedSince(d.Revision)
	err = s.put(ctx, deliveriesTable, row, condition, values)
	if !errors.Is(err, errCondition) {
		return written, err
	}
	it, err := s.get(ctx, deliveriesTable, d.ID, "")
	if err != nil {
		return d, fmt.Errorf("read delivery %s: %w", d.ID, err)
	}
	if it.num("Revision") == written.Revision {
		return written, nil // an answer was lost, and the write was made again
	}
	if err := d.Admit(it.num("Revision")); err != nil {
		return d, err
	}
	return d, fmt.Errorf("delivery %s changed to and fro: %w", d.ID, qrie.ErrConflict)
}

func (s *Store) delivery(it item) (d store.Delivery, err error) {
	if err := s.pack.decode("delivery "+it.str("DeliveryId"), it.bytes("Body"), &d); err != nil {
		return d, err
	}
	if packed := it.bytes("Payload"); len(packed) > 0 {
		d.Payload, err = s.pack.expand("delivery "+d.ID, packed)
	}
	return d, err
}

// Delivery reads one with what is to be sent.
func (s *Store) Delivery(ctx context.Context, id string) (d store.Delivery, err error) {
	defer s.metrics.Request("qrie_deliveries", "get")(&err)
	missing := fmt.Errorf("delivery %s: %w", id, qrie.ErrNotFound)
	if !keyable(id) {
		return d, missing
	}
	it, err := s.get(ctx, deliveriesTable, id, "")
	if err != nil {
		return d, fmt.Errorf("read delivery %s: %w", id, err)
	}
	if it == nil {
		return d, missing
	}
	return s.delivery(it)
}

// DueDeliveries reads what is to be sent, earliest first.
func (s *Store) DueDeliveries(ctx context.Context, now time.Time, limit int) (due []store.Delivery, err error) {
	defer s.metrics.Request("qrie_deliveries", "due")(&err)
	m := merge{c: s.client, bound: limit * (deliveryBuckets + 1)}
	for b := range deliveryBuckets {
		m.sources = append(m.sources, &source{fetch: limit, stretch: stretch{table: deliveriesTable, index: &deliveriesDue,
			pk: deliveryShelf(store.DeliveryPending, b), low: lowest(""), high: digits(nanos(now)) + "#" + highest("")}})
	}
	var keys []key
	for len(keys) < limit {
		r, ok, err := m.next(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the deliveries that are due: %w", err)
		}
		if !ok {
			break
		}
		keys = append(keys, keyOf(deliveriesTable, r.item))
	}
	rows, err := s.many(ctx, deliveriesTable, keys, "")
	if err != nil {
		return nil, fmt.Errorf("read the deliveries that are due: %w", err)
	}
	for _, k := range keys {
		if rows[k] == nil {
			continue
		}
		d, err := s.delivery(rows[k])
		if err != nil {
			return nil, err
		}
		if d.State == store.DeliveryPending && !d.NextAt.After(now) { // as it was when the index was written
			due = append(due, d)
		}
	}
	return due, nil
}

// ListDeliveries lists them newest first.
func (s *Store) ListDeliveries(ctx context.Context, q store.DeliveryQuery, p store.PageRequest) (page store.Page[store.Delivery], err error) {
	defer s.metrics.Request("qrie_deliveries", "list")(&err)
	after := ""
	if p.Token != "" {
		if err := s.signer.Open("deliveries", p.Bound(q), p.Token, &after); err != nil {
			return page, err
		}
		after = following(after)
	}
	states := store.DeliveryStates
	if q.State != "" {
		states = []store.DeliveryState{q.State}
	}
	size := p.PageSize()
	m := merge{c: s.client, bound: maxRowsRead}
	for _, state := range states {
		for b := range deliveryBuckets {
			m.sources = append(m.sources, &source{fetch: size/deliveryBuckets + 2, stretch: stretch{table: deliveriesTable, index: &deliveriesNewest,
				pk: deliveryShelf(state, b), low: after, high: highest("")}})
		}
	}
	var keys []key
	last, more := "", false
	for {
		r, ok, err := m.next(ctx)
		if err != nil {
			return page, fmt.Errorf("list deliveries: %w", err)
		}
		if more = ok || m.stopped; !ok || len(keys) == size {
			break
		}
		last = r.order
		if q.Sink == "" || r.item.str("Sink") == q.Sink {
			keys = append(keys, keyOf(deliveriesTable, r.item))
		}
	}
	rows, err := s.many(ctx, deliveriesTable, keys, "#DeliveryId, #Body")
	if err != nil {
		return page, fmt.Errorf("list deliveries: %w", err)
	}
	for _, k := range keys {
		if rows[k] == nil {
			continue // trimmed meanwhile
		}
		d, err := s.delivery(rows[k])
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, d)
	}
	if more {
		page.Next, err = s.signer.Seal("deliveries", p.Bound(q), last)
	}
	return page, err
}

// CountDeliveries counts in the index, as far as anybody wants to know.
func (s *Store) CountDeliveries(ctx context.Context) (counts map[store.DeliveryState]int64, err error) {
	defer s.metrics.Request("qrie_deliveries", "count")(&err)
	counts = map[store.DeliveryState]int64{}
	for _, state := range []store.DeliveryState{store.DeliveryPending, store.DeliveryDead} {
		for b := range deliveryBuckets {
			err := s.all(ctx, stretch{table: deliveriesTable, index: &deliveriesNewest, pk: deliveryShelf(state, b), only: "#Shelf"}, func(item) error {
				if counts[state]++; counts[state] >= store.MaxCounted {
					return errEnough
				}
				return nil
			})
			if errors.Is(err, errEnough) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("count the deliveries: %w", err)
			}
		}
	}
	return counts, nil
}

// errEnough ends a reading.
var errEnough = errors.New("nothing further is wanted")

// trimDeliveries removes what was delivered or given up long ago.
func (s *Store) trimDeliveries(ctx context.Context, now time.Time) (trimmed int, err error) {
	oldest := newestFirst(now.Add(-store.KeepOutbox), "")
	for _, state := range []store.DeliveryState{store.DeliveryDelivered, store.DeliveryDead} {
		for b := range deliveryBuckets {
			shelf := deliveryShelf(state, b)
			var old []string
			st := stretch{table: deliveriesTable, index: &deliveriesNewest, pk: shelf, low: oldest, high: highest(""), only: "#DeliveryId"}
			err := s.all(ctx, st, func(it item) error {
				old = append(old, it.str("DeliveryId"))
				if len(old) < maxBatchRead {
					return nil
				}
				n, err := s.removeDeliveries(ctx, shelf, old)
				trimmed, old = trimmed+n, nil
				return err
			})
			if err == nil {
				var n int
				n, err = s.removeDeliveries(ctx, shelf, old)
				trimmed += n
			}
			if err != nil {
				return trimmed, err
			}
		}
	}
	return trimmed, nil
}

// removeDeliveries removes those that are on a shelf still: one that was given
// up may be tried again just now.
func (s *Store) removeDeliveries(ctx context.Context, shelf string, ids []string) (int, error) {
	var n atomic.Int64
	err := limited(ctx, ids, writers, func(ctx context.Context, id string) error {
		err := s.remove(ctx, deliveriesTable, id, "", "#Shelf = :shelf", item{":shelf": text(shelf)})
		if errors.Is(err, errCondition) {
			return nil
		}
		if err == nil {
			n.Add(1)
		}
		return err
	})
	return int(n.Load()), err
}
