package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
)

// HealthState is what can be wrong with an account, or with reading a resource
// type in it.
type HealthState string

// The states. An account with no condition is well.
const (
	RoleDenied HealthState = "role_denied" // its role cannot be assumed
	Denied     HealthState = "denied"      // an IAM action lacks
	Throttled  HealthState = "throttled"   // AWS asks for patience
	MassDelete HealthState = "mass_delete" // too many resources are gone at once: the deletions are held
)

// HealthStates are all there are, the worst first: an account's one word is the
// first that holds.
var HealthStates = []HealthState{RoleDenied, MassDelete, Denied, Throttled}

// Condition is one thing that is wrong. An account has one of a type and state
// at the most.
type Condition struct {
	Type      string // resource type; empty: the account as a whole
	State     HealthState
	Reason    string // for people, cut to MaxReason bytes
	Action    string // the IAM action that lacks, if one does
	Since     time.Time
	UpdatedAt time.Time
	Released  time.Time // when somebody let held deletions through; zero: nobody did
}

// Bounds of the health of one account.
const (
	MaxConditions = 200
	MaxReason     = 1000 // bytes
	MaxAction     = 200  // bytes, of a resource type too: all of an account's fit one row of any adapter
)

// AccountHealth is what is wrong with one account, by type and state.
type AccountHealth struct {
	Account    string
	Conditions []Condition
}

// Health is what is wrong with accounts. Writers of several conditions of one
// account do not undo one another.
type Health interface {
	// PutCondition adds a condition, or replaces that of its type and state,
	// which keeps its Since. What says nothing new is not written. It returns
	// the condition as it is stored. Past MaxConditions the one that was told of
	// the longest ago goes.
	PutCondition(ctx context.Context, account string, c Condition) (Condition, error)
	// ClearCondition removes a condition; none is no error.
	ClearCondition(ctx context.Context, account, resourceType string, state HealthState) error
	// Health reads what is wrong with up to MaxPage accounts. Those that are
	// well are not in the result.
	Health(ctx context.Context, accounts []string) (map[string][]Condition, error)
	// ListHealth gives the accounts with which something is wrong, by id.
	ListHealth(ctx context.Context, p PageRequest) (Page[AccountHealth], error)
}

// Unwell reads every account with which something is wrong, by id. Those that are
// well cost nothing.
func Unwell(ctx context.Context, h Health) (map[string][]Condition, error) {
	unwell := map[string][]Condition{}
	page := PageRequest{Size: MaxPage}
	for {
		found, err := h.ListHealth(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("read the health of the accounts: %w", err)
		}
		for _, a := range found.Items {
			unwell[a.Account] = a.Conditions
		}
		if page.Token = found.Next; page.Token == "" {
			return unwell, nil
		}
	}
}

// ReleaseDeletions lets the deletions of a resource type in an account through
// that are held. ErrNotFound if none are.
func ReleaseDeletions(ctx context.Context, h Health, account, resourceType string, now time.Time) (Condition, error) {
	found, err := h.Health(ctx, []string{account})
	if err != nil {
		return Condition{}, fmt.Errorf("read the health of account %s: %w", account, err)
	}
	for _, c := range found[account] {
		if c.Type == resourceType && c.State == MassDelete {
			c.Released, c.UpdatedAt = now, now
			return h.PutCondition(ctx, account, c)
		}
	}
	return Condition{}, fmt.Errorf("deletions of %s that are held in account %s: %w", resourceType, account, qrie.ErrNotFound)
}

// Valid reports what is wrong with a condition by itself.
func (c Condition) Valid(account string) error {
	if !slices.Contains(HealthStates, c.State) {
		return fmt.Errorf("condition of account %s: there is no state %q", account, c.State)
	}
	if !qrie.ValidAccountID(account) {
		return fmt.Errorf("account id %q is not twelve digits", account)
	}
	if c.Since.IsZero() || c.UpdatedAt.IsZero() {
		return fmt.Errorf("condition %s of account %s: it does not say when", c.State, account)
	}
	if len(c.Type) > MaxAction || len(c.Action) > MaxAction {
		return fmt.Errorf("condition %s of account %s: a text of it is too long", c.State, account)
	}
	return nil
}

// cutReason keeps what MaxReason allows of a text for people, in whole letters.
func cutReason(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), MaxReason)], "")
}

// With is the health after PutCondition, and the condition as it is in it;
// false if there is nothing to write.
func (h AccountHealth) With(c Condition) (AccountHealth, Condition, bool) {
	c.Reason = cutReason(c.Reason)
	c.Since, c.UpdatedAt = c.Since.UTC().Round(0), c.UpdatedAt.UTC().Round(0)
	if !c.Released.IsZero() {
		c.Released = c.Released.UTC().Round(0)
	}
	h.Conditions = slices.Clone(h.Conditions)
	at := h.index(c.Type, c.State)
	if at >= 0 {
		old := h.Conditions[at]
		c.Since = old.Since
		if old.Reason == c.Reason && old.Action == c.Action && old.Released.Equal(c.Released) {
			return h, old, false
		}
		h.Conditions[at] = c
		return h, c, true
	}
	h.Conditions = append(h.Conditions, c)
	if len(h.Conditions) > MaxConditions {
		oldest := slices.MinFunc(h.Conditions, func(a, b Condition) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
		h, _ = h.Without(oldest.Type, oldest.State)
	}
	slices.SortFunc(h.Conditions, func(a, b Condition) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.State, b.State)) })
	return h, c, true
}

// Without is the health after ClearCondition; false if there was none.
func (h AccountHealth) Without(resourceType string, state HealthState) (AccountHealth, bool) {
	at := h.index(resourceType, state)
	if at < 0 {
		return h, false
	}
	h.Conditions = slices.Delete(slices.Clone(h.Conditions), at, at+1)
	return h, true
}

func (h AccountHealth) index(resourceType string, state HealthState) int {
	return slices.IndexFunc(h.Conditions, func(c Condition) bool { return c.Type == resourceType && c.State == state })
}
