package processor

import (
	"errors"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// judgePageSize is how many documents one page task reads.
const judgePageSize = 100

// judgePage judges stored documents anew: one page of an account's resources of
// a type, or those that are named.
func (s *session) judgePage(t judgeTask) error {
	err := s.page(t.Job, t.id(), s.publishAs(t.key()), func(store.Job) error { return s.judgeAll(t) })
	return orLater(s, kindJudge, t.key(), t, err)
}

func (s *session) judgeAll(t judgeTask) error {
	// The launch that asked for this may be newer than the board.
	if err := s.w.desk.reload(s.ctx); err != nil {
		return err
	}
	if s.w.desk.current().foreign[t.Type] {
		// Workers of two versions run at once, and this is the other's to do.
		return errNotYet
	}
	account, ok := s.w.desk.account(t.Account)
	page := store.JobPage{Page: t.id()}
	if !ok {
		return s.conclude(t.Job, page, nil)
	}
	if len(t.Resources) > 0 {
		return s.judgeNamed(t, account)
	}
	q := store.ResourceQuery{Accounts: []string{t.Account}, Types: []string{t.Type}, WithDocument: true}
	found, err := s.w.Store.ListResources(s.ctx, q, store.PageRequest{Size: judgePageSize, Token: t.Token})
	if err != nil {
		return fmt.Errorf("read stored %s of %s: %w", t.Type, t.Account, err)
	}
	for i := range found.Items {
		if err := s.judgeStored(&found.Items[i], account, t.Note); err != nil {
			return err
		}
	}
	page.Items = int64(len(found.Items))
	if found.Next != "" {
		next := t
		next.Token, next.Page = found.Next, t.Page+1
		if page, err = follow(page, kindJudge, t.key(), next); err != nil {
			return err
		}
	}
	return s.conclude(t.Job, page, s.publishAs(t.key()))
}

// judgeNamed judges single resources, whose verdicts may change with the date.
func (s *session) judgeNamed(t judgeTask, account qrie.Account) error {
	for _, id := range t.Resources {
		r, err := s.w.Store.Resource(s.ctx, id)
		if errors.Is(err, qrie.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read resource %s: %w", id, err)
		}
		if err := s.judgeStored(&r, account, t.Note); err != nil {
			return err
		}
	}
	return nil
}

// judgeStored judges one stored document. If the resource changes meanwhile it
// is read again: whoever changed it judged it by its own board, which may be
// an older one.
func (s *session) judgeStored(r *store.Resource, account qrie.Account, note string) error {
	for range 5 {
		if r.Deleted {
			return nil
		}
		l := look{stored: r, reread: true, note: note, account: account, board: s.w.desk.current(), now: s.w.Now(),
			obs: qrie.Observation{Ref: r.Ref, ObservedAt: r.ObservedAt, Document: r.Document}}
		if !s.s.Valid() {
			return errSessionEnded
		}
		eval := judge(l)
		err := s.w.Store.Apply(s.ctx, eval)
		switch {
		case err == nil:
			s.applied(eval)
			return nil
		case errors.Is(err, qrie.ErrGeneration):
			if err := s.w.desk.reload(s.ctx); err != nil {
				return err
			}
		case errors.Is(err, qrie.ErrConflict), errors.Is(err, qrie.ErrStale):
			s.w.metrics.conflicts.WithLabelValues("version").Inc()
		default:
			return fmt.Errorf("write %s: %w", r.Ref, err)
		}
		fresh, err := s.w.Store.Resource(s.ctx, r.Ref.ResourceID())
		if errors.Is(err, qrie.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s again: %w", r.Ref, err)
		}
		*r = fresh
	}
	return fmt.Errorf("judge %s: it changed five times while it was judged", r.Ref)
}
