package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// ResourceState implements store.Resources.
func (s *Store) ResourceState(ctx context.Context, ref qrie.Ref) (store.Resource, error) {
	return ask(ctx, s, "ResourceState "+ref.Key(), func() (store.Resource, error) {
		r := s.resources[ref.ResourceID()].Resource
		if r.Version == 0 {
			return r, fmt.Errorf("%s: %w", ref, qrie.ErrNotFound)
		}
		r.Document, r.Cause = nil, qrie.Cause{}
		return cloneResource(r), nil
	})
}

// Resource implements store.Resources.
func (s *Store) Resource(ctx context.Context, id string) (store.Resource, error) {
	return ask(ctx, s, "Resource "+id, func() (store.Resource, error) {
		r := s.resources[id].Resource
		if r.Version == 0 {
			return r, fmt.Errorf("resource %s: %w", id, qrie.ErrNotFound)
		}
		return cloneResource(r), nil
	})
}

// ListResources implements store.Resources.
func (s *Store) ListResources(ctx context.Context, q store.ResourceQuery, p store.PageRequest) (store.Page[store.Resource], error) {
	q = q.Normal()
	name := fmt.Sprint("ListResources ", q.Accounts, q.Types, q.Regions, p.Token)
	return ask(ctx, s, name, func() (page store.Page[store.Resource], err error) {
		var found []store.Resource
		for _, r := range s.resources {
			if meetsResource(q, r.Resource) {
				found = append(found, r.Resource)
			}
		}
		page, err = cut(s.signer, "resources", q, p, found, placeOfResource)
		for i, r := range page.Items {
			if !q.WithDocument {
				r.Document = nil
			}
			page.Items[i] = cloneResource(r)
		}
		return page, err
	})
}

func meetsResource(q store.ResourceQuery, r store.Resource) bool {
	failing, _ := r.OpenFindings()
	return among(q.Accounts, r.Ref.Account) && among(q.Services, r.Ref.Service()) && among(q.Types, r.Ref.Type) && among(q.Regions, r.Ref.Region) &&
		(q.Text == "" || strings.Contains(store.Haystack(r.Name, r.Ref.ID, r.Ref.ARN), q.Text)) &&
		(q.Failing == nil || *q.Failing == (failing > 0)) &&
		(q.Deleted || !r.Deleted) &&
		(q.ListedBefore.IsZero() || r.ListedAt.Before(q.ListedBefore))
}

// among reports whether a filter lets a value through.
func among[T comparable](values []T, v T) bool {
	return len(values) == 0 || slices.Contains(values, v)
}

// ListVersions implements store.Resources.
func (s *Store) ListVersions(ctx context.Context, resource string, p store.PageRequest) (store.Page[store.Version], error) {
	return ask(ctx, s, "ListVersions "+resource, func() (page store.Page[store.Version], err error) {
		page, err = cut(s.signer, "versions", resource, p, slices.Clone(s.resources[resource].versions), placeOfVersion)
		for i, v := range page.Items {
			v.Document = nil
			page.Items[i] = cloneVersion(v)
		}
		return page, err
	})
}

// ResourceVersion implements store.Resources.
func (s *Store) ResourceVersion(ctx context.Context, resource string, version int64) (store.Version, error) {
	return ask(ctx, s, "ResourceVersion "+resource, func() (store.Version, error) {
		for _, v := range s.resources[resource].versions {
			if v.Version == version {
				return cloneVersion(v), nil
			}
		}
		return store.Version{}, fmt.Errorf("version %d of resource %s: %w", version, resource, qrie.ErrNotFound)
	})
}

// DueResources implements store.Resources.
func (s *Store) DueResources(ctx context.Context, now time.Time, limit int) ([]qrie.Ref, error) {
	return ask(ctx, s, "DueResources", func() (due []qrie.Ref, err error) {
		var rows []store.Resource
		for _, r := range s.resources {
			if !r.DueAt.IsZero() && !r.DueAt.After(now) {
				rows = append(rows, r.Resource)
			}
		}
		slices.SortFunc(rows, func(a, b store.Resource) int {
			return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.Ref.Key(), b.Ref.Key()))
		})
		for _, r := range rows[:min(len(rows), limit)] {
			due = append(due, r.Ref)
		}
		return due, nil
	})
}
