package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// healthPart holds the accounts with which something is wrong.
const healthPart = "health"

func (s *Store) health(it item) (h store.AccountHealth, err error) {
	return h, s.pack.decode("the health of account "+it.str("AccountId"), it.bytes("Body"), &h)
}

// PutCondition adds or replaces a condition.
func (s *Store) PutCondition(ctx context.Context, account string, c store.Condition) (written store.Condition, err error) {
	defer s.metrics.Request("qrie_accounts", "put_condition")(&err)
	if err := c.Valid(account); err != nil {
		return c, err
	}
	err = s.changeHealth(ctx, account, func(old store.AccountHealth) (next store.AccountHealth, changed bool) {
		next, written, changed = old.With(c)
		return next, changed
	})
	return written, err
}

// ClearCondition removes a condition.
func (s *Store) ClearCondition(ctx context.Context, account, resourceType string, state store.HealthState) (err error) {
	defer s.metrics.Request("qrie_accounts", "clear_condition")(&err)
	if !qrie.ValidAccountID(account) {
		return nil // nothing is stored of it
	}
	return s.changeHealth(ctx, account, func(old store.AccountHealth) (store.AccountHealth, bool) {
		return old.Without(resourceType, state)
	})
}

// changeHealth reads, changes and writes until nobody came between.
func (s *Store) changeHealth(ctx context.Context, account string, change func(store.AccountHealth) (store.AccountHealth, bool)) error {
	for n := 1; ; n++ {
		it, err := s.get(ctx, accountsTable, healthPart, account)
		if err != nil {
			return fmt.Errorf("read the health of account %s: %w", account, err)
		}
		old := store.AccountHealth{Account: account}
		if it != nil {
			if old, err = s.health(it); err != nil {
				return err
			}
		}
		next, changed := change(old)
		if !changed {
			return nil
		}
		condition, values := unchangedSince(it.num("Revision"))
		if len(next.Conditions) == 0 {
			err = s.remove(ctx, accountsTable, healthPart, account, condition, values)
		} else {
			row := s.row(accountsTable, healthPart, account)
			row["Revision"] = number(1 + rand.Int64N(1<<62))
			if row["Body"], err = s.pack.encode("the health of account "+account, next); err != nil {
				return err
			}
			err = s.put(ctx, accountsTable, row, condition, values)
		}
		if !errors.Is(err, errCondition) {
			return err
		}
		if n >= s.attempts {
			return fmt.Errorf("health of account %s: it changed %d times meanwhile: %w", account, n, qrie.ErrConflict)
		}
		if err := s.pause(ctx, n); err != nil {
			return err
		}
	}
}

// Health reads what is wrong with some accounts.
func (s *Store) Health(ctx context.Context, accounts []string) (health map[string][]store.Condition, err error) {
	defer s.metrics.Request("qrie_accounts", "health")(&err)
	var keys []key
	for _, id := range accounts {
		if qrie.ValidAccountID(id) {
			keys = append(keys, key{healthPart, id})
		}
	}
	rows, err := s.many(ctx, accountsTable, keys, "")
	if err != nil {
		return nil, fmt.Errorf("read the health of accounts: %w", err)
	}
	health = map[string][]store.Condition{}
	for k, it := range rows {
		h, err := s.health(it)
		if err != nil {
			return nil, err
		}
		health[k.sk] = h.Conditions
	}
	return health, nil
}

// ListHealth lists the accounts with which something is wrong.
func (s *Store) ListHealth(ctx context.Context, p store.PageRequest) (page store.Page[store.AccountHealth], err error) {
	defer s.metrics.Request("qrie_accounts", "list_health")(&err)
	size := p.PageSize()
	st := stretch{table: accountsTable, pk: healthPart, limit: size + 1}
	if p.Token != "" {
		after := ""
		if err := s.signer.Open("health", p.Bound(""), p.Token, &after); err != nil {
			return page, err
		}
		st.low = following(after)
	}
	for done := false; !done && len(page.Items) <= size; {
		var rows []item
		var last string
		if rows, last, done, err = s.read(ctx, st); err != nil {
			return page, fmt.Errorf("list the health of accounts: %w", err)
		}
		for _, it := range rows {
			h, err := s.health(it)
			if err != nil {
				return page, err
			}
			page.Items = append(page.Items, h)
		}
		st.low = following(last)
	}
	if len(page.Items) > size {
		page.Items = page.Items[:size]
		page.Next, err = s.signer.Seal("health", p.Bound(""), page.Items[size-1].Account)
	}
	return page, err
}
