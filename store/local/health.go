package local

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// accountHealth reads what is wrong with one account.
func accountHealth(tx *sqlite.Tx, account string) (h store.AccountHealth, err error) {
	var body []byte
	err = tx.QueryRow("SELECT body FROM qrie_health WHERE account = ?", account).Scan(&body)
	if absent(err) {
		return store.AccountHealth{Account: account}, nil
	}
	if err != nil {
		return h, fmt.Errorf("read the health of account %s: %w", account, err)
	}
	return h, decode("the health of account "+account, body, &h)
}

// putHealth writes what is wrong with an account; nothing removes the row.
func putHealth(tx *sqlite.Tx, h store.AccountHealth) error {
	if len(h.Conditions) == 0 {
		_, err := tx.Exec("DELETE FROM qrie_health WHERE account = ?", h.Account)
		return err
	}
	body, err := encode("the health of account "+h.Account, h)
	if err != nil {
		return err
	}
	_, err = tx.Exec("INSERT INTO qrie_health (account, body) VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET body = excluded.body", h.Account, body)
	return err
}

// PutCondition adds or replaces a condition.
func (s *Store) PutCondition(ctx context.Context, account string, c store.Condition) (written store.Condition, err error) {
	defer s.metrics.Request("qrie_health", "put")(&err)
	if err := c.Valid(account); err != nil {
		return c, err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		old, err := accountHealth(tx, account)
		if err != nil {
			return err
		}
		next, stored, changed := old.With(c)
		if written = stored; !changed {
			return nil
		}
		return putHealth(tx, next)
	})
	return written, err
}

// ClearCondition removes a condition.
func (s *Store) ClearCondition(ctx context.Context, account, resourceType string, state store.HealthState) (err error) {
	defer s.metrics.Request("qrie_health", "clear")(&err)
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		old, err := accountHealth(tx, account)
		if err != nil {
			return err
		}
		next, had := old.Without(resourceType, state)
		if !had {
			return nil
		}
		return putHealth(tx, next)
	})
}

func scanHealth(r *sql.Rows) (h store.AccountHealth, err error) {
	var body []byte
	if err := r.Scan(&body); err != nil {
		return h, err
	}
	return h, decode("the health of an account", body, &h)
}

// Health reads what is wrong with some accounts.
func (s *Store) Health(ctx context.Context, accounts []string) (health map[string][]store.Condition, err error) {
	defer s.metrics.Request("qrie_health", "get")(&err)
	health = map[string][]store.Condition{}
	for chunk := range slices.Chunk(accounts, maxAnchors) {
		args := make([]any, len(chunk))
		for i, id := range chunk {
			args[i] = id
		}
		rows, err := s.db.Query(ctx, "SELECT body FROM qrie_health WHERE account IN (?"+strings.Repeat(", ?", len(chunk)-1)+")", args...)
		some, err := collect(rows, err, scanHealth)
		if err != nil {
			return nil, fmt.Errorf("read the health of accounts: %w", err)
		}
		for _, h := range some {
			health[h.Account] = h.Conditions
		}
	}
	return health, nil
}

// ListHealth lists the accounts with which something is wrong.
func (s *Store) ListHealth(ctx context.Context, p store.PageRequest) (page store.Page[store.AccountHealth], err error) {
	defer s.metrics.Request("qrie_health", "list")(&err)
	after := ""
	if p.Token != "" {
		if err := s.signer.Open("health", p.Bound(""), p.Token, &after); err != nil {
			return page, err
		}
	}
	size := p.PageSize()
	rows, err := s.db.Query(ctx, "SELECT body FROM qrie_health WHERE account > ? ORDER BY account LIMIT ?", after, size+1)
	if page.Items, err = collect(rows, err, scanHealth); err != nil {
		return page, fmt.Errorf("list the health of accounts: %w", err)
	}
	if len(page.Items) > size {
		page.Items = page.Items[:size]
		page.Next, err = s.signer.Seal("health", p.Bound(""), page.Items[size-1].Account)
	}
	return page, err
}
