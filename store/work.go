package store

import (
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
	if !m.Since.IsZero() && (out.Since.IsZero() || m.Since.Before(out.Since)) {
		out.Since = m.Since
	}
	out.Attempts = max(m.Attempts, next.Attempts)
	return out
}

// Finish counts one page. The job is over once every page planned is done: as
// failed if a page could not be done, which is told from single resources that
// failed. A page that finishes before the one that planned it is counted in
// any order. What was cancelled stays so.
func (j Job) Finish(page JobPage, at time.Time) Job {
	j.Done++
	j.Pages += page.More
	j.Items += page.Items
	j.Failed += page.Failed
	if page.Error != "" {
		j.Error = page.Error
	}
	if j.State == JobCancelled {
		return j
	}
	j.State, j.Finished = JobRunning, time.Time{}
	if j.Done >= j.Pages {
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
