package memory

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// PutAccount implements store.Accounts.
func (s *Store) PutAccount(ctx context.Context, a qrie.Account) error {
	if !qrie.ValidAccountID(a.ID) {
		return fmt.Errorf("account id %q is not twelve digits", a.ID)
	}
	a = cloneAccount(a)
	return s.do(ctx, "PutAccount "+a.ID, func() error {
		if old, err := s.accounts.get(a.ID); err != nil || !reflect.DeepEqual(old, a) {
			s.accounts.put(a.ID, a)
			s.stamp++
		}
		return nil
	})
}

// AccountsStamp implements store.Accounts.
func (s *Store) AccountsStamp(ctx context.Context) (int64, error) {
	return ask(ctx, s, "AccountsStamp", func() (int64, error) { return s.stamp, nil })
}

// Account implements store.Accounts.
func (s *Store) Account(ctx context.Context, id string) (qrie.Account, error) {
	return ask(ctx, s, "Account "+id, func() (qrie.Account, error) {
		a, err := s.accounts.get(id)
		return cloneAccount(a), err
	})
}

// ListAccounts implements store.Accounts.
func (s *Store) ListAccounts(ctx context.Context) ([]qrie.Account, error) {
	return ask(ctx, s, "ListAccounts", func() ([]qrie.Account, error) {
		return cloneAll(s.accounts.values, cloneAccount), nil
	})
}

// DeleteAccount implements store.Accounts.
func (s *Store) DeleteAccount(ctx context.Context, id string) error {
	return s.do(ctx, "DeleteAccount "+id, func() error {
		if err := s.accounts.remove(id); err != nil {
			return err
		}
		_ = s.health.remove(id) // most are well
		s.stamp++
		return nil
	})
}

// LaunchSet implements store.Launches.
func (s *Store) LaunchSet(ctx context.Context) (qrie.LaunchSet, error) {
	return ask(ctx, s, "LaunchSet", func() (qrie.LaunchSet, error) {
		return qrie.LaunchSet{Generation: s.generation, Launches: cloneAll(s.launches.values, cloneLaunch)}, nil
	})
}

// PutLaunch implements store.Launches.
func (s *Store) PutLaunch(ctx context.Context, l qrie.Launch, base int64) (qrie.Launch, error) {
	if err := store.ValidName("policy", l.Policy); err != nil {
		return l, err
	}
	l = cloneLaunch(l)
	return ask(ctx, s, "PutLaunch "+l.Policy, func() (qrie.Launch, error) {
		if base != 0 {
			if err := s.unchanged(l.Policy, base); err != nil {
				return l, err
			}
		} else if s.launches.has(l.Policy) {
			return l, fmt.Errorf("policy %s is launched: %w", l.Policy, qrie.ErrExists)
		}
		s.generation++
		written := l
		written.Generation = s.generation
		s.launches.put(l.Policy, written)
		return cloneLaunch(written), nil
	})
}

// DeleteLaunch implements store.Launches.
func (s *Store) DeleteLaunch(ctx context.Context, policy string, base int64) (int64, error) {
	return ask(ctx, s, "DeleteLaunch "+policy, func() (int64, error) {
		if err := s.unchanged(policy, base); err != nil {
			return 0, err
		}
		s.generation++
		return s.generation, s.launches.remove(policy)
	})
}

// unchanged checks that a launch is still as it was read.
func (s *state) unchanged(policy string, base int64) error {
	stored, err := s.launches.get(policy)
	if err != nil {
		return err
	}
	if stored.Generation != base {
		return fmt.Errorf("launch of %s was read at generation %d and is at %d: %w", policy, base, stored.Generation, qrie.ErrConflict)
	}
	return nil
}

// findingsOf are up to limit findings of a policy in a state, in their order.
func (s *state) findingsOf(policy string, in qrie.State, limit int) (found []finding) {
	for _, f := range s.findings {
		if f.Policy == policy && f.State == in {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, by(func(f finding) place { return placeOfFinding(f.Finding) }))
	return found[:min(len(found), limit)]
}

// PurgeFindings implements store.Launches.
func (s *Store) PurgeFindings(ctx context.Context, policy string, limit int) (int, error) {
	return ask(ctx, s, "PurgeFindings "+policy, func() (int, error) {
		if s.launches.has(policy) {
			return 0, fmt.Errorf("forget findings of %s: it is launched: %w", policy, qrie.ErrConflict)
		}
		resolved := s.findingsOf(policy, qrie.Resolved, limit)
		var tally store.Tally
		for _, f := range resolved {
			tally.Finding(f.Finding, qrie.Finding{})
			delete(s.findings, f.ID)
		}
		s.count(&tally)
		return len(resolved), nil
	})
}

// CloseFindings implements store.Launches.
func (s *Store) CloseFindings(ctx context.Context, policy string, why qrie.Resolution, at time.Time, limit int) (int, error) {
	return ask(ctx, s, "CloseFindings "+policy, func() (int, error) {
		if s.launches.has(policy) {
			return 0, fmt.Errorf("close findings of %s: it is launched: %w", policy, qrie.ErrConflict)
		}
		active := s.findingsOf(policy, qrie.Active, limit)
		var tally store.Tally
		for _, f := range active {
			old := s.resources[f.resource]
			next, t := store.Forget(old.Resource, f.Finding, why, s.generation, at)
			if old.Version > 0 {
				tally.Resource(old.Resource, next)
				s.write(f.resource, resource{next, old.versions})
			}
			s.transit(f.resource, cloneTransition(t), &tally)
		}
		s.count(&tally)
		return len(active), nil
	})
}
