package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie/store"
)

// auditPart holds the whole record in order: what people do is little.
const auditPart = "audit"

// AddAudit adds an entry.
func (s *Store) AddAudit(ctx context.Context, e store.AuditEntry) (err error) {
	defer s.metrics.Request("qrie_audit", "add")(&err)
	if err := e.Valid(); err != nil {
		return err
	}
	e.At = e.At.UTC()
	row := s.row(auditTable, auditPart, digits(nanos(e.At))+"#"+e.ID)
	row["Target"] = text(e.Target)
	if row["Body"], err = s.pack.encode("audit entry "+e.ID, e); err != nil {
		return err
	}
	err = s.put(ctx, auditTable, row, "attribute_not_exists(#Entry)", nil)
	if errors.Is(err, errCondition) {
		return nil // it is there already
	}
	return err
}

// ListAudit lists entries, newest first.
func (s *Store) ListAudit(ctx context.Context, target string, p store.PageRequest) (page store.Page[store.AuditEntry], err error) {
	defer s.metrics.Request("qrie_audit", "list")(&err)
	size := p.PageSize()
	st := stretch{table: auditTable, pk: auditPart, low: "0", backwards: true, limit: size + 2}
	before := ""
	if p.Token != "" {
		if err := s.signer.Open("audit", p.Bound(target), p.Token, &before); err != nil {
			return page, err
		}
		st.high = before
	}
	if target != "" {
		if st.index, st.pk = &auditOfTarget, target; !keyable(target) {
			return page, nil
		}
	}
	var keys []key
	for done := false; !done && len(keys) <= size; {
		var rows []item
		var last string
		if rows, last, done, err = s.read(ctx, st); err != nil {
			return page, fmt.Errorf("list the audit: %w", err)
		}
		for _, it := range rows {
			if it.str("Entry") != before {
				keys = append(keys, keyOf(auditTable, it))
			}
		}
		st.high, before = last, last
	}
	more := len(keys) > size
	keys = keys[:min(len(keys), size)]
	whole, err := s.many(ctx, auditTable, keys, "")
	if err != nil {
		return page, fmt.Errorf("list the audit: %w", err)
	}
	for _, k := range keys {
		if whole[k] == nil {
			continue // trimmed meanwhile
		}
		var e store.AuditEntry
		if err := s.pack.decode("an audit entry", whole[k].bytes("Body"), &e); err != nil {
			return page, err
		}
		page.Items = append(page.Items, e)
	}
	if more {
		page.Next, err = s.signer.Seal("audit", p.Bound(target), keys[size-1].sk)
	}
	return page, err
}

func (s *Store) trimAudit(ctx context.Context, now time.Time) (trimmed int, err error) {
	var old []key
	st := stretch{table: auditTable, pk: auditPart, low: "0", high: digits(nanos(now.Add(-store.KeepAudit))), only: "#Part, #Entry"}
	err = s.all(ctx, st, func(it item) error {
		if old = append(old, keyOf(auditTable, it)); len(old) < maxBatchRead {
			return nil
		}
		err := s.writeAll(ctx, auditTable, nil, old)
		trimmed += len(old)
		old = nil
		return err
	})
	if err == nil {
		err = s.writeAll(ctx, auditTable, nil, old)
		trimmed += len(old)
	}
	return trimmed, err
}
