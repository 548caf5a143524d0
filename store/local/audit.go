package local

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// AddAudit adds an entry.
func (s *Store) AddAudit(ctx context.Context, e store.AuditEntry) (err error) {
	defer s.metrics.Request("qrie_audit", "add")(&err)
	if err := e.Valid(); err != nil {
		return err
	}
	e.At = e.At.UTC()
	body, err := encode("audit entry "+e.ID, e)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO qrie_audit (at, id, target, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", nanos(e.At), e.ID, e.Target, body)
		return err
	})
}

type auditPlace struct {
	At int64  `json:"a"`
	ID string `json:"i"`
}

// ListAudit lists entries, newest first.
func (s *Store) ListAudit(ctx context.Context, target string, p store.PageRequest) (page store.Page[store.AuditEntry], err error) {
	defer s.metrics.Request("qrie_audit", "list")(&err)
	at := auditPlace{At: math.MaxInt64}
	if p.Token != "" {
		if err := s.signer.Open("audit", p.Bound(target), p.Token, &at); err != nil {
			return page, err
		}
	}
	size := p.PageSize()
	query, args := "SELECT body FROM qrie_audit WHERE (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?", []any{at.At, at.ID, size + 1}
	if target != "" {
		query = "SELECT body FROM qrie_audit WHERE target = ? AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?"
		args = append([]any{target}, args...)
	}
	rows, err := s.db.Query(ctx, query, args...)
	page.Items, err = collect(rows, err, func(r *sql.Rows) (e store.AuditEntry, err error) {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return e, err
		}
		return e, decode("an audit entry", body, &e)
	})
	if err != nil {
		return page, fmt.Errorf("list the audit: %w", err)
	}
	if len(page.Items) > size {
		page.Items = page.Items[:size]
		last := page.Items[size-1]
		page.Next, err = s.signer.Seal("audit", p.Bound(target), auditPlace{nanos(last.At), last.ID})
	}
	return page, err
}

func trimAudit(tx *sqlite.Tx, now time.Time) (int, error) {
	n, err := affected(tx, "DELETE FROM qrie_audit WHERE (at, id) IN (SELECT at, id FROM qrie_audit WHERE at < ? ORDER BY at LIMIT ?)",
		nanos(now.Add(-store.KeepAudit)), maintainChunk)
	return int(n), err
}
