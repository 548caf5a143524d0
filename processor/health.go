package processor

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// health is what is wrong with accounts, as the store has it and every worker
// sees it: it outlives the worker that found it out. It is safe for concurrent
// use.
type health struct {
	store store.Health
	now   func() time.Time
	log   *slog.Logger

	mu    sync.RWMutex
	known map[condition]store.Condition
}

// condition names a condition.
type condition struct {
	circuitKey
	state store.HealthState
}

// healthEvery is how soon a worker hears of what another found out.
const healthEvery = 10 * time.Second

// reload reads what is wrong.
func (h *health) reload(ctx context.Context) error {
	unwell, err := store.Unwell(ctx, h.store)
	if err != nil {
		return err
	}
	known := map[condition]store.Condition{}
	for account, conditions := range unwell {
		for _, c := range conditions {
			known[condition{circuitKey{account, c.Type}, c.State}] = c
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known = known
	return nil
}

func (h *health) has(k circuitKey, state store.HealthState) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	_, ok := h.known[condition{k, state}]
	return ok
}

// put notes what is wrong. It is written once: that it goes on being wrong is
// nothing new.
func (h *health) put(ctx context.Context, account string, c store.Condition) error {
	k := condition{circuitKey{account, c.Type}, c.State}
	if h.has(k.circuitKey, c.State) {
		return nil
	}
	c, err := h.store.PutCondition(ctx, account, c)
	if err != nil {
		return fmt.Errorf("note that account %s is in state %s: %w", account, c.State, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil {
		h.known = map[condition]store.Condition{}
	}
	h.known[k] = c
	return nil
}

// clear notes that something is well again. A failure leaves it known, so that
// the next good call tries once more.
func (h *health) clear(ctx context.Context, k circuitKey, state store.HealthState) {
	if !h.has(k, state) {
		return
	}
	if err := h.store.ClearCondition(ctx, k.account, k.resourceType, state); err != nil {
		h.log.Warn("an account is well again and shown otherwise for a while", "account", k.account, "state", state, "error", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.known, condition{k, state})
}

// released reports whether somebody has let the deletions of a type go through.
func (h *health) released(ctx context.Context, k circuitKey) (bool, error) {
	if !h.has(k, store.MassDelete) {
		return false, nil
	}
	found, err := h.store.Health(ctx, []string{k.account})
	if err != nil {
		return false, fmt.Errorf("read the health of account %s: %w", k.account, err)
	}
	for _, c := range found[k.account] {
		if c.Type == k.resourceType && c.State == store.MassDelete {
			return !c.Released.IsZero() && h.now().Sub(c.Released) < guardRelease, nil
		}
	}
	return false, nil
}

// count tells how many accounts are in which state, each counted once by the
// worst.
func (h *health) count() map[store.HealthState]int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	states := map[string]map[store.HealthState]bool{}
	for k := range h.known {
		if states[k.account] == nil {
			states[k.account] = map[store.HealthState]bool{}
		}
		states[k.account][k.state] = true
	}
	counts := map[store.HealthState]int{}
	for _, of := range states {
		for _, state := range store.HealthStates {
			if of[state] {
				counts[state]++
				break
			}
		}
	}
	return counts
}

// answered notes in the account's health that a call went well, and what that
// says of the others.
func (s *session) answered(ctx context.Context, ref qrie.Ref, l *limiter) {
	s.w.health.clear(ctx, circuitKey{ref.Account, ""}, store.RoleDenied)
	k := circuitKey{ref.Account, ref.Type}
	s.w.health.clear(ctx, k, store.Denied)
	if l == nil || l.pace() >= l.most/2 {
		s.w.health.clear(ctx, k, store.Throttled)
	}
}

// slow is the part of its greatest rate at which a limiter is worth telling of.
const slow = 8

// refused notes in the account's health what a breaker or a limiter made of a
// refusal. What cannot be noted now is noted with the next refusal.
func (s *session) refused(ctx context.Context, account string, c store.Condition) {
	c.Since, c.UpdatedAt = s.w.Now(), s.w.Now()
	if err := s.w.health.put(ctx, account, c); err != nil && ctx.Err() == nil {
		s.w.Log.Warn("health of an account is not up to date", "account", account, "error", err)
	}
}
