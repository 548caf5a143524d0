package processor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/store"
)

// board is every launched policy at one generation, bound and ready to run.
// It is immutable.
type board struct {
	generation int64
	launches   map[string]qrie.Launch
	programs   map[string][]program // active ones, by resource type
	// foreign are the types of which a policy is defined otherwise than in this
	// version: a worker of another version judges those, and this one leaves
	// their verdicts as they are.
	foreign      map[string]bool
	foreignSince time.Time // since when there is any without a break
}

type program struct {
	policy *policies.Policy
	launch qrie.Launch
	run    *policies.Program
}

// desk keeps what changes rarely and is read by every job: the board and the
// accounts. It is safe for concurrent use.
type desk struct {
	store     store.Store
	catalogue *policies.Set
	now       func() time.Time
	log       *slog.Logger

	mu       sync.RWMutex
	board    *board
	accounts map[string]qrie.Account // nil: not read yet
	stamp    int64                   // of the accounts, as they were read
	broken   map[string]bool         // launches that cannot be bound, reported once
}

func (d *desk) current() *board {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.board
}

func (d *desk) account(id string) (qrie.Account, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	a, ok := d.accounts[id]
	return a, ok
}

// accountNow reads the accounts again before it says that one is not watched: it
// may be watched since a moment ago, and what is not read then no event may ever
// tell.
func (d *desk) accountNow(ctx context.Context, id string) (a qrie.Account, ok bool, err error) {
	if a, ok = d.account(id); ok {
		return a, true, nil
	}
	if err := d.reload(ctx); err != nil {
		return a, false, err
	}
	a, ok = d.account(id)
	return a, ok, nil
}

func (d *desk) allAccounts() []qrie.Account {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make([]qrie.Account, 0, len(d.accounts))
	for _, a := range d.accounts {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b qrie.Account) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// reload reads launches, and the accounts if any has changed. Programs of
// unchanged launches are kept.
func (d *desk) reload(ctx context.Context) error {
	set, err := d.store.LaunchSet(ctx)
	if err != nil {
		return fmt.Errorf("read launches: %w", err)
	}
	if err := d.reloadAccounts(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.board != nil && d.board.generation == set.Generation {
		return nil
	}
	if d.board != nil && d.board.generation > set.Generation {
		return nil // a slower read: a newer board stands already
	}
	next := d.bind(set)
	if len(next.foreign) > 0 {
		next.foreignSince = d.now()
		if d.board != nil && len(d.board.foreign) > 0 {
			next.foreignSince = d.board.foreignSince
		}
	}
	d.board = next
	return nil
}

func (d *desk) reloadAccounts(ctx context.Context) error {
	// Before the accounts: what changes between is read once more.
	stamp, err := d.store.AccountsStamp(ctx)
	if err != nil {
		return fmt.Errorf("read the stamp of the accounts: %w", err)
	}
	d.mu.RLock()
	current := d.accounts != nil && d.stamp == stamp
	d.mu.RUnlock()
	if current {
		return nil
	}
	accounts, err := d.store.ListAccounts(ctx)
	if err != nil {
		return fmt.Errorf("read accounts: %w", err)
	}
	byID := make(map[string]qrie.Account, len(accounts))
	for _, a := range accounts {
		byID[a.ID] = a
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.accounts == nil || stamp >= d.stamp { // else a newer reading stands already
		d.accounts, d.stamp = byID, stamp
	}
	return nil
}

func (d *desk) bind(set qrie.LaunchSet) *board {
	b := &board{generation: set.Generation, launches: map[string]qrie.Launch{}, programs: map[string][]program{}, foreign: map[string]bool{}}
	for _, l := range set.Launches {
		b.launches[l.Policy] = l
		if l.Status != qrie.LaunchActive {
			continue
		}
		policy, ok := d.catalogue.Get(l.Policy)
		if !ok {
			d.report(l.Policy, fmt.Errorf("this version has no policy of that id; its findings stay as they are"))
			continue
		}
		if l.Definition != "" && l.Definition != policy.Definition() {
			b.foreign[policy.ResourceType] = true
			continue
		}
		run, err := policy.Bind(l)
		if err != nil {
			d.report(l.Policy, err)
			continue
		}
		b.programs[policy.ResourceType] = append(b.programs[policy.ResourceType], program{policy: policy, launch: l, run: run})
	}
	return b
}

func (d *desk) report(policy string, err error) {
	if d.broken[policy] {
		return
	}
	if d.broken == nil {
		d.broken = map[string]bool{}
	}
	d.broken[policy] = true
	d.log.Error("launched policy cannot be evaluated", "policy", policy, "error", err)
}
