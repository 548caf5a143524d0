package local

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// writeTransition brings the finding to where t leads and adds t to the
// history and the outbox. Resolving what is not active writes nothing.
func (s *Store) writeTransition(tx *sqlite.Tx, t qrie.Transition, rid []byte, tally *store.Tally) error {
	fid, ok := pack(findingPrefix, t.Finding)
	if !ok {
		return fmt.Errorf("%q is no finding id", t.Finding)
	}
	f, n, err := readFinding(tx, fid)
	if err != nil {
		return err
	}
	before := f
	if !store.ApplyTransition(&f, &t) {
		return nil
	}
	if err := s.writeFinding(tx, f, n, fid, rid, t); err != nil {
		return fmt.Errorf("finding %s: %w", f.ID, err)
	}
	tally.Finding(before, f)
	added, err := addTransition(tx, t, fid, rid)
	if err != nil {
		return fmt.Errorf("transition %s: %w", t.ID, err)
	}
	if added {
		tally.Transition(t)
	}
	return nil
}

// addTransition adds a row to the history and the outbox, once for each id.
func addTransition(tx *sqlite.Tx, t qrie.Transition, fid, rid []byte) (added bool, err error) {
	tid, ok := pack(transitionPrefix, t.ID)
	if !ok {
		return false, fmt.Errorf("%q is no transition id", t.ID)
	}
	evidence, err := encodeEvidence(t.Evidence)
	if err != nil {
		return false, err
	}
	t.Evidence, t.At, t.Seq = qrie.Evidence{}, t.At.UTC(), 0
	body, err := encodePacked("a transition", t)
	if err != nil {
		return false, err
	}
	res, err := tx.Exec(`INSERT INTO qrie_transitions (tid, fid, rid, at, kind, severity, body, evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tid) DO NOTHING`, tid, fid, rid, nanos(t.At), string(t.Kind), int64(t.Severity), body, evidence)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); n == 0 || err != nil {
		return false, err
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return false, err
	}
	_, err = tx.Exec("INSERT INTO qrie_outbox (seq) VALUES (?)", seq)
	return true, err
}

// encodeEvidence gives nil for no evidence.
func encodeEvidence(e qrie.Evidence) ([]byte, error) {
	if e.Total == 0 && len(e.Violations) == 0 && len(e.Pointers) == 0 {
		return nil, nil
	}
	return encodePacked("evidence", e)
}

func decodeEvidence(b []byte, e *qrie.Evidence) error {
	if len(b) == 0 {
		return nil
	}
	return decode("evidence", b, e)
}

const transitionColumns = "t.seq, t.body"

func scanTransition(r *sql.Rows) (t qrie.Transition, err error) {
	var seq int64
	var body []byte
	if err := r.Scan(&seq, &body); err != nil {
		return t, err
	}
	err = decode("a transition", body, &t)
	t.Seq = seq
	return t, err
}

// scanWhole scans a transition with its evidence.
func scanWhole(r *sql.Rows) (t qrie.Transition, err error) {
	var seq int64
	var body, evidence []byte
	if err := r.Scan(&seq, &body, &evidence); err != nil {
		return t, err
	}
	if err := decode("a transition", body, &t); err != nil {
		return t, err
	}
	t.Seq = seq
	return t, decodeEvidence(evidence, &t.Evidence)
}

// ListTransitions gives the history of one finding or of one resource, newest
// first.
func (s *Store) ListTransitions(ctx context.Context, finding, resource string, p store.PageRequest) (page store.Page[qrie.Transition], err error) {
	defer s.metrics.Request("qrie_transitions", "list")(&err)
	if (finding == "") == (resource == "") {
		return page, fmt.Errorf("list transitions: name either a finding or a resource")
	}
	column, id := "fid", finding
	packed, ok := pack(findingPrefix, finding)
	if finding == "" {
		column, id = "rid", resource
		packed, ok = pack(resourcePrefix, resource)
	}
	if !ok {
		return page, nil
	}
	before := int64(1)<<62 - 1
	if p.Token != "" {
		if err := s.signer.Open("transitions", p.Bound(id), p.Token, &before); err != nil {
			return page, err
		}
	}
	size := p.PageSize()
	rows, err := s.db.Query(ctx, "SELECT "+transitionColumns+", t.evidence FROM qrie_transitions t WHERE t."+column+
		" = ? AND t.seq < ? ORDER BY t.seq DESC LIMIT ?", packed, before, size+1)
	page.Items, err = collect(rows, err, scanWhole)
	if err != nil {
		return page, fmt.Errorf("list transitions of %s: %w", id, err)
	}
	if len(page.Items) > size {
		page.Items = page.Items[:size]
		page.Next, err = s.signer.Seal("transitions", p.Bound(id), page.Items[size-1].Seq)
	}
	return page, err
}

// maxChanges bounds what one call reads.
const maxChanges = 1000

// Changes reads the transitions after a seq. The newest is read first, so that
// it is never below what is returned and nothing between is passed over.
func (s *Store) Changes(ctx context.Context, after int64, limit int) (changes []qrie.Transition, newest int64, err error) {
	defer s.metrics.Request("qrie_transitions", "changes")(&err)
	if err := s.db.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM qrie_transitions").Scan(&newest); err != nil {
		return nil, 0, fmt.Errorf("read the newest transition: %w", err)
	}
	rows, err := s.db.Query(ctx, "SELECT "+transitionColumns+" FROM qrie_transitions t WHERE t.seq > ? AND t.seq <= ? ORDER BY t.seq LIMIT ?",
		after, newest, min(limit, maxChanges))
	changes, err = collect(rows, err, scanTransition)
	if err != nil {
		return nil, 0, fmt.Errorf("read transitions after %d: %w", after, err)
	}
	return changes, newest, nil
}

// Outbox reads what is not delivered yet, with evidence, oldest first.
func (s *Store) Outbox(ctx context.Context, limit int) (waiting []qrie.Transition, err error) {
	defer s.metrics.Request("qrie_outbox", "list")(&err)
	rows, err := s.db.Query(ctx, "SELECT "+transitionColumns+`, t.evidence FROM qrie_outbox o CROSS JOIN qrie_transitions t ON t.seq = o.seq
		ORDER BY o.seq LIMIT ?`, min(limit, maxChanges))
	waiting, err = collect(rows, err, scanWhole)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	return waiting, nil
}

// Delivered removes transitions from the outbox. Unknown ids are no error: a
// sender that did not hear the answer says it again.
func (s *Store) Delivered(ctx context.Context, ids []string) (err error) {
	defer s.metrics.Request("qrie_outbox", "delivered")(&err)
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		for _, id := range ids {
			tid, ok := pack(transitionPrefix, id)
			if !ok {
				continue
			}
			if _, err := tx.Exec("DELETE FROM qrie_outbox WHERE seq = (SELECT seq FROM qrie_transitions WHERE tid = ?)", tid); err != nil {
				return fmt.Errorf("remove %s from the outbox: %w", id, err)
			}
		}
		return nil
	})
}
