package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
)

// Exception suppresses findings. It overlays them and never changes their
// state: what it covers is still found, counted and told of.
type Exception struct {
	ID string
	// Policy, Resource (an id) and Account say which findings it covers: those
	// that meet each of them that is not empty. One at the least is set.
	Policy   string
	Resource string
	Account  string

	Owner     string // who answers for it
	Reason    string
	CreatedAt time.Time
	ExpiresAt time.Time // from then on it covers nothing; zero: never
	Revision  int64     // given by the store
}

// Exceptions are few: thousands at the most.
type Exceptions interface {
	// PutException writes x under a new revision and returns it so. Its own is
	// the one that it was read at; 0 means that it must not exist yet.
	// ErrExists, ErrNotFound or ErrConflict where that does not hold.
	PutException(ctx context.Context, x Exception) (Exception, error)
	Exception(ctx context.Context, id string) (Exception, error) // ErrNotFound
	// ListExceptions gives all of them, also those that ran out, by id.
	ListExceptions(ctx context.Context, p PageRequest) (Page[Exception], error)
	// DeleteException removes one that still has the revision. ErrNotFound,
	// ErrConflict.
	DeleteException(ctx context.Context, id string, revision int64) error
	// ExceptionsFor gives, for each of the findings in its place, the exceptions
	// that cover it at now, by id. It is meant for the findings of a page.
	ExceptionsFor(ctx context.Context, now time.Time, findings []qrie.Finding) ([][]Exception, error)
}

// Covers reports whether the exception suppresses the finding at now.
func (x Exception) Covers(f qrie.Finding, now time.Time) bool {
	return (x.Policy == "" || x.Policy == f.Policy) && (x.Account == "" || x.Account == f.Ref.Account) &&
		(x.Resource == "" || x.Resource == f.Ref.ResourceID()) && (x.ExpiresAt.IsZero() || now.Before(x.ExpiresAt))
}

// The bounds of an exception's texts, in bytes.
const (
	maxExceptionName = 256
	maxReason        = 4096
)

// Valid reports what is wrong with an exception by itself.
func (x Exception) Valid() error {
	bad := func(what string) error { return fmt.Errorf("exception %q: %s", x.ID, what) }
	switch {
	case x.ID == "" || len(x.ID) > maxExceptionName:
		return bad(fmt.Sprintf("it needs an id of at most %d bytes", maxExceptionName))
	case x.Policy == "" && x.Resource == "" && x.Account == "":
		return bad("it covers everything; name a policy, a resource or an account")
	case len(x.Policy) > maxExceptionName || len(x.Resource) > maxExceptionName:
		return bad("the name of what it covers is too long")
	case x.Account != "" && !qrie.ValidAccountID(x.Account):
		return bad(fmt.Sprintf("account id %q is not twelve digits", x.Account))
	case x.Owner == "" || len(x.Owner) > maxExceptionName:
		return bad(fmt.Sprintf("it needs an owner, of at most %d bytes", maxExceptionName))
	case x.Reason == "" || len(x.Reason) > maxReason:
		return bad(fmt.Sprintf("it needs a reason, of at most %d bytes", maxReason))
	case !x.ExpiresAt.IsZero() && !x.ExpiresAt.After(x.CreatedAt):
		return bad("it expires before it begins")
	}
	return nil
}

// Admit decides whether an exception may be written over the stored revision (0:
// none is stored), as PutException and DeleteException promise.
func (x Exception) Admit(stored int64) error { return admit("exception "+x.ID, x.Revision, stored) }

// admit holds the revision at which something was read (0: it was not there)
// against the one that is stored (0: it is not there).
func admit(what string, read, stored int64) error {
	switch {
	case read == stored:
		return nil
	case read == 0:
		return fmt.Errorf("%s: %w", what, qrie.ErrExists)
	case stored == 0:
		return fmt.Errorf("%s: %w", what, qrie.ErrNotFound)
	}
	return fmt.Errorf("%s was read at another revision: %w", what, qrie.ErrConflict)
}

// Anchor is what an exception is found by: the narrowest part of its scope. All
// that can cover a finding are under one of the finding's Anchors.
func (x Exception) Anchor() string {
	switch {
	case x.Resource != "":
		return resourceAnchor + x.Resource
	case x.Account != "":
		return accountAnchor + x.Account
	}
	return policyAnchor + x.Policy
}

const (
	resourceAnchor = "resource#"
	accountAnchor  = "account#"
	policyAnchor   = "policy#"
)

// Anchors are those of some findings, each once.
func Anchors(findings []qrie.Finding) (out []string) {
	for _, f := range findings {
		out = append(out, resourceAnchor+f.Ref.ResourceID(), accountAnchor+f.Ref.Account, policyAnchor+f.Policy)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Covering picks, for each finding, the exceptions that cover it.
func Covering(all []Exception, now time.Time, findings []qrie.Finding) [][]Exception {
	slices.SortFunc(all, func(a, b Exception) int { return cmp.Compare(a.ID, b.ID) })
	out := make([][]Exception, len(findings))
	for i, f := range findings {
		for _, x := range all {
			if x.Covers(f, now) {
				out[i] = append(out[i], x)
			}
		}
	}
	return out
}
