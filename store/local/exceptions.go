package local

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// exceptionRevision reads the revision that is stored, 0 if there is none.
func exceptionRevision(tx *sqlite.Tx, id string) (revision int64, err error) {
	err = tx.QueryRow("SELECT revision FROM qrie_exceptions WHERE id = ?", id).Scan(&revision)
	if err != nil && !absent(err) {
		return 0, fmt.Errorf("read exception %s: %w", id, err)
	}
	return revision, nil
}

// PutException adds an exception or replaces the one that was read.
func (s *Store) PutException(ctx context.Context, x store.Exception) (written store.Exception, err error) {
	defer s.metrics.Request("qrie_exceptions", "put")(&err)
	if err := x.Valid(); err != nil {
		return x, err
	}
	written = x
	// By chance, so that one that was deleted never matches a later one.
	written.Revision = 1 + rand.Int64N(1<<62)
	body, err := encode("exception "+x.ID, written)
	if err != nil {
		return x, err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		stored, err := exceptionRevision(tx, x.ID)
		if err != nil {
			return err
		}
		if err := x.Admit(stored); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO qrie_exceptions (id, anchor, revision, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET anchor = excluded.anchor, revision = excluded.revision, body = excluded.body`,
			x.ID, x.Anchor(), written.Revision, body)
		return err
	})
	if err != nil {
		return x, err
	}
	return written, nil
}

func scanException(r *sql.Rows) (x store.Exception, err error) {
	var body []byte
	if err := r.Scan(&body); err != nil {
		return x, err
	}
	return x, decode("an exception", body, &x)
}

// Exception reads one exception.
func (s *Store) Exception(ctx context.Context, id string) (x store.Exception, err error) {
	defer s.metrics.Request("qrie_exceptions", "get")(&err)
	var body []byte
	err = s.db.QueryRow(ctx, "SELECT body FROM qrie_exceptions WHERE id = ?", id).Scan(&body)
	if absent(err) {
		return x, fmt.Errorf("exception %s: %w", id, qrie.ErrNotFound)
	}
	if err != nil {
		return x, fmt.Errorf("read exception %s: %w", id, err)
	}
	return x, decode("exception "+id, body, &x)
}

// ListExceptions lists them by id.
func (s *Store) ListExceptions(ctx context.Context, p store.PageRequest) (page store.Page[store.Exception], err error) {
	defer s.metrics.Request("qrie_exceptions", "list")(&err)
	after := ""
	if p.Token != "" {
		if err := s.signer.Open("exceptions", p.Bound(""), p.Token, &after); err != nil {
			return page, err
		}
	}
	size := p.PageSize()
	rows, err := s.db.Query(ctx, "SELECT body FROM qrie_exceptions WHERE id > ? ORDER BY id LIMIT ?", after, size+1)
	if page.Items, err = collect(rows, err, scanException); err != nil {
		return page, fmt.Errorf("list exceptions: %w", err)
	}
	if len(page.Items) > size {
		page.Items = page.Items[:size]
		page.Next, err = s.signer.Seal("exceptions", p.Bound(""), page.Items[size-1].ID)
	}
	return page, err
}

// DeleteException removes the exception that was read.
func (s *Store) DeleteException(ctx context.Context, id string, revision int64) (err error) {
	defer s.metrics.Request("qrie_exceptions", "delete")(&err)
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		stored, err := exceptionRevision(tx, id)
		if err != nil {
			return err
		}
		if stored == 0 {
			return fmt.Errorf("exception %s: %w", id, qrie.ErrNotFound)
		}
		if err := (store.Exception{ID: id, Revision: revision}).Admit(stored); err != nil {
			return err
		}
		return deleteOne(tx, "exception "+id, "DELETE FROM qrie_exceptions WHERE id = ?", id)
	})
}

// maxAnchors bounds the parameters of one statement.
const maxAnchors = 500

// ExceptionsFor reads what is under the anchors of the findings.
func (s *Store) ExceptionsFor(ctx context.Context, now time.Time, findings []qrie.Finding) (covering [][]store.Exception, err error) {
	defer s.metrics.Request("qrie_exceptions", "covering")(&err)
	var all []store.Exception
	for chunk := range slices.Chunk(store.Anchors(findings), maxAnchors) {
		args := make([]any, len(chunk))
		for i, anchor := range chunk {
			args[i] = anchor
		}
		rows, err := s.db.Query(ctx, "SELECT body FROM qrie_exceptions WHERE anchor IN (?"+strings.Repeat(", ?", len(chunk)-1)+")", args...)
		some, err := collect(rows, err, scanException)
		if err != nil {
			return nil, fmt.Errorf("read what is excepted: %w", err)
		}
		all = append(all, some...)
	}
	return store.Covering(all, now, findings), nil
}
