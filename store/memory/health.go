package memory

import (
	"context"
	"slices"

	"github.com/qrie-sec/qrie/store"
)

// PutCondition implements store.Health.
func (s *Store) PutCondition(ctx context.Context, account string, c store.Condition) (store.Condition, error) {
	if err := c.Valid(account); err != nil {
		return c, err
	}
	return ask(ctx, s, "PutCondition "+account, func() (store.Condition, error) {
		old, _ := s.health.get(account) // none is well
		old.Account = account
		next, written, changed := old.With(c)
		if changed {
			s.health.put(account, next)
		}
		return written, nil
	})
}

// ClearCondition implements store.Health.
func (s *Store) ClearCondition(ctx context.Context, account, resourceType string, state store.HealthState) error {
	return s.do(ctx, "ClearCondition "+account, func() error {
		old, _ := s.health.get(account)
		next, had := old.Without(resourceType, state)
		switch {
		case !had:
			return nil
		case len(next.Conditions) == 0:
			return s.health.remove(account)
		}
		s.health.put(account, next)
		return nil
	})
}

// Health implements store.Health.
func (s *Store) Health(ctx context.Context, accounts []string) (map[string][]store.Condition, error) {
	return ask(ctx, s, "Health", func() (map[string][]store.Condition, error) {
		out := map[string][]store.Condition{}
		for _, id := range accounts {
			if h, err := s.health.get(id); err == nil {
				out[id] = slices.Clone(h.Conditions)
			}
		}
		return out, nil
	})
}

// ListHealth implements store.Health.
func (s *Store) ListHealth(ctx context.Context, p store.PageRequest) (store.Page[store.AccountHealth], error) {
	return ask(ctx, s, "ListHealth", func() (store.Page[store.AccountHealth], error) {
		all := cloneAll(s.health.values, func(h store.AccountHealth) store.AccountHealth {
			h.Conditions = slices.Clone(h.Conditions)
			return h
		})
		return cut(s.signer, "health", "", p, all, func(h store.AccountHealth) place { return place{Third: h.Account} })
	})
}
