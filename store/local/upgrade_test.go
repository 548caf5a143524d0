package local

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// TestFileOfAnEarlierVersion: what earlier versions wrote is read, and added to,
// as if this one had written it.
func TestFileOfAnEarlierVersion(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "qrie.db"))
	must(t, err)
	defer db.Close()
	must(t, db.Migrate(t.Context(), "store", migrations[:4]))
	ref := qrie.Ref{Account: "111122223333", Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: "invoices", Global: true}
	rid, _ := pack(resourcePrefix, ref.ResourceID())
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	z, err := zstd.NewWriter(nil)
	must(t, err)
	defer z.Close()
	const cause = `{"attribution":"exact","events":[{"id":"e1","name":"DeleteBucketPolicy","source":"s3.amazonaws.com","account":"111122223333","region":"eu-west-1","time":"2026-11-01T11:59:59Z","actor":{"kind":"human","name":"ada","type":"AssumedRole"}}]}`
	must(t, db.Write(t.Context(), func(tx *sqlite.Tx) error {
		// Those of another resource between.
		for n, version := range []int{1, 1, 2, 2} {
			if _, err := tx.Exec("INSERT INTO qrie_versions (n, rid, version, observed_at, deleted, cause, document) VALUES (?, ?, ?, ?, 0, '{}', NULL)",
				n+3, [][]byte{rid, []byte("another")}[n%2], version, nanos(at.Add(-time.Hour))); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("INSERT INTO qrie_versions (n, rid, version, observed_at, deleted, cause, document) VALUES (7, ?, 3, ?, 0, ?, ?)",
			rid, nanos(at), append([]byte{s2Mark}, s2.Encode(nil, []byte(cause))...), z.EncodeAll([]byte(`{"Name":"invoices"}`), nil)); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO qrie_resources (rid, version, observed_at, listed_at, generation, changed_at, first_seen, due_at,
			deleted, open, history, document, type, account, region, id, global, hash, heads, haystack, detail)
			VALUES (?, 3, ?, ?, 1, ?, ?, 0, 0, 0, 1, 7, ?, ?, ?, ?, 1, 'h', '{}', 'invoices', ?)`,
			rid, nanos(at), nanos(at), nanos(at), nanos(at), ref.Type, ref.Account, ref.Region, ref.ID, []byte(`{"name":"invoices","cause":`+cause+`}`)); err != nil {
			return err
		}
		body := fmt.Appendf(nil, `{"Ref":{"account":%q,"region":%q,"type":%q,"id":%q,"global":true},"Events":[{"id":"e1","time":"2026-11-01T11:59:59Z"}],"Reason":"settle","Attempts":1,"Since":"2026-11-01T12:00:00Z","DueAt":"2026-11-01T12:00:30Z"}`,
			ref.Account, ref.Region, ref.Type, ref.ID)
		_, err := tx.Exec("INSERT INTO qrie_dirty (rid, due_at, since, body) VALUES (?, ?, ?, ?)", rid, nanos(at.Add(30*time.Second)), nanos(at), body)
		return err
	}))

	s, err := Open(t.Context(), db, Options{Secret: []byte("a secret for tests, 32 bytes long")})
	must(t, err)
	whole, err := s.Resource(t.Context(), ref.ResourceID())
	must(t, err)
	if whole.Name != "invoices" || len(whole.Cause.Events) != 1 || whole.Cause.Events[0].Actor.Name != "ada" || string(whole.Document) != `{"Name":"invoices"}` {
		t.Errorf("the resource is read as %+v", whole)
	}
	history, err := s.ListVersions(t.Context(), ref.ResourceID(), store.PageRequest{})
	must(t, err)
	var versions []int64
	for _, v := range history.Items {
		versions = append(versions, v.Version)
	}
	if diff := cmp.Diff([]int64{3, 2, 1}, versions); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
	first, err := s.ResourceVersion(t.Context(), ref.ResourceID(), 1)
	must(t, err)
	if !first.ObservedAt.Equal(at.Add(-time.Hour)) {
		t.Errorf("the first version is read as %+v", first)
	}
	// Twice: what is there already, and what this version made of it.
	for i := 2; i < 4; i++ {
		e := qrie.Event{ID: fmt.Sprint("e", i), Time: at.Add(time.Duration(i) * time.Second)}
		must(t, s.PutDirty(t.Context(), store.DirtyMark{Ref: ref, Events: []qrie.Event{e}, Reason: "settle", DueAt: at.Add(time.Minute), Since: at.Add(time.Second)}))
		due, err := s.DueDirty(t.Context(), at.Add(30*time.Second), 10)
		must(t, err)
		if len(due) != 1 || len(due[0].Events) != i || due[0].Events[0].ID != e.ID || due[0].Attempts != 1 || !due[0].Since.Equal(at) {
			t.Errorf("after mark %d the marks are %+v", i, due)
		}
	}
}

func FuzzDecodeDirty(f *testing.F) {
	body, err := encodeDirty(store.DirtyMark{Ref: qrie.Ref{Account: "111122223333"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(body, body...))
	f.Add([]byte(`{"Attempts":1}`))
	f.Add([]byte{additionMark, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'x'})
	f.Fuzz(func(t *testing.T, row []byte) {
		_, _ = decodeDirty(row) // must not panic
	})
}
