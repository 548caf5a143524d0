package store

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
)

// Merge unites a stored mark with a new one of the same resource, as PutDirty
// promises. The revision is left to the store.
func (m DirtyMark) Merge(next DirtyMark) DirtyMark {
	if next.Revision != 0 && next.Revision == m.Revision {
		return next
	}
	out := next
	if out.Ref.ARN == "" {
		out.Ref.ARN = m.Ref.ARN
	}
	out.Events = qrie.NewestEvents(m.Events, next.Events)
	if m.DueAt.Before(out.DueAt) {
		out.DueAt = m.DueAt
	}
	if m.Settles.IsZero() || m.Settles.After(out.Settles) && !out.Settles.IsZero() {
		out.Settles = m.Settles
	}
	if !m.Since.IsZero() && (out.Since.IsZero() || m.Since.Before(out.Since)) {
		out.Since = m.Since
	}
	out.Attempts = max(m.Attempts, next.Attempts)
	return out
}

// Begin is the job with its first pages.
//
// A page may be done before the one that published it is counted, so that Done
// reaching Pages does not tell the end. Open does: it takes each page twice, when
// it is published and when it is done, by exclusive or, and so is 0 when all
// have been both. (Apache Storm tracks its trees of tuples so.)
func (j Job) Begin(pages ...string) Job {
	j.State = JobRunning
	return j.publish(pages)
}

func (j Job) publish(pages []string) Job {
	j.Pages += int64(len(pages))
	for _, page := range pages {
		j.Open ^= pageMark(page)
	}
	return j
}

// Valid reports what is wrong with the outcome of a page by itself.
func (p JobPage) Valid(job string) error {
	if len(p.Decided) > MaxDecided {
		return fmt.Errorf("page %s of job %s decided %d bytes; %d are possible", p.Page, job, len(p.Decided), MaxDecided)
	}
	return ValidName("page of job "+job, p.Page)
}

func pageMark(page string) uint64 {
	sum := sha256.Sum256([]byte(page))
	return binary.BigEndian.Uint64(sum[:])
}

// Finish counts one page. The job is over with the last one: as failed if a
// page could not be done, which is told from single resources that failed. What
// was cancelled stays so.
func (j Job) Finish(page JobPage, at time.Time) Job {
	j = j.publish(page.Next)
	j.Open ^= pageMark(page.Page)
	j.Done++
	j.Items += page.Items
	j.Failed += page.Failed
	if page.Error != "" {
		j.Error = page.Error
	}
	if j.State == JobRunning && j.Open == 0 {
		j.State, j.Finished = JobDone, at.UTC()
		if j.Error != "" {
			j.State = JobFailed
		}
	}
	return j
}

// Cancel ends a job that runs, as CancelJob promises.
func (j Job) Cancel(at time.Time) (Job, error) {
	switch j.State {
	case JobCancelled:
		return j, nil
	case JobRunning:
		j.State, j.Finished = JobCancelled, at.UTC()
		return j, nil
	}
	return j, fmt.Errorf("job %s is %s already: %w", j.ID, j.State, qrie.ErrConflict)
}
