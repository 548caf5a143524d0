package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// exceptionsPart lists every exception. Each lies also under the narrowest part
// of its scope, where it is looked for.
const exceptionsPart = "all"

// PutException adds an exception or replaces the one that was read.
func (s *Store) PutException(ctx context.Context, x store.Exception) (written store.Exception, err error) {
	defer s.metrics.Request("qrie_exceptions", "put")(&err)
	if err := x.Valid(); err != nil {
		return x, err
	}
	old, err := s.get(ctx, exceptionsTable, exceptionsPart, x.ID)
	if err != nil {
		return x, fmt.Errorf("read exception %s: %w", x.ID, err)
	}
	if err := x.Admit(old.num("Revision")); err != nil {
		return x, err
	}
	written = x
	// By chance, so that one that was deleted never matches a later one.
	written.Revision = 1 + rand.Int64N(1<<62)
	body, err := s.pack.encode("exception "+x.ID, written)
	if err != nil {
		return x, err
	}
	tx := &transaction{c: s.client}
	for _, part := range []string{exceptionsPart, x.Anchor()} {
		row := s.row(exceptionsTable, part, x.ID)
		row["Revision"], row["Scope"], row["Body"] = number(written.Revision), text(x.Anchor()), body
		condition, values := "", item(nil)
		if part == exceptionsPart {
			condition, values = unchangedSince(x.Revision)
		}
		tx.put(exceptionsTable, row, condition, values)
	}
	if was := old.str("Scope"); was != "" && was != x.Anchor() {
		tx.remove(exceptionsTable, was, x.ID, "", nil)
	}
	if err := s.commitException(ctx, tx, x); err != nil {
		return x, err
	}
	return written, nil
}

// unchangedSince is the condition of a row that has the revision; 0: is not
// there.
func unchangedSince(revision int64) (condition string, values item) {
	if revision == 0 {
		return "attribute_not_exists(#Revision)", nil
	}
	return "#Revision = :r", item{":r": number(revision)}
}

// commitException tells what came between.
func (s *Store) commitException(ctx context.Context, tx *transaction, x store.Exception) error {
	err := tx.commit(ctx)
	if !errors.Is(err, errCondition) {
		return err
	}
	now, err := s.get(ctx, exceptionsTable, exceptionsPart, x.ID)
	if err != nil {
		return fmt.Errorf("read exception %s: %w", x.ID, err)
	}
	if err := x.Admit(now.num("Revision")); err != nil {
		return err
	}
	return fmt.Errorf("exception %s changed to and fro: %w", x.ID, qrie.ErrConflict)
}

func (s *Store) exception(it item) (x store.Exception, err error) {
	return x, s.pack.decode("exception "+it.str("ExceptionId"), it.bytes("Body"), &x)
}

// Exception reads one exception.
func (s *Store) Exception(ctx context.Context, id string) (x store.Exception, err error) {
	defer s.metrics.Request("qrie_exceptions", "get")(&err)
	missing := fmt.Errorf("exception %s: %w", id, qrie.ErrNotFound)
	if !keyable(id) {
		return x, missing
	}
	it, err := s.get(ctx, exceptionsTable, exceptionsPart, id)
	if err != nil {
		return x, fmt.Errorf("read exception %s: %w", id, err)
	}
	if it == nil {
		return x, missing
	}
	return s.exception(it)
}

// ListExceptions lists them by id.
func (s *Store) ListExceptions(ctx context.Context, p store.PageRequest) (page store.Page[store.Exception], err error) {
	defer s.metrics.Request("qrie_exceptions", "list")(&err)
	st := stretch{table: exceptionsTable, pk: exceptionsPart, limit: p.PageSize() + 1}
	if p.Token != "" {
		after := ""
		if err := s.signer.Open("exceptions", p.Bound(""), p.Token, &after); err != nil {
			return page, err
		}
		st.low = following(after)
	}
	for done := false; !done && len(page.Items) <= p.PageSize(); {
		var rows []item
		var last string
		if rows, last, done, err = s.read(ctx, st); err != nil {
			return page, fmt.Errorf("list exceptions: %w", err)
		}
		for _, it := range rows {
			x, err := s.exception(it)
			if err != nil {
				return page, err
			}
			page.Items = append(page.Items, x)
		}
		st.low = following(last)
	}
	if size := p.PageSize(); len(page.Items) > size {
		page.Items = page.Items[:size]
		page.Next, err = s.signer.Seal("exceptions", p.Bound(""), page.Items[size-1].ID)
	}
	return page, err
}

// DeleteException removes the exception that was read.
func (s *Store) DeleteException(ctx context.Context, id string, revision int64) (err error) {
	defer s.metrics.Request("qrie_exceptions", "delete")(&err)
	missing := fmt.Errorf("exception %s: %w", id, qrie.ErrNotFound)
	if !keyable(id) {
		return missing
	}
	it, err := s.get(ctx, exceptionsTable, exceptionsPart, id)
	if err != nil {
		return fmt.Errorf("read exception %s: %w", id, err)
	}
	if it == nil {
		return missing
	}
	x := store.Exception{ID: id, Revision: revision}
	if err := x.Admit(it.num("Revision")); err != nil {
		return err
	}
	tx := &transaction{c: s.client}
	condition, values := unchangedSince(revision)
	tx.remove(exceptionsTable, exceptionsPart, id, condition, values)
	tx.remove(exceptionsTable, it.str("Scope"), id, "", nil)
	return s.commitException(ctx, tx, x)
}

// ExceptionsFor reads what is under the anchors of the findings.
func (s *Store) ExceptionsFor(ctx context.Context, now time.Time, findings []qrie.Finding) (covering [][]store.Exception, err error) {
	defer s.metrics.Request("qrie_exceptions", "covering")(&err)
	var all []store.Exception
	var mu sync.Mutex
	err = limited(ctx, store.Anchors(findings), readers, func(ctx context.Context, anchor string) error {
		if !keyable(anchor) {
			return nil // nothing can be under it
		}
		return s.all(ctx, stretch{table: exceptionsTable, pk: anchor}, func(it item) error {
			x, err := s.exception(it)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, x)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read what is excepted: %w", err)
	}
	return store.Covering(all, now, findings), nil
}
