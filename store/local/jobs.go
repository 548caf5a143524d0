package local

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// PutJob adds a job.
func (s *Store) PutJob(ctx context.Context, j store.Job) (err error) {
	defer s.metrics.Request("qrie_jobs", "put")(&err)
	if err := cmp.Or(store.ValidName("job", j.ID), store.ValidName("kind of job", j.Kind)); err != nil {
		return err
	}
	body, err := encode("job "+j.ID, j)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		n, err := affected(tx, "INSERT INTO qrie_jobs (id, kind, started, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", j.ID, j.Kind, nanos(j.Started), body)
		if err != nil {
			return fmt.Errorf("add job %s: %w", j.ID, err)
		}
		if n == 0 {
			return fmt.Errorf("job %s: %w", j.ID, qrie.ErrExists)
		}
		return nil
	})
}

func scanJob(r *sql.Rows) (j store.Job, err error) {
	var body []byte
	if err := r.Scan(&body); err != nil {
		return j, err
	}
	return j, decode("a job", body, &j)
}

// FinishPage counts one page of a job, once however often it is told.
func (s *Store) FinishPage(ctx context.Context, job string, page store.JobPage, at time.Time) (j store.Job, err error) {
	defer s.metrics.Request("qrie_jobs", "finish_page")(&err)
	if err := page.Valid(job); err != nil {
		return j, err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if j, err = jobIn(tx, job); err != nil {
			return err
		}
		n, err := affected(tx, "INSERT INTO qrie_job_pages (job, page, decided) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", job, page.Page, page.Decided)
		if err != nil || n == 0 {
			return err
		}
		j = j.Finish(page, at)
		return rewriteJob(tx, j)
	})
	return j, err
}

// CancelJob ends a job that runs.
func (s *Store) CancelJob(ctx context.Context, id string, at time.Time) (j store.Job, err error) {
	defer s.metrics.Request("qrie_jobs", "cancel")(&err)
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if j, err = jobIn(tx, id); err != nil {
			return err
		}
		if j, err = j.Cancel(at); err != nil {
			return err
		}
		return rewriteJob(tx, j)
	})
	return j, err
}

func jobIn(tx *sqlite.Tx, id string) (j store.Job, err error) {
	return jobOf(id, tx.QueryRow("SELECT body FROM qrie_jobs WHERE id = ?", id))
}

func jobOf(id string, row sqlite.Row) (j store.Job, err error) {
	var body []byte
	err = row.Scan(&body)
	if absent(err) {
		return j, fmt.Errorf("job %s: %w", id, qrie.ErrNotFound)
	}
	if err != nil {
		return j, fmt.Errorf("read job %s: %w", id, err)
	}
	return j, decode("job "+id, body, &j)
}

func rewriteJob(tx *sqlite.Tx, j store.Job) error {
	body, err := encode("job "+j.ID, j)
	if err != nil {
		return err
	}
	_, err = tx.Exec("UPDATE qrie_jobs SET body = ? WHERE id = ?", body, j.ID)
	return err
}

// JobPage reads a job, whether one of its pages is counted, and what that decided.
func (s *Store) JobPage(ctx context.Context, job, page string) (j store.Job, counted bool, decided []byte, err error) {
	defer s.metrics.Request("qrie_jobs", "get_page")(&err)
	// The page first: a page that is counted after it was looked for is found
	// counted the next time.
	err = s.db.QueryRow(ctx, "SELECT decided FROM qrie_job_pages WHERE job = ? AND page = ?", job, page).Scan(&decided)
	if counted = err == nil; err != nil && !absent(err) {
		return j, false, nil, fmt.Errorf("read page %s of job %s: %w", page, job, err)
	}
	j, err = jobOf(job, s.db.QueryRow(ctx, "SELECT body FROM qrie_jobs WHERE id = ?", job))
	return j, counted, decided, err
}

// Job reads one job.
func (s *Store) Job(ctx context.Context, id string) (j store.Job, err error) {
	defer s.metrics.Request("qrie_jobs", "get")(&err)
	return jobOf(id, s.db.QueryRow(ctx, "SELECT body FROM qrie_jobs WHERE id = ?", id))
}

// ListJobs reads the newest jobs of a kind, or of every kind.
func (s *Store) ListJobs(ctx context.Context, kind string, limit int) (all []store.Job, err error) {
	defer s.metrics.Request("qrie_jobs", "list")(&err)
	var rows *sql.Rows
	if kind == "" {
		rows, err = s.db.Query(ctx, "SELECT body FROM qrie_jobs ORDER BY started DESC, id DESC LIMIT ?", limit)
	} else {
		rows, err = s.db.Query(ctx, "SELECT body FROM qrie_jobs WHERE kind = ? ORDER BY started DESC, id DESC LIMIT ?", kind, limit)
	}
	all, err = collect(rows, err, scanJob)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return all, nil
}
