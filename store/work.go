package store

import (
	"cmp"
	"slices"
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
	out.Events = NewestEvents(m.Events, next.Events)
	if m.DueAt.Before(out.DueAt) {
		out.DueAt = m.DueAt
	}
	if !m.Since.IsZero() && (out.Since.IsZero() || m.Since.Before(out.Since)) {
		out.Since = m.Since
	}
	out.Attempts = max(m.Attempts, next.Attempts)
	return out
}

// NewestEvents are the newest events of several lists, each event once, at
// most qrie.MaxCauseEvents.
func NewestEvents(lists ...[]qrie.Event) []qrie.Event {
	out := slices.Concat(lists...)
	slices.SortStableFunc(out, func(x, y qrie.Event) int {
		return cmp.Or(y.Time.Compare(x.Time), cmp.Compare(x.ID, y.ID))
	})
	out = slices.CompactFunc(out, func(x, y qrie.Event) bool { return x.ID == y.ID })
	return out[:min(len(out), qrie.MaxCauseEvents)]
}

// Finish counts one page. The job is over once every page planned is done: as
// failed if a page could not be done, which is told from single resources that
// failed. A page that finishes before the one that planned it is counted in
// any order.
func (j Job) Finish(page JobPage, at time.Time) Job {
	j.Done++
	j.Pages += page.More
	j.Items += page.Items
	j.Failed += page.Failed
	if page.Error != "" {
		j.Error = page.Error
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
