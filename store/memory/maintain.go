package memory

import (
	"context"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Maintain implements store.Store.
func (s *Store) Maintain(ctx context.Context, now time.Time) (int, error) {
	return ask(ctx, s, "Maintain", func() (int, error) {
		return s.trimHistory(now) + s.trimResources(now) + s.trimFindings(now) + s.trimWork(now), nil
	})
}

func (s *state) trimHistory(now time.Time) (n int) {
	for i := range s.history {
		if t := &s.history[i]; t.waiting && t.At.Before(now.Add(-store.KeepOutbox)) {
			t.waiting = false
			n++
		}
	}
	s.history = slices.DeleteFunc(s.history, func(t transition) bool {
		old := t.At.Before(now.Add(-store.KeepHistory))
		if old {
			n++
			delete(s.historyIDs, t.ID)
			s.daysTrimmed = max(s.daysTrimmed, t.At.Format(time.DateOnly))
		}
		return old
	})
	return n
}

// trimResources forgets versions that were replaced long ago, and tombstones.
func (s *state) trimResources(now time.Time) (n int) {
	for id, r := range s.resources {
		if r.Deleted && r.ChangedAt.Before(now.Add(-store.KeepTombstones)) {
			delete(s.resources, id)
			n++
			continue
		}
		replaced := 0
		for replaced+1 < len(r.versions) && r.versions[replaced+1].ObservedAt.Before(now.Add(-store.KeepHistory)) {
			replaced++
		}
		if replaced > 0 {
			r.versions = r.versions[replaced:]
			s.resources[id] = r
			n += replaced
		}
	}
	return n
}

func (s *state) trimFindings(now time.Time) (n int) {
	var tally store.Tally
	for id, f := range s.findings {
		if f.State == qrie.Resolved && f.ResolvedAt.Before(now.Add(-store.KeepResolved)) {
			tally.Finding(f.Finding, qrie.Finding{})
			delete(s.findings, id)
			n++
		}
	}
	s.count(&tally)
	return n
}

func (s *state) trimWork(now time.Time) int {
	return s.letters.trim(func(d store.DeadLetter) bool { return d.At.Before(now.Add(-store.KeepDeadLetters)) }) +
		s.deliveries.trim(func(d store.Delivery) bool {
			return d.State != store.DeliveryPending && d.CreatedAt.Before(now.Add(-store.KeepOutbox))
		}) +
		s.audit.trim(func(e store.AuditEntry) bool { return e.At.Before(now.Add(-store.KeepAudit)) }) +
		s.jobs.trim(func(j *job) bool { return j.Started.Before(now.Add(-store.KeepJobs)) })
}
