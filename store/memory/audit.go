package memory

import (
	"context"
	"slices"

	"github.com/qrie-sec/qrie/store"
)

// AddAudit implements store.Audit.
func (s *Store) AddAudit(ctx context.Context, e store.AuditEntry) error {
	if err := e.Valid(); err != nil {
		return err
	}
	e.At = moment(e.At)
	return s.do(ctx, "AddAudit "+e.ID, func() error {
		if !s.audit.has(e.ID) {
			s.audit.put(e.ID, e)
		}
		return nil
	})
}

// ListAudit implements store.Audit.
func (s *Store) ListAudit(ctx context.Context, target string, p store.PageRequest) (store.Page[store.AuditEntry], error) {
	return ask(ctx, s, "ListAudit "+target, func() (store.Page[store.AuditEntry], error) {
		all := slices.DeleteFunc(slices.Clone(s.audit.values), func(e store.AuditEntry) bool { return target != "" && e.Target != target })
		return cut(s.signer, "audit", target, p, all, placeOfEntry)
	})
}
