package memory

import (
	"context"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// PutException implements store.Exceptions.
func (s *Store) PutException(ctx context.Context, x store.Exception) (store.Exception, error) {
	if err := x.Valid(); err != nil {
		return x, err
	}
	x.CreatedAt, x.ExpiresAt = moment(x.CreatedAt), moment(x.ExpiresAt)
	written, err := ask(ctx, s, "PutException "+x.ID, func() (store.Exception, error) {
		stored, _ := s.exceptions.get(x.ID) // revision 0 if there is none
		if err := x.Admit(stored.Revision); err != nil {
			return x, err
		}
		written := x
		s.revision++
		written.Revision = s.revision
		s.exceptions.put(x.ID, written)
		return written, nil
	})
	if err != nil {
		return x, err
	}
	return written, nil
}

// Exception implements store.Exceptions.
func (s *Store) Exception(ctx context.Context, id string) (store.Exception, error) {
	return ask(ctx, s, "Exception "+id, func() (store.Exception, error) { return s.exceptions.get(id) })
}

// ListExceptions implements store.Exceptions.
func (s *Store) ListExceptions(ctx context.Context, p store.PageRequest) (store.Page[store.Exception], error) {
	return ask(ctx, s, "ListExceptions", func() (store.Page[store.Exception], error) {
		return cut(s.signer, "exceptions", "", p, slices.Clone(s.exceptions.values), placeOfException)
	})
}

// DeleteException implements store.Exceptions.
func (s *Store) DeleteException(ctx context.Context, id string, revision int64) error {
	return s.do(ctx, "DeleteException "+id, func() error {
		stored, err := s.exceptions.get(id)
		if err != nil {
			return err
		}
		if err := (store.Exception{ID: id, Revision: revision}).Admit(stored.Revision); err != nil {
			return err
		}
		return s.exceptions.remove(id)
	})
}

// ExceptionsFor implements store.Exceptions.
func (s *Store) ExceptionsFor(ctx context.Context, now time.Time, findings []qrie.Finding) ([][]store.Exception, error) {
	findings = slices.Clone(findings)
	return ask(ctx, s, "ExceptionsFor", func() ([][]store.Exception, error) {
		return store.Covering(slices.Clone(s.exceptions.values), now, findings), nil
	})
}
