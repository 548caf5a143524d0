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

// closeChunk findings share a transaction: a few milliseconds for which nobody
// else writes.
const closeChunk = 25

// CloseFindings resolves active findings of a policy that is not launched, a
// few in each transaction.
func (s *Store) CloseFindings(ctx context.Context, policy string, why qrie.Resolution, at time.Time, limit int) (closed int, err error) {
	defer s.metrics.Request("qrie_findings", "close")(&err)
	if err := s.names.load(ctx, s.db); err != nil {
		return 0, fmt.Errorf("close findings of %s: %w", policy, err)
	}
	for _, k := range s.names.kinds() {
		if k.policy != policy {
			continue
		}
		for closed < limit {
			want := min(closeChunk, limit-closed)
			var found []findingIDs
			err := s.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
				found, err = s.closeSome(tx, k, why, at, want)
				return err
			})
			if err != nil {
				return closed, fmt.Errorf("close findings of %s: %w", policy, err)
			}
			for _, f := range found {
				s.states.forget(f.rid)
			}
			closed += len(found)
			if len(found) < want {
				break
			}
		}
	}
	return closed, nil
}

func (s *Store) closeSome(tx *sqlite.Tx, k kind, why qrie.Resolution, at time.Time, limit int) ([]findingIDs, error) {
	l, err := launch(tx, k.policy)
	if err != nil {
		return nil, err
	}
	if l != nil {
		return nil, fmt.Errorf("it is launched: %w", qrie.ErrConflict)
	}
	g, err := generation(tx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query("SELECT fid, rid FROM qrie_findings WHERE active = 1 AND kind = ? ORDER BY rank, newest, fid LIMIT ?", k.n, limit)
	found, err := collect(rows, err, scanIDs)
	if err != nil {
		return nil, err
	}
	var tally store.Tally
	for _, id := range found {
		if err := s.closeOne(tx, id.fid, id.rid, why, g, at, &tally); err != nil {
			return nil, err
		}
	}
	_, err = s.addUp(tx, tally.Deltas())
	return found, err
}

// closeOne resolves one finding and takes its head off the resource, whose
// version grows: an evaluation in flight must be decided again.
func (s *Store) closeOne(tx *sqlite.Tx, fid, rid []byte, why qrie.Resolution, generation int64, at time.Time, tally *store.Tally) error {
	f, _, err := readFinding(tx, fid)
	if err != nil {
		return err
	}
	row, err := readRow(tx, f.Ref, rid)
	if err != nil {
		return err
	}
	old, err := row.verdicts(nil, nil)
	if err != nil {
		return err
	}
	old.Ref = f.Ref
	next, t := store.Forget(old, f, why, generation, at)
	if row.n != 0 {
		tally.Resource(old, next)
		heads, err := encodeHeads(next.Heads)
		if err != nil {
			return err
		}
		open, _ := next.OpenFindings()
		if _, err := tx.Exec("UPDATE qrie_resources SET version = ?, heads = ?, open = ? WHERE n = ?", next.Version, heads, open, row.n); err != nil {
			return fmt.Errorf("forget the head on %s: %w", f.Ref, err)
		}
	}
	return s.writeTransition(tx, t, rid, tally)
}

type findingIDs struct{ fid, rid []byte }

func scanIDs(r *sql.Rows) (ids findingIDs, err error) { return ids, r.Scan(&ids.fid, &ids.rid) }

// PurgeFindings forgets resolved findings of a policy that is not launched, a
// few in each transaction.
func (s *Store) PurgeFindings(ctx context.Context, policy string, limit int) (purged int, err error) {
	defer s.metrics.Request("qrie_findings", "purge")(&err)
	if err := s.names.load(ctx, s.db); err != nil {
		return 0, fmt.Errorf("forget findings of %s: %w", policy, err)
	}
	for _, k := range s.names.kinds() {
		if k.policy != policy {
			continue
		}
		for purged < limit {
			want, n := min(closeChunk, limit-purged), 0
			err := s.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
				n, err = s.purgeSome(tx, k, want)
				return err
			})
			if err != nil {
				return purged, fmt.Errorf("forget findings of %s: %w", policy, err)
			}
			purged += n
			if n < want {
				break
			}
		}
	}
	return purged, nil
}

func (s *Store) purgeSome(tx *sqlite.Tx, k kind, limit int) (int, error) {
	l, err := launch(tx, k.policy)
	if err != nil {
		return 0, err
	}
	if l != nil {
		return 0, fmt.Errorf("it is launched: %w", qrie.ErrConflict)
	}
	rows, err := tx.Query("SELECT fid, rid FROM qrie_findings WHERE active = 0 AND kind = ? ORDER BY rank, newest, fid LIMIT ?", k.n, limit)
	found, err := collect(rows, err, scanIDs)
	if err != nil {
		return 0, err
	}
	var tally store.Tally
	for _, id := range found {
		f, n, err := readFinding(tx, id.fid)
		if err != nil {
			return 0, err
		}
		tally.Finding(f, qrie.Finding{})
		if _, err := tx.Exec("DELETE FROM qrie_findings WHERE n = ?", n); err != nil {
			return 0, fmt.Errorf("forget finding %s: %w", f.ID, err)
		}
	}
	_, err = s.addUp(tx, tally.Deltas())
	return len(found), err
}
