package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// PutDirty implements store.Work.
func (s *Store) PutDirty(ctx context.Context, m store.DirtyMark) error {
	m = cloneMark(m)
	return s.do(ctx, "PutDirty "+m.Ref.Key(), func() error {
		s.putDirty(m)
		return nil
	})
}

func (s *state) putDirty(next store.DirtyMark) {
	id := next.Ref.ResourceID()
	if old, ok := s.dirty[id]; ok {
		next = old.Merge(next)
	} else {
		next.Events = qrie.NewestEvents(next.Events)
	}
	// A revision is given once: one that was deleted must not match a later
	// mark.
	s.revision++
	next.Revision = s.revision
	s.dirty[id] = next
}

// DueDirty implements store.Work.
func (s *Store) DueDirty(ctx context.Context, now time.Time, limit int) ([]store.DirtyMark, error) {
	return ask(ctx, s, "DueDirty", func() ([]store.DirtyMark, error) {
		due := slices.Collect(maps.Values(s.dirty))
		due = slices.DeleteFunc(due, func(m store.DirtyMark) bool { return m.DueAt.After(now) })
		slices.SortFunc(due, func(a, b store.DirtyMark) int {
			return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.Ref.Key(), b.Ref.Key()))
		})
		return cloneAll(due[:min(len(due), limit)], cloneMark), nil
	})
}

// DeleteDirty implements store.Work.
func (s *Store) DeleteDirty(ctx context.Context, marks []store.DirtyMark) (err error) {
	for _, read := range marks {
		failed := s.do(ctx, "DeleteDirty "+read.Ref.Key(), func() error {
			id := read.Ref.ResourceID()
			if m, ok := s.dirty[id]; ok && m.Revision == read.Revision {
				delete(s.dirty, id)
			}
			return nil
		})
		if err == nil {
			err = failed
		}
	}
	return err
}

// CountDirty implements store.Work.
func (s *Store) CountDirty(ctx context.Context) (int64, time.Time, error) {
	type answer struct {
		n      int64
		oldest time.Time
	}
	a, err := ask(ctx, s, "CountDirty", func() (a answer, err error) {
		for _, m := range s.dirty {
			if a.n == 0 || m.Since.Before(a.oldest) {
				a.oldest = m.Since
			}
			a.n++
		}
		return a, nil
	})
	return a.n, a.oldest, err
}

// PutDeadLetter implements store.Work.
func (s *Store) PutDeadLetter(ctx context.Context, d store.DeadLetter) error {
	if err := store.ValidName("dead letter", d.ID); err != nil {
		return err
	}
	d.Data = d.Data[:min(len(d.Data), store.MaxDeadLetterBytes)]
	d = cloneLetter(d)
	return s.do(ctx, "PutDeadLetter "+d.ID, func() error {
		if !s.letters.has(d.ID) {
			s.letters.put(d.ID, d)
		}
		return nil
	})
}

// DeadLetter implements store.Work.
func (s *Store) DeadLetter(ctx context.Context, id string) (store.DeadLetter, error) {
	return ask(ctx, s, "DeadLetter "+id, func() (store.DeadLetter, error) {
		d, err := s.letters.get(id)
		return cloneLetter(d), err
	})
}

// ListDeadLetters implements store.Work.
func (s *Store) ListDeadLetters(ctx context.Context, p store.PageRequest) (store.Page[store.DeadLetter], error) {
	return ask(ctx, s, "ListDeadLetters", func() (page store.Page[store.DeadLetter], err error) {
		page, err = cut(s.signer, "dead_letters", "", p, slices.Clone(s.letters.values), placeOfLetter)
		for i := range page.Items {
			page.Items[i].Data = nil
		}
		return page, err
	})
}

// DeleteDeadLetter implements store.Work.
func (s *Store) DeleteDeadLetter(ctx context.Context, id string) error {
	return s.do(ctx, "DeleteDeadLetter "+id, func() error { return s.letters.remove(id) })
}

// CountDeadLetters implements store.Work.
func (s *Store) CountDeadLetters(ctx context.Context) (int64, error) {
	return ask(ctx, s, "CountDeadLetters", func() (int64, error) { return int64(len(s.letters.ids)), nil })
}

// job is a job and the pages of it that are counted.
type job struct {
	store.Job
	pages map[string][]byte // what each decided
}

// PutJob implements store.Work.
func (s *Store) PutJob(ctx context.Context, j store.Job) error {
	if err := cmp.Or(store.ValidName("job", j.ID), store.ValidName("kind of job", j.Kind)); err != nil {
		return err
	}
	j.Started, j.Finished = moment(j.Started), moment(j.Finished)
	return s.do(ctx, "PutJob "+j.ID, func() error {
		if s.jobs.has(j.ID) {
			return fmt.Errorf("job %s: %w", j.ID, qrie.ErrExists)
		}
		s.jobs.put(j.ID, &job{j, map[string][]byte{}})
		return nil
	})
}

// FinishPage implements store.Work.
func (s *Store) FinishPage(ctx context.Context, id string, page store.JobPage, at time.Time) (store.Job, error) {
	if err := page.Valid(id); err != nil {
		return store.Job{}, err
	}
	decided := slices.Clone(page.Decided)
	return ask(ctx, s, "FinishPage "+id+" "+page.Page, func() (store.Job, error) {
		j, err := s.jobs.get(id)
		if err != nil {
			return store.Job{}, err
		}
		if _, counted := j.pages[page.Page]; !counted {
			j.pages[page.Page] = decided
			j.Job = j.Finish(page, moment(at))
		}
		return j.Job, nil
	})
}

// JobPage implements store.Work.
func (s *Store) JobPage(ctx context.Context, id, page string) (store.Job, bool, []byte, error) {
	type answer struct {
		store.Job
		counted bool
		decided []byte
	}
	a, err := ask(ctx, s, "JobPage "+id+" "+page, func() (answer, error) {
		j, err := s.jobs.get(id)
		if err != nil {
			return answer{}, err
		}
		decided, counted := j.pages[page]
		return answer{j.Job, counted, slices.Clone(decided)}, nil
	})
	return a.Job, a.counted, a.decided, err
}

// CancelJob implements store.Work.
func (s *Store) CancelJob(ctx context.Context, id string, at time.Time) (store.Job, error) {
	return ask(ctx, s, "CancelJob "+id, func() (store.Job, error) {
		j, err := s.jobs.get(id)
		if err != nil {
			return store.Job{}, err
		}
		cancelled, err := j.Cancel(moment(at))
		if err != nil {
			return store.Job{}, err
		}
		j.Job = cancelled
		return cancelled, nil
	})
}

// Job implements store.Work.
func (s *Store) Job(ctx context.Context, id string) (store.Job, error) {
	return ask(ctx, s, "Job "+id, func() (store.Job, error) {
		j, err := s.jobs.get(id)
		if err != nil {
			return store.Job{}, err
		}
		return j.Job, nil
	})
}

// ListJobs implements store.Work.
func (s *Store) ListJobs(ctx context.Context, kind string, limit int) ([]store.Job, error) {
	return ask(ctx, s, "ListJobs "+kind, func() (jobs []store.Job, err error) {
		for _, j := range s.jobs.values {
			if kind == "" || j.Kind == kind {
				jobs = append(jobs, j.Job)
			}
		}
		slices.SortFunc(jobs, func(a, b store.Job) int {
			return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(b.ID, a.ID))
		})
		return jobs[:min(len(jobs), limit)], nil
	})
}

// PutToken implements store.Tokens.
func (s *Store) PutToken(ctx context.Context, t store.Token) error {
	if err := cmp.Or(store.ValidName("API token", t.ID), store.ValidName("hash of an API token", t.Hash)); err != nil {
		return err
	}
	t.CreatedAt, t.ExpiresAt = moment(t.CreatedAt), moment(t.ExpiresAt)
	return s.do(ctx, "PutToken "+t.ID, func() error {
		s.tokens.put(t.ID, t)
		return nil
	})
}

// Token implements store.Tokens.
func (s *Store) Token(ctx context.Context, hash string) (store.Token, error) {
	return ask(ctx, s, "Token", func() (store.Token, error) {
		for _, t := range s.tokens.values {
			if t.Hash == hash {
				return t, nil
			}
		}
		return store.Token{}, fmt.Errorf("API token: %w", qrie.ErrNotFound)
	})
}

// ListTokens implements store.Tokens.
func (s *Store) ListTokens(ctx context.Context) ([]store.Token, error) {
	return ask(ctx, s, "ListTokens", func() ([]store.Token, error) {
		return slices.Clone(s.tokens.values), nil
	})
}

// DeleteToken implements store.Tokens.
func (s *Store) DeleteToken(ctx context.Context, id string) error {
	return s.do(ctx, "DeleteToken "+id, func() error { return s.tokens.remove(id) })
}
