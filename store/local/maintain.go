package local

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// maintainChunk rows share a transaction, so that nobody waits long.
const maintainChunk = 50

// What the table of expiries names.
const (
	findingExpiry  = "finding"  // a resolved finding
	resourceExpiry = "resource" // a tombstone at the version named
)

// expire notes when something may be trimmed.
func expire(tx *sqlite.Tx, due time.Time, sort string, id []byte, version int64) error {
	_, err := tx.Exec("INSERT INTO qrie_expiry (due, sort, id, version) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", nanos(due), sort, id, version)
	return err
}

// Maintain trims what is past its retention, a little in each transaction,
// until nothing is left or ctx ends.
func (s *Store) Maintain(ctx context.Context, now time.Time) (trimmed int, err error) {
	defer s.metrics.Request("qrie_meta", "maintain")(&err)
	for _, step := range []struct {
		what string
		trim func(tx *sqlite.Tx, now time.Time) (int, error)
	}{
		{"the outbox", trimOutbox},
		{"transitions", trimTransitions},
		{"versions", trimVersions},
		{"what expired", s.trimExpired},
		{"dead letters", trimLetters},
		{"jobs", trimJobs},
		{"the audit", trimAudit},
		{"deliveries", trimDeliveries},
	} {
		for {
			n := 0
			err := s.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
				n, err = step.trim(tx, now)
				return err
			})
			if err != nil {
				return trimmed, fmt.Errorf("trim %s: %w", step.what, err)
			}
			trimmed += n
			if n < maintainChunk {
				break
			}
		}
	}
	return trimmed, nil
}

// trimOutbox gives up on transitions that nobody could be told of in time.
func trimOutbox(tx *sqlite.Tx, now time.Time) (int, error) {
	n, err := affected(tx, `DELETE FROM qrie_outbox WHERE seq IN (SELECT o.seq FROM qrie_outbox o CROSS JOIN qrie_transitions t ON t.seq = o.seq
		WHERE t.at < ? ORDER BY o.seq LIMIT ?)`, nanos(now.Add(-store.KeepOutbox)), maintainChunk)
	return int(n), err
}

// trimTransitions trims from the oldest on, and stops at the first that is to
// be kept: they were decided in about the order of their seq. The newest stays
// in any case, because the next seq is counted from it.
func trimTransitions(tx *sqlite.Tx, now time.Time) (int, error) {
	rows, err := tx.Query("SELECT seq, at FROM qrie_transitions WHERE seq < (SELECT max(seq) FROM qrie_transitions) ORDER BY seq LIMIT ?", maintainChunk)
	type entry struct{ seq, at int64 }
	oldest, err := collect(rows, err, func(r *sql.Rows) (e entry, err error) { return e, r.Scan(&e.seq, &e.at) })
	if err != nil {
		return 0, err
	}
	cutoff := nanos(now.Add(-store.KeepHistory))
	n := 0
	var last entry
	newestDay := int64(0)
	for n < len(oldest) && oldest[n].at < cutoff {
		last = oldest[n]
		newestDay = max(newestDay, last.at)
		n++
	}
	if n == 0 {
		return 0, nil
	}
	// From here on a recount must leave these days alone.
	if _, err := tx.Exec("UPDATE qrie_meta SET value = max(value, ?) WHERE name = 'day_trimmed'", moment(newestDay).Format(time.DateOnly)); err != nil {
		return 0, err
	}
	if _, err := tx.Exec("DELETE FROM qrie_outbox WHERE seq <= ?", last.seq); err != nil {
		return 0, err
	}
	_, err = tx.Exec("DELETE FROM qrie_transitions WHERE seq <= ?", last.seq)
	return n, err
}

// trimVersions goes once over the history, in the order in which it was
// written. A version past its retention has replaced those before it for at
// least as long, so they go; it stays itself until one that replaced it is as
// old. What is written out of order waits for its neighbours.
func trimVersions(tx *sqlite.Tx, now time.Time) (int, error) {
	type entry struct{ n, before, at int64 }
	rows, err := tx.Query(`SELECT n, before, observed_at FROM qrie_versions
		WHERE n > (SELECT value FROM qrie_meta WHERE name = 'versions_trimmed') ORDER BY n LIMIT ?`, maintainChunk)
	next, err := collect(rows, err, func(r *sql.Rows) (e entry, err error) { return e, r.Scan(&e.n, &e.before, &e.at) })
	if err != nil {
		return 0, err
	}
	cutoff := nanos(now.Add(-store.KeepHistory))
	n := 0
	for ; n < len(next) && next[n].at < cutoff; n++ {
		if err := deleteVersions(tx, next[n].before); err != nil {
			return 0, err
		}
	}
	if n > 0 {
		_, err = tx.Exec("UPDATE qrie_meta SET value = ? WHERE name = 'versions_trimmed'", next[n-1].n)
	}
	return n, err
}

// trimExpired does what the oldest due expiries say, and forgets them.
func (s *Store) trimExpired(tx *sqlite.Tx, now time.Time) (int, error) {
	type entry struct {
		due, version int64
		sort         string
		id           []byte
	}
	rows, err := tx.Query("SELECT due, sort, id, version FROM qrie_expiry WHERE due < ? ORDER BY due, sort, id, version LIMIT ?", nanos(now), maintainChunk)
	due, err := collect(rows, err, func(r *sql.Rows) (e entry, err error) {
		return e, r.Scan(&e.due, &e.sort, &e.id, &e.version)
	})
	if err != nil {
		return 0, err
	}
	var tally store.Tally
	for _, e := range due {
		switch e.sort {
		case findingExpiry:
			err = trimFinding(tx, e.id, now, &tally)
		case resourceExpiry:
			err = trimTombstone(tx, e.id, e.version)
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", e.sort, err)
		}
		if _, err := tx.Exec("DELETE FROM qrie_expiry WHERE due = ? AND sort = ? AND id = ? AND version = ?", e.due, e.sort, e.id, e.version); err != nil {
			return 0, err
		}
	}
	_, err = s.addUp(tx, tally.Deltas())
	return len(due), err
}

// trimFinding removes a finding unless it came back or was resolved later.
func trimFinding(tx *sqlite.Tx, fid []byte, now time.Time, tally *store.Tally) error {
	f, n, err := readFinding(tx, fid)
	if n == 0 || err != nil {
		return err
	}
	if f.State != qrie.Resolved || !f.ResolvedAt.Before(now.Add(-store.KeepResolved)) {
		return nil
	}
	tally.Finding(f, qrie.Finding{})
	_, err = tx.Exec("DELETE FROM qrie_findings WHERE n = ?", n)
	return err
}

// trimTombstone removes a resource that is still the tombstone it was, looked
// at again or not, and the last entry of its history.
func trimTombstone(tx *sqlite.Tx, rid []byte, version int64) error {
	var newest, plans, look int64
	err := tx.QueryRow(`DELETE FROM qrie_resources WHERE rid = ?1 AND deleted
		AND (SELECT v.version FROM qrie_versions v WHERE v.n = qrie_resources.document) = ?2 RETURNING document, again_at > 0, look`, rid, version).Scan(&newest, &plans, &look)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if plans > 0 {
		if _, err := takeLooks(tx, look); err != nil {
			return err
		}
		if err := addOne(tx, byDirty, -plans); err != nil {
			return err
		}
	}
	if err := deleteVersions(tx, newest); err != nil {
		return err
	}
	// SQLite gives the numbers of the last rows again once they are gone.
	_, err = tx.Exec(`UPDATE qrie_meta SET value = min(value, (SELECT coalesce(max(n), 0) FROM qrie_versions))
		WHERE name = 'versions_trimmed'`)
	return err
}

// deleteVersions removes a version and those before it.
func deleteVersions(tx *sqlite.Tx, newest int64) error {
	_, err := tx.Exec("DELETE FROM qrie_versions WHERE n IN ("+chainQuery+" SELECT n FROM chain)", newest)
	return err
}

func trimLetters(tx *sqlite.Tx, now time.Time) (int, error) {
	n, err := affected(tx, "DELETE FROM qrie_dead_letters WHERE id IN (SELECT id FROM qrie_dead_letters WHERE at < ? ORDER BY at LIMIT ?)",
		nanos(now.Add(-store.KeepDeadLetters)), maintainChunk)
	if n == 0 || err != nil {
		return 0, err
	}
	return int(n), addOne(tx, byLetter, -n)
}

func trimJobs(tx *sqlite.Tx, now time.Time) (int, error) {
	rows, err := tx.Query("SELECT id FROM qrie_jobs WHERE started < ? ORDER BY started LIMIT ?", nanos(now.Add(-store.KeepJobs)), maintainChunk)
	old, err := collect(rows, err, func(r *sql.Rows) (id string, err error) { return id, r.Scan(&id) })
	if err != nil {
		return 0, err
	}
	for _, id := range old {
		if _, err := tx.Exec("DELETE FROM qrie_job_pages WHERE job = ?", id); err != nil {
			return 0, err
		}
		if _, err := tx.Exec("DELETE FROM qrie_jobs WHERE id = ?", id); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
