package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

const (
	jobItem   = "job"
	pageItem  = "page#"
	jobsShelf = "jobs"
)

// jobRow is a job as it is stored.
func (s *Store) jobRow(j store.Job, revision int64) (row item, err error) {
	row = s.row(jobsTable, j.ID, jobItem)
	if row["Body"], err = s.pack.encode("job "+j.ID, j); err != nil {
		return nil, err
	}
	row["Revision"] = number(revision)
	row["Shelf"], row["Kind"], row["Newest"] = text(jobsShelf), text("kind#"+j.Kind), text(digits(nanos(j.Started))+"#"+j.ID)
	return row, nil
}

// PutJob adds a job.
func (s *Store) PutJob(ctx context.Context, j store.Job) (err error) {
	defer s.metrics.Request("qrie_jobs", "put")(&err)
	if err := cmp.Or(store.ValidName("job", j.ID), store.ValidName("kind of job", j.Kind)); err != nil {
		return err
	}
	row, err := s.jobRow(j, 1)
	if err != nil {
		return err
	}
	err = s.put(ctx, jobsTable, row, "attribute_not_exists(#JobId)", nil)
	if errors.Is(err, errCondition) {
		return fmt.Errorf("job %s: %w", j.ID, qrie.ErrExists)
	}
	return err
}

// job reads a job with its revision.
func (s *Store) job(ctx context.Context, id string) (j store.Job, revision int64, err error) {
	missing := fmt.Errorf("job %s: %w", id, qrie.ErrNotFound)
	if !keyable(id) {
		return j, 0, missing
	}
	it, err := s.get(ctx, jobsTable, id, jobItem)
	if err != nil {
		return j, 0, fmt.Errorf("read job %s: %w", id, err)
	}
	if it == nil {
		return j, 0, missing
	}
	return j, it.num("Revision"), s.pack.decode("job "+id, it.bytes("Body"), &j)
}

// FinishPage counts one page of a job, once however often it is told.
func (s *Store) FinishPage(ctx context.Context, job string, page store.JobPage, at time.Time) (j store.Job, err error) {
	defer s.metrics.Request("qrie_jobs", "finish_page")(&err)
	if err := page.Valid(job); err != nil {
		return j, err
	}
	sk := pageItem + page.Page
	return s.rewriteJob(ctx, job, func(tx *transaction, old store.Job) (store.Job, bool, error) {
		done, err := s.get(ctx, jobsTable, job, sk)
		if done != nil || err != nil {
			return old, false, err
		}
		row := s.row(jobsTable, job, sk)
		if len(page.Decided) > 0 {
			row["Decided"] = binary(s.pack.compress(page.Decided))
		}
		tx.put(jobsTable, row, "attribute_not_exists(#JobId)", nil)
		return old.Finish(page, at), true, nil
	})
}

// CancelJob ends a job that runs.
func (s *Store) CancelJob(ctx context.Context, id string, at time.Time) (j store.Job, err error) {
	defer s.metrics.Request("qrie_jobs", "cancel")(&err)
	return s.rewriteJob(ctx, id, func(_ *transaction, old store.Job) (store.Job, bool, error) {
		next, err := old.Cancel(at)
		return next, err == nil && next != old, err
	})
}

// rewriteJob writes what change makes of a job, with what change adds to the
// transaction, whoever else changes the job. A change that reports false leaves
// the job as it is.
func (s *Store) rewriteJob(ctx context.Context, id string, change func(*transaction, store.Job) (store.Job, bool, error)) (j store.Job, err error) {
	for n := 1; ; n++ {
		old, revision, err := s.job(ctx, id)
		if err != nil {
			return old, err
		}
		tx := &transaction{c: s.client}
		next, changed, err := change(tx, old)
		if err != nil || !changed {
			return next, err
		}
		row, err := s.jobRow(next, revision+1)
		if err != nil {
			return j, err
		}
		tx.put(jobsTable, row, "#Revision = :r", item{":r": number(revision)})
		err = tx.commit(ctx)
		if err == nil {
			return next, nil
		}
		if !errors.Is(err, errCondition) || n >= maxContention {
			return j, fmt.Errorf("write job %s: %w", id, err)
		}
		if err := s.pause(ctx, n); err != nil {
			return j, err
		}
	}
}

// JobPage reads a job, whether one of its pages is counted, and what that decided.
func (s *Store) JobPage(ctx context.Context, job, page string) (j store.Job, counted bool, decided []byte, err error) {
	defer s.metrics.Request("qrie_jobs", "get_page")(&err)
	if err := store.ValidName("page of job "+job, page); err != nil {
		return j, false, nil, err
	}
	it, err := s.get(ctx, jobsTable, job, pageItem+page)
	if err != nil {
		return j, false, nil, fmt.Errorf("read page %s of job %s: %w", page, job, err)
	}
	if packed := it.bytes("Decided"); len(packed) > 0 {
		if decided, err = s.pack.expand("page "+page+" of job "+job, packed); err != nil {
			return j, false, nil, err
		}
	}
	j, _, err = s.job(ctx, job)
	return j, it != nil, decided, err
}

// Job reads one job.
func (s *Store) Job(ctx context.Context, id string) (j store.Job, err error) {
	defer s.metrics.Request("qrie_jobs", "get")(&err)
	j, _, err = s.job(ctx, id)
	return j, err
}

// ListJobs reads the newest jobs of a kind, or of every kind.
func (s *Store) ListJobs(ctx context.Context, kind string, limit int) (all []store.Job, err error) {
	defer s.metrics.Request("qrie_jobs", "list")(&err)
	st := stretch{table: jobsTable, index: &jobsNewest, pk: jobsShelf, backwards: true, limit: min(limit, maxFetch)}
	if kind != "" {
		st.index, st.pk = &jobsOfKind, "kind#"+kind
	}
	rows, _, _, err := s.read(ctx, st)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	keys := make([]key, len(rows))
	for i, it := range rows {
		keys[i] = keyOf(jobsTable, it)
	}
	whole, err := s.many(ctx, jobsTable, keys, "")
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	for _, k := range keys {
		if whole[k] == nil {
			continue // trimmed meanwhile
		}
		var j store.Job
		if err := s.pack.decode("a job", whole[k].bytes("Body"), &j); err != nil {
			return nil, err
		}
		all = append(all, j)
	}
	return all, nil
}
