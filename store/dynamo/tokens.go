package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// A token is kept twice: in a list, and under its hash, by which each request
// finds it.
const (
	tokensPart = "tokens"
	hashPart   = "hash#"
)

// PutToken adds or replaces the token of an id.
func (s *Store) PutToken(ctx context.Context, t store.Token) (err error) {
	defer s.metrics.Request("qrie_tokens", "put")(&err)
	if err := cmp.Or(store.ValidName("API token", t.ID), store.ValidName("hash of an API token", t.Hash)); err != nil {
		return err
	}
	body, err := s.pack.encode("API token "+t.ID, t)
	if err != nil {
		return err
	}
	old, err := s.get(ctx, tokensTable, tokensPart, t.ID)
	if err != nil {
		return err
	}
	tx := &transaction{c: s.client}
	for _, row := range []item{s.row(tokensTable, tokensPart, t.ID), s.row(tokensTable, hashPart+t.Hash, "-")} {
		row["Hash"], row["Body"] = text(t.Hash), body
		tx.put(tokensTable, row, "", nil)
	}
	if was := old.str("Hash"); was != "" && was != t.Hash {
		tx.remove(tokensTable, hashPart+was, "-", "", nil)
	}
	if err := tx.commit(ctx); err != nil {
		return fmt.Errorf("keep API token %s: %w", t.ID, err)
	}
	return nil
}

func (s *Store) token(it item) (t store.Token, err error) {
	err = s.pack.decode("API token", it.bytes("Body"), &t)
	t.Hash = it.str("Hash")
	return t, err
}

// Token finds a token by the hash of its secret.
func (s *Store) Token(ctx context.Context, hash string) (t store.Token, err error) {
	defer s.metrics.Request("qrie_tokens", "get")(&err)
	missing := fmt.Errorf("API token: %w", qrie.ErrNotFound)
	if !keyable(hash) {
		return t, missing
	}
	it, err := s.get(ctx, tokensTable, hashPart+hash, "-")
	if err != nil {
		return t, fmt.Errorf("read API token: %w", err)
	}
	if it == nil {
		return t, missing
	}
	return s.token(it)
}

// ListTokens reads every token, by id.
func (s *Store) ListTokens(ctx context.Context) (all []store.Token, err error) {
	defer s.metrics.Request("qrie_tokens", "list")(&err)
	err = s.all(ctx, stretch{table: tokensTable, pk: tokensPart}, func(it item) error {
		t, err := s.token(it)
		all = append(all, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list API tokens: %w", err)
	}
	return all, nil
}

// DeleteToken forgets a token.
func (s *Store) DeleteToken(ctx context.Context, id string) (err error) {
	defer s.metrics.Request("qrie_tokens", "delete")(&err)
	missing := fmt.Errorf("API token %s: %w", id, qrie.ErrNotFound)
	if !keyable(id) {
		return missing
	}
	old, err := s.get(ctx, tokensTable, tokensPart, id)
	if err != nil {
		return fmt.Errorf("read API token %s: %w", id, err)
	}
	if old == nil {
		return missing
	}
	hash := old.str("Hash")
	tx := &transaction{c: s.client}
	tx.remove(tokensTable, tokensPart, id, "#Hash = :h", item{":h": text(hash)})
	tx.remove(tokensTable, hashPart+hash, "-", "", nil)
	err = tx.commit(ctx)
	if errors.Is(err, errCondition) {
		return missing
	}
	return err
}
