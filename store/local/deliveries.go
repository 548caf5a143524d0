package local

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// PutDelivery adds a delivery or replaces the one that was read.
func (s *Store) PutDelivery(ctx context.Context, d store.Delivery) (written store.Delivery, err error) {
	defer s.metrics.Request("qrie_deliveries", "put")(&err)
	if err := d.Valid(); err != nil {
		return d, err
	}
	written = d.Normal()
	// By chance, so that one that was trimmed never matches a later one.
	written.Revision = 1 + rand.Int64N(1<<62)
	row := written
	row.Payload = nil
	body, err := encode("delivery "+d.ID, row)
	if err != nil {
		return d, err
	}
	packed := compress(written.Payload)
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		var stored int64
		if err := tx.QueryRow("SELECT revision FROM qrie_deliveries WHERE id = ?", d.ID).Scan(&stored); err != nil && !absent(err) {
			return fmt.Errorf("read delivery %s: %w", d.ID, err)
		}
		if err := d.Admit(stored); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO qrie_deliveries (id, state, sink, revision, created, next_at, body, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET state = excluded.state, sink = excluded.sink, revision = excluded.revision, created = excluded.created,
			next_at = excluded.next_at, body = excluded.body, payload = excluded.payload`,
			d.ID, string(d.State), d.Sink, written.Revision, nanos(written.CreatedAt), nanos(written.NextAt), body, packed)
		return err
	})
	if err != nil {
		return d, err
	}
	return written, nil
}

// Delivery reads one with what is to be sent.
func (s *Store) Delivery(ctx context.Context, id string) (d store.Delivery, err error) {
	defer s.metrics.Request("qrie_deliveries", "get")(&err)
	var body, packed []byte
	err = s.db.QueryRow(ctx, "SELECT body, payload FROM qrie_deliveries WHERE id = ?", id).Scan(&body, &packed)
	if absent(err) {
		return d, fmt.Errorf("delivery %s: %w", id, qrie.ErrNotFound)
	}
	if err != nil {
		return d, fmt.Errorf("read delivery %s: %w", id, err)
	}
	return s.delivery(body, packed)
}

func (s *Store) delivery(body, packed []byte) (d store.Delivery, err error) {
	if err := decode("a delivery", body, &d); err != nil {
		return d, err
	}
	d.Payload, err = expand("delivery "+d.ID, packed)
	return d, err
}

// DueDeliveries reads what is to be sent, earliest first.
func (s *Store) DueDeliveries(ctx context.Context, now time.Time, limit int) (due []store.Delivery, err error) {
	defer s.metrics.Request("qrie_deliveries", "due")(&err)
	rows, err := s.db.Query(ctx, "SELECT body, payload FROM qrie_deliveries WHERE state = 'pending' AND next_at <= ? ORDER BY next_at, id LIMIT ?", nanos(now), limit)
	due, err = collect(rows, err, func(r *sql.Rows) (d store.Delivery, err error) {
		var body, packed []byte
		if err := r.Scan(&body, &packed); err != nil {
			return d, err
		}
		return s.delivery(body, packed)
	})
	if err != nil {
		return nil, fmt.Errorf("read the deliveries that are due: %w", err)
	}
	return due, nil
}

type deliveryPlace struct {
	Created int64  `json:"c"`
	ID      string `json:"i"`
}

// ListDeliveries lists them newest first.
func (s *Store) ListDeliveries(ctx context.Context, q store.DeliveryQuery, p store.PageRequest) (page store.Page[store.Delivery], err error) {
	defer s.metrics.Request("qrie_deliveries", "list")(&err)
	at := deliveryPlace{Created: math.MaxInt64}
	if p.Token != "" {
		if err := s.signer.Open("deliveries", p.Bound(q), p.Token, &at); err != nil {
			return page, err
		}
	}
	size := p.PageSize()
	where, args := "created <= ? AND (created < ? OR id > ?)", []any{at.Created, at.Created, at.ID}
	if q.State != "" {
		where, args = "state = ? AND "+where, append([]any{string(q.State)}, args...)
	}
	if q.Sink != "" { // of which there are few
		where, args = where+" AND sink = ?", append(args, q.Sink)
	}
	rows, err := s.db.Query(ctx, "SELECT body FROM qrie_deliveries WHERE "+where+" ORDER BY created DESC, id LIMIT ?", append(args, size+1)...)
	page.Items, err = collect(rows, err, func(r *sql.Rows) (d store.Delivery, err error) {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return d, err
		}
		return d, decode("a delivery", body, &d)
	})
	if err != nil {
		return page, fmt.Errorf("list deliveries: %w", err)
	}
	if len(page.Items) > size {
		page.Items = page.Items[:size]
		last := page.Items[size-1]
		page.Next, err = s.signer.Seal("deliveries", p.Bound(q), deliveryPlace{nanos(last.CreatedAt), last.ID})
	}
	return page, err
}

// CountDeliveries counts what waits and what was given up, as far as anybody
// wants to know.
func (s *Store) CountDeliveries(ctx context.Context) (counts map[store.DeliveryState]int64, err error) {
	defer s.metrics.Request("qrie_deliveries", "count")(&err)
	counts = map[store.DeliveryState]int64{}
	for _, state := range []store.DeliveryState{store.DeliveryPending, store.DeliveryDead} {
		var n int64
		err := s.db.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM qrie_deliveries WHERE state = ? LIMIT ?)", string(state), store.MaxCounted).Scan(&n)
		if err != nil {
			return nil, fmt.Errorf("count the deliveries: %w", err)
		}
		if n > 0 {
			counts[state] = n
		}
	}
	return counts, nil
}

func trimDeliveries(tx *sqlite.Tx, now time.Time) (int, error) {
	total := 0
	for _, state := range []store.DeliveryState{store.DeliveryDelivered, store.DeliveryDead} {
		n, err := affected(tx, "DELETE FROM qrie_deliveries WHERE id IN (SELECT id FROM qrie_deliveries WHERE state = ? AND created < ? ORDER BY created LIMIT ?)",
			string(state), nanos(now.Add(-store.KeepOutbox)), maintainChunk)
		if err != nil {
			return total, err
		}
		total += int(n)
	}
	return total, nil
}
