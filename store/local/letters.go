package local

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// PutDeadLetter keeps a record that could not be handled.
func (s *Store) PutDeadLetter(ctx context.Context, d store.DeadLetter) (err error) {
	defer s.metrics.Request("qrie_dead_letters", "put")(&err)
	if err := store.ValidName("dead letter", d.ID); err != nil {
		return err
	}
	d.Data = d.Data[:min(len(d.Data), store.MaxDeadLetterBytes)]
	body, err := encode("dead letter "+d.ID, d)
	if err != nil {
		return err
	}
	packed := compress(d.Data)
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		n, err := affected(tx, "INSERT INTO qrie_dead_letters (id, at, body, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			d.ID, nanos(d.At), body, packed)
		if err != nil {
			return fmt.Errorf("keep dead letter %s: %w", d.ID, err)
		}
		if n == 0 {
			return nil
		}
		return addOne(tx, byLetter, 1)
	})
}

// DeadLetter reads one with its data.
func (s *Store) DeadLetter(ctx context.Context, id string) (d store.DeadLetter, err error) {
	defer s.metrics.Request("qrie_dead_letters", "get")(&err)
	var body, packed []byte
	err = s.db.QueryRow(ctx, "SELECT body, data FROM qrie_dead_letters WHERE id = ?", id).Scan(&body, &packed)
	if absent(err) {
		return d, fmt.Errorf("dead letter %s: %w", id, qrie.ErrNotFound)
	}
	if err != nil {
		return d, fmt.Errorf("read dead letter %s: %w", id, err)
	}
	if err := decode("dead letter "+id, body, &d); err != nil {
		return d, err
	}
	d.Data, err = expand("dead letter "+id, packed)
	return d, err
}

type letterPlace struct {
	At int64  `json:"a"`
	ID string `json:"i"`
}

// ListDeadLetters lists them without data, newest first.
func (s *Store) ListDeadLetters(ctx context.Context, p store.PageRequest) (page store.Page[store.DeadLetter], err error) {
	defer s.metrics.Request("qrie_dead_letters", "list")(&err)
	at := letterPlace{At: math.MaxInt64}
	if p.Token != "" {
		if err := s.signer.Open("dead_letters", p.Bound(""), p.Token, &at); err != nil {
			return page, err
		}
	}
	size := p.PageSize()
	rows, err := s.db.Query(ctx, "SELECT body FROM qrie_dead_letters WHERE (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?", at.At, at.ID, size+1)
	page.Items, err = collect(rows, err, func(r *sql.Rows) (d store.DeadLetter, err error) {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return d, err
		}
		return d, decode("a dead letter", body, &d)
	})
	if err != nil {
		return page, fmt.Errorf("list dead letters: %w", err)
	}
	if len(page.Items) > size {
		page.Items = page.Items[:size]
		last := page.Items[size-1]
		page.Next, err = s.signer.Seal("dead_letters", p.Bound(""), letterPlace{nanos(last.At), last.ID})
	}
	return page, err
}

// DeleteDeadLetter removes one; one that is not there is ErrNotFound.
func (s *Store) DeleteDeadLetter(ctx context.Context, id string) (err error) {
	defer s.metrics.Request("qrie_dead_letters", "delete")(&err)
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if err := deleteOne(tx, "dead letter "+id, "DELETE FROM qrie_dead_letters WHERE id = ?", id); err != nil {
			return err
		}
		return addOne(tx, byLetter, -1)
	})
}

// CountDeadLetters reads the counter.
func (s *Store) CountDeadLetters(ctx context.Context) (n int64, err error) {
	defer s.metrics.Request("qrie_dead_letters", "count")(&err)
	err = s.db.QueryRow(ctx, "SELECT count FROM qrie_counters WHERE dimension = ? AND account = '' AND name = '' AND part = ''", string(byLetter)).Scan(&n)
	if absent(err) {
		return 0, nil
	}
	return n, err
}
