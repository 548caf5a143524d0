package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
)

// CloseAccount closes the resources of an account that is no longer watched:
// their findings resolve as account_removed, and what is stored of them is a
// tombstone, which goes after its retention. It returns how many, and tells
// progress (if it is not nil) so far after each page. ErrConflict if the account
// is watched, or is again. Cut short, it may be repeated.
func CloseAccount(ctx context.Context, s Store, account string, at time.Time, progress func(closed int)) (closed int, err error) {
	for {
		n, err := closePass(ctx, s, account, at, func(n int) {
			if progress != nil {
				progress(closed + n)
			}
		})
		// What a worker has stored meanwhile may stand before where the pass was.
		if closed += n; n == 0 || err != nil {
			return closed, err
		}
	}
}

// closePass reads the resources of an account once and closes them.
func closePass(ctx context.Context, s Store, account string, at time.Time, progress func(closed int)) (closed int, err error) {
	p := PageRequest{Size: MaxPage}
	for {
		if _, err := s.Account(ctx, account); !errors.Is(err, qrie.ErrNotFound) {
			if err == nil {
				err = qrie.ErrConflict
			}
			return closed, fmt.Errorf("account %s is watched: %w", account, err)
		}
		page, err := s.ListResources(ctx, ResourceQuery{Accounts: []string{account}}, p)
		if err != nil {
			return closed, fmt.Errorf("list the resources of account %s: %w", account, err)
		}
		for _, r := range page.Items {
			found, err := closeResource(ctx, s, r.Ref, at)
			if err != nil {
				return closed, err
			}
			if found {
				closed++
			}
		}
		progress(closed)
		// An adapter bounds what it reads for a page: one of nothing is not the
		// end.
		if p.Token = page.Next; p.Token == "" {
			return closed, nil
		}
	}
}

// closeResource leaves a tombstone of a resource; false if there was one. What
// changed meanwhile was found as well, and is left for the next time.
func closeResource(ctx context.Context, s Store, ref qrie.Ref, at time.Time) (found bool, err error) {
	stored, err := s.Resource(ctx, ref.ResourceID()) // and not its state, which may be old
	if errors.Is(err, qrie.ErrNotFound) || err == nil && stored.Deleted {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", ref, err)
	}
	err = s.Apply(ctx, removal(stored, at))
	if err != nil && !errors.Is(err, qrie.ErrConflict) && !errors.Is(err, qrie.ErrStale) {
		return false, fmt.Errorf("close %s: %w", ref, err)
	}
	return true, nil
}

// removal is the evaluation that closes a resource.
func removal(stored Resource, at time.Time) Evaluation {
	next := stored
	// Nothing was observed, and the clock of whoever removes an account is not that
	// of AWS: if the account is watched again, whatever is seen then is newer.
	next.ObservedAt = stored.ObservedAt.Add(1)
	next.Deleted, next.Document, next.Hash, next.DueAt = true, nil, "", time.Time{}
	next.Tags, next.Missing, next.Ties, next.Unfinished, next.Heads = nil, nil, "", false, map[string]Head{}
	next.Cause = qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, Note: "the account is no longer watched"}
	e := Evaluation{Base: stored.Version, Next: next, Changed: true, RemovedAt: at}
	for policy, h := range stored.Heads {
		if !h.Open {
			continue
		}
		finding := stored.Ref.FindingID(policy)
		e.Transitions = append(e.Transitions, qrie.Transition{
			ID: qrie.TransitionID(finding, stored.Version+1, h.Generation, qrie.Closed), Kind: qrie.Closed, Finding: finding,
			Ref: stored.Ref, Name: stored.Name, Policy: policy, Severity: h.Severity, Resolution: qrie.ResolvedAccountRemoved,
			Cause: next.Cause, At: at, Generation: h.Generation, Version: stored.Version + 1,
		})
	}
	return e
}
