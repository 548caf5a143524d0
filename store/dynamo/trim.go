package dynamo

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// trimVersions goes over the history in the order in which it was observed. A
// version past its retention has replaced those before it for at least as
// long, so they go; it stays itself until one that replaced it is as old.
// Tombstones are met a little later once more, and go with their resource.
func (s *Store) trimVersions(ctx context.Context, now time.Time) (trimmed int, err error) {
	for _, step := range []struct {
		sort   string
		cutoff time.Time
		visit  func(context.Context, item) (int, error)
	}{
		{"Versions", now.Add(-store.KeepHistory), s.trimBefore},
		{"Tombstones", now.Add(-store.KeepTombstones), s.trimTombstone},
	} {
		from, err := s.trimmedTo(ctx, step.sort)
		if err != nil {
			return trimmed, err
		}
		for b := range listBuckets {
			st := stretch{table: versionsTable, index: &versionsWritten, pk: writtenShelf(b), low: digits(from), high: digits(nanos(step.cutoff))}
			err := s.all(ctx, st, func(it item) error {
				n, err := step.visit(ctx, it)
				trimmed += n
				return err
			})
			if err != nil {
				return trimmed, err
			}
		}
		if err := s.setTrimmed(ctx, step.sort, nanos(step.cutoff)); err != nil {
			return trimmed, err
		}
	}
	return trimmed, nil
}

// trimBefore removes the versions of a resource before one of it.
func (s *Store) trimBefore(ctx context.Context, version item) (trimmed int, err error) {
	id := version.str("ResourceId")
	err = s.all(ctx, stretch{table: versionsTable, pk: id, low: "0", high: version.str("Version"), only: "#Version, #Chunks"}, func(it item) error {
		if it.str("Version") == version.str("Version") {
			return nil
		}
		trimmed++
		return s.removeVersion(ctx, id, it.str("Version"), it.num("Chunks"))
	})
	return trimmed, err
}

// trimTombstone removes a resource that is still the tombstone it was, looked
// at again or not, and what is left of its history.
func (s *Store) trimTombstone(ctx context.Context, version item) (int, error) {
	if !version.flag("Deleted") {
		return 0, nil
	}
	id := version.str("ResourceId")
	err := s.remove(ctx, resourcesTable, id, "", "#Document = :v AND #Deleted = :true", item{":v": text(version.str("Version")), ":true": flag(true)})
	if errors.Is(err, errCondition) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := s.trimBefore(ctx, version)
	if err != nil {
		return n, err
	}
	return n + 1, s.removeVersion(ctx, id, version.str("Version"), 0)
}

// trimFindings removes resolved findings. Within a severity the oldest stand
// last; the counters tell which severities there are.
func (s *Store) trimFindings(ctx context.Context, now time.Time) (trimmed int, err error) {
	counts, err := s.counts(ctx, store.ByFinding, "")
	if err != nil {
		return 0, err
	}
	findings, err := counts.Findings()
	if err != nil {
		return 0, err
	}
	severities := map[qrie.Severity]bool{}
	for _, f := range findings {
		if f.State == qrie.Resolved {
			severities[f.Severity] = true
		}
	}
	cutoff := now.Add(-store.KeepResolved)
	for severity := range severities {
		// A finding's last change is its resolving, so the order is that of time.
		oldest := orderOf(qrie.Finding{Severity: severity, ChangedAt: cutoff})
		low := oldest[:strings.LastIndexByte(oldest, '#')] + highest("")
		for b := range listBuckets {
			st := stretch{table: findingsTable, index: &findingsAll, pk: stateShelf(qrie.Resolved, b), low: low, high: rankKey(severity) + highest(""), only: "#FindingId"}
			err := s.all(ctx, st, func(it item) error {
				ok, err := s.trimFinding(ctx, it.str("FindingId"), cutoff)
				if ok {
					trimmed++
				}
				return err
			})
			if err != nil {
				return trimmed, err
			}
		}
	}
	return trimmed, nil
}

// trimFinding removes a finding unless it came back or was resolved later.
func (s *Store) trimFinding(ctx context.Context, id string, cutoff time.Time) (bool, error) {
	it, err := s.get(ctx, findingsTable, id, "")
	if err != nil {
		return false, err
	}
	f, revision, err := s.finding(it)
	if err != nil || revision == 0 || f.State != qrie.Resolved || !f.ResolvedAt.Before(cutoff) {
		return false, err
	}
	x := newEffects(s, f.Ref)
	x.remove(findingsTable, id, "", "#Revision = :r", item{":r": number(revision)})
	x.tally.Finding(f, qrie.Finding{})
	err = x.write(ctx, nil, stored{})
	if errors.Is(err, errCondition) {
		return false, nil // it came back just now
	}
	return err == nil, err
}

// trimShelf clears the partitions of what began before a time, by an index
// whose keys begin with it.
func (s *Store) trimShelf(ctx context.Context, t tableID, x *index, shelf string, cutoff time.Time) (trimmed int, err error) {
	err = s.all(ctx, stretch{table: t, index: x, pk: shelf, low: "0", high: digits(nanos(cutoff))}, func(it item) error {
		trimmed++
		return s.clear(ctx, t, keyOf(t, it).pk)
	})
	return trimmed, err
}

func (s *Store) trimLetters(ctx context.Context, now time.Time) (int, error) {
	return s.trimShelf(ctx, lettersTable, &lettersNewest, lettersShelf, now.Add(-store.KeepDeadLetters))
}

func (s *Store) trimJobs(ctx context.Context, now time.Time) (int, error) {
	return s.trimShelf(ctx, jobsTable, &jobsNewest, jobsShelf, now.Add(-store.KeepJobs))
}
