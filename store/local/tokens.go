package local

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// PutToken adds or replaces the token of an id.
func (s *Store) PutToken(ctx context.Context, t store.Token) (err error) {
	defer s.metrics.Request("qrie_tokens", "put")(&err)
	if err := cmp.Or(store.ValidName("API token", t.ID), store.ValidName("hash of an API token", t.Hash)); err != nil {
		return err
	}
	body, err := encode("token "+t.ID, t)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO qrie_tokens (id, hash, body) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, body = excluded.body`, t.ID, t.Hash, body)
		return err
	})
}

// Token finds a token by the hash of its secret.
func (s *Store) Token(ctx context.Context, hash string) (t store.Token, err error) {
	defer s.metrics.Request("qrie_tokens", "get")(&err)
	var body []byte
	err = s.db.QueryRow(ctx, "SELECT body FROM qrie_tokens WHERE hash = ?", hash).Scan(&body)
	if absent(err) {
		return t, fmt.Errorf("API token: %w", qrie.ErrNotFound)
	}
	if err != nil {
		return t, fmt.Errorf("read API token: %w", err)
	}
	t.Hash = hash
	return t, decode("API token", body, &t)
}

// ListTokens reads every token, by id.
func (s *Store) ListTokens(ctx context.Context) (all []store.Token, err error) {
	defer s.metrics.Request("qrie_tokens", "list")(&err)
	rows, err := s.db.Query(ctx, "SELECT hash, body FROM qrie_tokens ORDER BY id")
	all, err = collect(rows, err, func(r *sql.Rows) (t store.Token, err error) {
		var body []byte
		if err := r.Scan(&t.Hash, &body); err != nil {
			return t, err
		}
		return t, decode("API token", body, &t)
	})
	if err != nil {
		return nil, fmt.Errorf("list API tokens: %w", err)
	}
	return all, nil
}

// DeleteToken forgets a token.
func (s *Store) DeleteToken(ctx context.Context, id string) (err error) {
	defer s.metrics.Request("qrie_tokens", "delete")(&err)
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		return deleteOne(tx, "API token "+id, "DELETE FROM qrie_tokens WHERE id = ?", id)
	})
}
