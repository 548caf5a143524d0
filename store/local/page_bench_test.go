package local

import (
	"context"
	"database/sql"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/store/storetest"
)

// BenchmarkPage reads pages and counters; QRIE_BENCH_LARGE at a million findings
// too.
func BenchmarkPage(b *testing.B) {
	storetest.BenchmarkReads(b, func(b *testing.B, findings int) store.Store {
		s := open(b, b.TempDir())
		fill(b, s.Store, findings)
		return s
	})
}

// found is a resource with its findings.
type found struct {
	resource store.Resource
	findings []qrie.Finding
}

// fill writes findings and their resources past Apply: no history, a thousand
// findings in each transaction, and the indexes of lists at the end, which
// sorts them.
func fill(b *testing.B, s *Store, findings int) {
	b.Helper()
	ctx := context.Background()
	rows, err := s.db.Query(ctx, "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'qrie_findings' AND sql IS NOT NULL")
	indexes, err := collect(rows, err, func(r *sql.Rows) (v [2]string, err error) { return v, r.Scan(&v[0], &v[1]) })
	must(b, err)
	for _, index := range indexes {
		must(b, s.db.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec("DROP INDEX " + index[0])
			return err
		}))
	}
	var waiting []found
	flush := func() error {
		for _, w := range waiting {
			known := []name{{typeName, w.resource.Ref.Type}, {accountName, w.resource.Ref.Account}, {serviceName, w.resource.Ref.Service()}, {regionName, w.resource.Ref.Region}}
			for _, f := range w.findings {
				known = append(known, kindOf(f.Policy, f.Ref.Type))
			}
			if err := s.names.know(ctx, s.db, known...); err != nil {
				return err
			}
		}
		err := s.db.Write(ctx, func(tx *sqlite.Tx) error {
			for _, w := range waiting {
				if err := w.write(tx, s); err != nil {
					return err
				}
			}
			return nil
		})
		waiting = nil
		return err
	}
	counts, err := storetest.Populate(findings, func(r store.Resource, of []qrie.Finding) error {
		if waiting = append(waiting, found{r, of}); len(waiting) < 200 {
			return nil
		}
		return flush()
	})
	must(b, err)
	must(b, flush())
	for chunk := range slices.Chunk(counts, 500) {
		must(b, s.db.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := s.addUp(tx, chunk)
			return err
		}))
	}
	for _, index := range indexes {
		must(b, s.db.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec(index[1])
			return err
		}))
	}
}

func (w found) write(tx *sqlite.Tx, s *Store) error {
	r := w.resource
	rid, _ := pack(resourcePrefix, r.Ref.ResourceID())
	for _, f := range w.findings {
		fid, _ := pack(findingPrefix, f.ID)
		if err := s.writeFinding(tx, f, 0, fid, rid, qrie.Transition{Kind: qrie.Opened}); err != nil {
			return err
		}
	}
	encoded, err := encodeHeads(r.Heads)
	if err != nil {
		return err
	}
	d, err := encodePacked("detail", detail{ARN: r.Ref.ARN, Name: r.Name, Tags: r.Tags})
	if err != nil {
		return err
	}
	cause, err := encodePacked("cause", r.Cause)
	if err != nil {
		return err
	}
	version, err := tx.Exec("INSERT INTO qrie_versions (rid, version, observed_at, deleted, cause) VALUES (?, ?, ?, 0, ?)", rid, r.Version, nanos(r.ObservedAt), cause)
	if err != nil {
		return err
	}
	document, err := version.LastInsertId()
	if err != nil {
		return err
	}
	open, _ := r.OpenFindings()
	_, err = tx.Exec(`INSERT INTO qrie_resources (rid, version, observed_at, listed_at, generation, changed_at, first_seen, due_at,
		deleted, open, history, document, type, account, region, id, global, hash, heads, haystack, detail)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 1, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`,
		rid, r.Version, nanos(r.ObservedAt), nanos(r.ListedAt), r.Generation, nanos(r.ChangedAt), nanos(r.FirstSeen), nanos(r.DueAt), open, document,
		r.Ref.Type, r.Ref.Account, r.Ref.Region, r.Ref.ID, r.Hash, encoded, haystack(r), d)
	return err
}

func must(tb rapid.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
