package local

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// readFinding reads a finding to be changed, without its evidence; n is 0 and
// f empty if it is not stored.
func readFinding(tx *sqlite.Tx, fid []byte) (f qrie.Finding, n int64, err error) {
	var body []byte
	err = tx.QueryRow("SELECT n, body FROM qrie_findings WHERE fid = ?", fid).Scan(&n, &body)
	if absent(err) {
		return qrie.Finding{}, 0, nil
	}
	if err != nil {
		return f, 0, fmt.Errorf("read finding %s: %w", unpack(findingPrefix, fid), err)
	}
	return f, n, decode("a finding", body, &f)
}

// writeFinding adds (n is 0) or updates a finding. A resolving leaves the
// stored evidence: it is of the last opening or change.
func (s *Store) writeFinding(tx *sqlite.Tx, f qrie.Finding, n int64, fid, rid []byte, t qrie.Transition) error {
	evidence, err := encodeEvidence(f.Evidence)
	if err != nil {
		return err
	}
	f.Evidence = qrie.Evidence{}
	body, err := encodePacked("a finding", f)
	if err != nil {
		return err
	}
	if t.Kind == qrie.Explained { // no index and no evidence changes with its cause
		_, err := tx.Exec("UPDATE qrie_findings SET body = ? WHERE n = ?", body, n)
		return err
	}
	active := asInt(f.State == qrie.Active)
	rank, newest := 100-int64(f.Severity), -nanos(f.ChangedAt)
	text := store.Haystack(f.Ref.ARN, f.Name, f.Summary)
	if t.Kind == qrie.Closed {
		if _, err := tx.Exec("UPDATE qrie_findings SET active = ?, rank = ?, newest = ?, haystack = ?, body = ? WHERE n = ?",
			active, rank, newest, text, body, n); err != nil {
			return err
		}
		return expire(tx, f.ResolvedAt.Add(store.KeepResolved), findingExpiry, fid, 0)
	}
	ids, err := s.numbers(f)
	if err != nil {
		return err
	}
	if n != 0 {
		_, err := tx.Exec("UPDATE qrie_findings SET active = ?, rank = ?, newest = ?, region = ?, opened_at = ?, haystack = ?, body = ?, evidence = ? WHERE n = ?",
			active, rank, newest, ids.region, nanos(f.OpenedAt), text, body, evidence, n)
		return err
	}
	_, err = tx.Exec(`INSERT INTO qrie_findings (fid, active, rank, newest, kind, account, service, region, rid, opened_at, haystack, body, evidence)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		fid, active, rank, newest, ids.kind, ids.account, ids.service, ids.region, rid, nanos(f.OpenedAt), text, body, evidence)
	return err
}

// numbers are the names of a finding as its columns hold them. Only the Region
// may change: that of a bucket is corrected by what AWS answers.
type numbers struct{ kind, account, service, region int64 }

func (s *Store) numbers(f qrie.Finding) (out numbers, err error) {
	for _, want := range []struct {
		key  name
		into *int64
	}{
		{kindOf(f.Policy, f.Ref.Type), &out.kind},
		{name{accountName, f.Ref.Account}, &out.account},
		{name{serviceName, f.Ref.Service()}, &out.service},
		{name{regionName, f.Ref.Region}, &out.region},
	} {
		n, ok := s.names.id(want.key)
		if !ok {
			return out, fmt.Errorf("BUG: the %s %q has no number", want.key.sort, want.key.text)
		}
		*want.into = n
	}
	return out, nil
}

// Finding reads one finding with its evidence.
func (s *Store) Finding(ctx context.Context, id string) (f qrie.Finding, err error) {
	defer s.metrics.Request("qrie_findings", "get")(&err)
	missing := fmt.Errorf("finding %s: %w", id, qrie.ErrNotFound)
	fid, ok := pack(findingPrefix, id)
	if !ok {
		return f, missing
	}
	var body, evidence []byte
	err = s.db.QueryRow(ctx, "SELECT body, evidence FROM qrie_findings WHERE fid = ?", fid).Scan(&body, &evidence)
	if absent(err) {
		return f, missing
	}
	if err != nil {
		return f, fmt.Errorf("read finding %s: %w", id, err)
	}
	if err := decode("finding "+id, body, &f); err != nil {
		return f, err
	}
	if err := decodeEvidence(evidence, &f.Evidence); err != nil {
		return f, err
	}
	all := []qrie.Finding{f}
	err = s.join(ctx, all)
	return all[0], err
}

// join fills what findings share with their resources, in one query.
func (s *Store) join(ctx context.Context, findings []qrie.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	ids := make([]string, len(findings))
	wanted := make([]string, 0, len(findings))
	byID := make(map[string]*store.Resource, len(findings))
	for i := range findings {
		rid, _ := pack(resourcePrefix, findings[i].Ref.ResourceID())
		ids[i] = hex.EncodeToString(rid)
		if _, ok := byID[ids[i]]; !ok {
			byID[ids[i]] = nil
			wanted = append(wanted, ids[i])
		}
	}
	list, err := encode("ids", wanted)
	if err != nil {
		return err
	}
	type row struct {
		id string
		r  *store.Resource
	}
	// The cross join keeps SQLite from reading the resources first.
	rows, err := s.db.Query(ctx, `SELECT j.value, r.observed_at, r.heads FROM json_each(?) j
		CROSS JOIN qrie_resources r ON r.rid = unhex(j.value)`, string(list))
	found, err := collect(rows, err, func(r *sql.Rows) (v row, err error) {
		var observedAt int64
		var heads []byte
		if err := r.Scan(&v.id, &observedAt, &heads); err != nil {
			return v, err
		}
		v.r = &store.Resource{ObservedAt: moment(observedAt)}
		if !bytes.Contains(heads, []byte(qrie.Unknown)) {
			return v, nil // Join asks the heads for nothing else
		}
		return v, decode("heads", heads, &v.r.Heads)
	})
	if err != nil {
		return fmt.Errorf("read the resources of findings: %w", err)
	}
	for _, v := range found {
		byID[v.id] = v.r
	}
	for i := range findings {
		store.Join(&findings[i], byID[ids[i]])
	}
	return nil
}
