package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Finding implements store.Findings.
func (s *Store) Finding(ctx context.Context, id string) (qrie.Finding, error) {
	return ask(ctx, s, "Finding "+id, func() (qrie.Finding, error) {
		f, ok := s.findings[id]
		if !ok {
			return qrie.Finding{}, fmt.Errorf("finding %s: %w", id, qrie.ErrNotFound)
		}
		return s.joined(f), nil
	})
}

// joined is a copy of a finding with what is kept on its resource.
func (s *state) joined(f finding) qrie.Finding {
	out := cloneFinding(f.Finding)
	if r, ok := s.resources[f.resource]; ok {
		store.Join(&out, &r.Resource)
	} else {
		store.Join(&out, nil)
	}
	return out
}

// ListFindings implements store.Findings.
func (s *Store) ListFindings(ctx context.Context, q store.FindingQuery, p store.PageRequest) (store.Page[qrie.Finding], error) {
	q = q.Normal()
	name := fmt.Sprint("ListFindings ", q.Accounts, q.Policies, q.Resource, p.Token)
	return ask(ctx, s, name, func() (page store.Page[qrie.Finding], err error) {
		var found []qrie.Finding
		for _, f := range s.findings {
			if meetsFinding(q, f) {
				found = append(found, f.Finding)
			}
		}
		page, err = cut(s.signer, "findings", q, p, found, placeOfFinding)
		for i, f := range page.Items {
			f.Evidence = qrie.Evidence{}
			page.Items[i] = s.joined(finding{f, s.findings[f.ID].resource})
		}
		return page, err
	})
}

func meetsFinding(q store.FindingQuery, f finding) bool {
	return among(q.States, f.State) && among(q.Policies, f.Policy) && among(q.Accounts, f.Ref.Account) && among(q.Services, f.Ref.Service()) &&
		among(q.Types, f.Ref.Type) && among(q.Regions, f.Ref.Region) && among(q.Bands, f.Severity.Band()) &&
		(q.Resource == "" || q.Resource == f.resource) &&
		(q.Text == "" || strings.Contains(store.Haystack(f.Ref.ARN, f.Name, f.Summary), q.Text)) &&
		!f.OpenedAt.Before(q.OpenedFrom)
}

// ListTransitions implements store.Findings.
func (s *Store) ListTransitions(ctx context.Context, finding, resource string, p store.PageRequest) (page store.Page[qrie.Transition], err error) {
	if (finding == "") == (resource == "") {
		return page, errors.New("list transitions: name either a finding or a resource")
	}
	return ask(ctx, s, "ListTransitions "+finding+resource, func() (page store.Page[qrie.Transition], err error) {
		var found []qrie.Transition
		for _, t := range s.history {
			if t.Finding == finding || t.resource == resource {
				found = append(found, t.Transition)
			}
		}
		page, err = cut(s.signer, "transitions", finding+resource, p, found, placeOfTransition)
		page.Items = cloneAll(page.Items, cloneTransition)
		return page, err
	})
}

// Changes implements store.Findings.
func (s *Store) Changes(ctx context.Context, after int64, limit int) ([]qrie.Transition, int64, error) {
	type answer struct {
		changes []qrie.Transition
		newest  int64
	}
	a, err := ask(ctx, s, "Changes", func() (answer, error) {
		a := answer{newest: s.seq}
		for _, t := range s.history {
			if t.Seq > after && len(a.changes) < limit {
				t.Evidence = qrie.Evidence{}
				a.changes = append(a.changes, cloneTransition(t.Transition))
			}
		}
		return a, nil
	})
	return a.changes, a.newest, err
}

// Outbox implements store.Findings.
func (s *Store) Outbox(ctx context.Context, limit int) ([]qrie.Transition, error) {
	return ask(ctx, s, "Outbox", func() (waiting []qrie.Transition, err error) {
		for _, t := range s.history {
			if t.waiting && len(waiting) < limit {
				waiting = append(waiting, cloneTransition(t.Transition))
			}
		}
		return waiting, nil
	})
}

// Delivered implements store.Findings.
func (s *Store) Delivered(ctx context.Context, ids []string) error {
	ids = slices.Clone(ids)
	return s.do(ctx, "Delivered", func() error {
		for i := range s.history {
			if slices.Contains(ids, s.history[i].ID) {
				s.history[i].waiting = false
			}
		}
		return nil
	})
}
