package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/qrie-sec/qrie/store"
)

// PutDelivery implements store.Deliveries.
func (s *Store) PutDelivery(ctx context.Context, d store.Delivery) (store.Delivery, error) {
	if err := d.Valid(); err != nil {
		return d, err
	}
	written, err := ask(ctx, s, "PutDelivery "+d.ID, func() (store.Delivery, error) {
		stored, _ := s.deliveries.get(d.ID) // revision 0 if there is none
		if err := d.Admit(stored.Revision); err != nil {
			return d, err
		}
		s.revision++
		next := cloneDelivery(d.Normal())
		next.Revision = s.revision
		s.deliveries.put(d.ID, next)
		return cloneDelivery(next), nil
	})
	if err != nil {
		return d, err
	}
	return written, nil
}

func cloneDelivery(d store.Delivery) store.Delivery {
	d.Payload = slices.Clone(d.Payload)
	return d
}

// Delivery implements store.Deliveries.
func (s *Store) Delivery(ctx context.Context, id string) (store.Delivery, error) {
	return ask(ctx, s, "Delivery "+id, func() (store.Delivery, error) {
		d, err := s.deliveries.get(id)
		return cloneDelivery(d), err
	})
}

// DueDeliveries implements store.Deliveries.
func (s *Store) DueDeliveries(ctx context.Context, now time.Time, limit int) ([]store.Delivery, error) {
	return ask(ctx, s, "DueDeliveries", func() ([]store.Delivery, error) {
		due := slices.DeleteFunc(slices.Clone(s.deliveries.values), func(d store.Delivery) bool {
			return d.State != store.DeliveryPending || d.NextAt.After(now)
		})
		slices.SortFunc(due, func(a, b store.Delivery) int {
			return cmp.Or(a.NextAt.Compare(b.NextAt), cmp.Compare(a.ID, b.ID))
		})
		return cloneAll(due[:min(len(due), limit)], cloneDelivery), nil
	})
}

// ListDeliveries implements store.Deliveries.
func (s *Store) ListDeliveries(ctx context.Context, q store.DeliveryQuery, p store.PageRequest) (store.Page[store.Delivery], error) {
	return ask(ctx, s, "ListDeliveries", func() (store.Page[store.Delivery], error) {
		found := slices.DeleteFunc(slices.Clone(s.deliveries.values), func(d store.Delivery) bool {
			return q.Sink != "" && d.Sink != q.Sink || q.State != "" && d.State != q.State
		})
		for i := range found {
			found[i].Payload = nil
		}
		return cut(s.signer, "deliveries", q, p, found, func(d store.Delivery) place { return place{First: -nanos(d.CreatedAt), Third: d.ID} })
	})
}

// CountDeliveries implements store.Deliveries.
func (s *Store) CountDeliveries(ctx context.Context) (map[store.DeliveryState]int64, error) {
	return ask(ctx, s, "CountDeliveries", func() (map[store.DeliveryState]int64, error) {
		counts := map[store.DeliveryState]int64{}
		for _, d := range s.deliveries.values {
			if d.State != store.DeliveryDelivered && counts[d.State] < store.MaxCounted {
				counts[d.State]++
			}
		}
		return counts, nil
	})
}
