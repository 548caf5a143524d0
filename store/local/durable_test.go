package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

func TestOpenRefusesANewerFile(t *testing.T) {
	place := t.TempDir()
	s := open(t, place)
	must(t, s.db.Write(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec("UPDATE qrie_schema SET version = version + 1 WHERE component = 'store'")
		return err
	}))
	must(t, s.Close())
	db, err := sqlite.Open(t.Context(), filepath.Join(place, "qrie.db"))
	must(t, err)
	defer db.Close()
	_, err = Open(t.Context(), db, Options{})
	if err == nil || !strings.Contains(err.Error(), "newer qrie") {
		t.Errorf("got %v, want an error that tells of a newer qrie", err)
	}
}

func TestOpenRefusesABrokenFile(t *testing.T) {
	place := t.TempDir()
	s := open(t, place)
	fillSome(t, s)
	must(t, s.Close())
	path := filepath.Join(place, "qrie.db")
	data, err := os.ReadFile(path)
	must(t, err)
	for i := 4096; i < len(data); i++ {
		data[i] = 0xa5
	}
	must(t, os.WriteFile(path, data, 0o600))
	db, err := sqlite.Open(t.Context(), path)
	if err == nil {
		defer db.Close()
		_, err = Open(t.Context(), db, Options{})
	}
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v, want an error that tells of damage", err)
	}
}

func fillSome(t *testing.T, s owned) {
	t.Helper()
	l, err := s.PutLaunch(t.Context(), qrie.Launch{Policy: benchPolicies[0], Status: qrie.LaunchActive}, 0)
	must(t, err)
	for i := range 50 {
		must(t, s.Apply(t.Context(), benchEvaluation(i, 1, 0, true, 1, true, map[string]int64{benchPolicies[0]: l.Generation})))
	}
}

const childVariable = "QRIE_STORE_TEST_CHILD"

// TestKilledChild is the child of TestKill: it writes until it is killed.
func TestKilledChild(t *testing.T) {
	place, ok := os.LookupEnv(childVariable)
	if !ok {
		t.Skip("it is run by TestKill")
	}
	s := open(t, place)
	set, err := s.LaunchSet(context.Background())
	must(t, err)
	if len(set.Launches) == 0 {
		_, err := s.PutLaunch(context.Background(), qrie.Launch{Policy: benchPolicies[0], Status: qrie.LaunchActive}, 0)
		must(t, err)
		set, err = s.LaunchSet(context.Background())
		must(t, err)
	}
	generations := map[string]int64{benchPolicies[0]: set.Launches[0].Generation}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				n := w*5 + i%5
				e := benchEvaluation(n, 1, 0, true, 1, true, generations)
				stored, err := s.ResourceState(context.Background(), e.Next.Ref)
				if err == nil {
					failing := 1
					if stored.Heads[benchPolicies[0]].Open {
						failing = 0
					}
					e = benchEvaluation(n, int(stored.Version)+1, stored.Version, true, failing, true, generations)
				} else if !errors.Is(err, qrie.ErrNotFound) {
					t.Error(err)
					return
				}
				if err := s.Apply(context.Background(), e); err != nil {
					t.Error(err)
					return
				}
				// What was acknowledged must survive.
				fmt.Printf("done %d %d\n", n, e.Base+1)
			}
		})
	}
	wg.Wait()
}

// TestKill kills a process in the midst of its writes, several times over one
// file, and checks what it left.
func TestKill(t *testing.T) {
	place := t.TempDir()
	acknowledged := map[int]int64{}
	for round := range 4 {
		out := &lines{}
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
		cmd.Env = append(os.Environ(), childVariable+"="+place)
		cmd.Stdout, cmd.Stderr = out, out
		must(t, cmd.Start())
		wait(t, out, 50+round*37)
		must(t, cmd.Process.Kill())
		_ = cmd.Wait() // it says that it was killed
		for _, line := range strings.Split(out.String(), "\n") {
			var n int
			var version int64
			if _, err := fmt.Sscanf(line, "done %d %d", &n, &version); err == nil {
				acknowledged[n] = max(acknowledged[n], version)
			}
		}
		check(t, place, acknowledged)
	}
	if len(acknowledged) == 0 {
		t.Error("the child wrote nothing")
	}
}

// lines is a buffer that two goroutines may use.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func wait(t *testing.T, out *lines, n int) {
	t.Helper()
	for range 3000 {
		if strings.Count(out.String(), "done ") >= n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("the child has not written %d times:\n%s", n, out)
}

func check(t *testing.T, place string, acknowledged map[int]int64) {
	t.Helper()
	s := open(t, place)
	defer s.Close()
	drift, err := s.Recount(t.Context())
	must(t, err)
	if len(drift) > 0 {
		t.Errorf("counters differ from counts: %v", drift)
	}
	for n, version := range acknowledged {
		ref := benchEvaluation(n, 1, 0, true, 0, false, nil).Next.Ref
		r, err := s.Resource(t.Context(), ref.ResourceID())
		must(t, err)
		if r.Version < version {
			t.Errorf("%s is at version %d, acknowledged was %d", ref, r.Version, version)
		}
		if len(r.Document) == 0 {
			t.Errorf("%s lost its document", ref)
		}
		// Each version of this test makes one transition.
		var transitions, versions, outbox int64
		rid, _ := pack(resourcePrefix, ref.ResourceID())
		must(t, s.db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM qrie_transitions WHERE rid = ?1), (SELECT count(*) FROM qrie_versions WHERE rid = ?1),
			(SELECT count(*) FROM qrie_outbox o JOIN qrie_transitions t ON t.seq = o.seq WHERE t.rid = ?1)`, rid).Scan(&transitions, &versions, &outbox))
		if diff := cmp.Diff([]int64{r.Version, min(r.Version, versions), r.Version}, []int64{transitions, versions, outbox}); diff != "" {
			t.Errorf("transitions, versions, outbox of %s at version %d (-want +got):\n%s", ref, r.Version, diff)
		}
		f, err := s.Finding(t.Context(), ref.FindingID(benchPolicies[0]))
		must(t, err)
		if (f.State == qrie.Active) != r.Heads[benchPolicies[0]].Open || f.Version != r.Version {
			t.Errorf("finding of %s is %s at version %d, its head says open is %v at %d", ref, f.State, f.Version, r.Heads[benchPolicies[0]].Open, r.Version)
		}
	}
}

// TestPlans holds the lists to their indexes: none may scan or sort a table.
func TestPlans(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	fillSome(t, s)
	yes := true
	explain := func(what, query string, args []any, index string, sorted bool) {
		t.Helper()
		rows, err := s.db.Reader().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		lines, err := collect(rows, err, func(r *sql.Rows) (line string, err error) {
			var id, parent, unused int
			return line, r.Scan(&id, &parent, &unused, &line)
		})
		must(t, err)
		plan := strings.Join(lines, "\n")
		if !strings.Contains(plan, index) || strings.Contains(plan, "SCAN qrie_") || strings.Contains(plan, "USE TEMP B-TREE") == sorted {
			t.Errorf("%s is not read through %s:\n%s", what, index, plan)
		}
	}
	account := "111122223301"
	for name, c := range map[string]struct {
		q     store.FindingQuery
		index string
	}{
		"all":     {store.FindingQuery{}, "qrie_findings_all (active=? AND (rank,newest,fid)>(?,?,?)"},
		"text":    {store.FindingQuery{Text: "x"}, "qrie_findings_all (active=? AND (rank,newest,fid)>(?,?,?)"},
		"account": {store.FindingQuery{Accounts: []string{account}}, "qrie_findings_account (active=? AND account=? AND service=? AND (rank,newest,fid)>(?,?,?)"},
		"Region":  {store.FindingQuery{Accounts: []string{account}, Regions: []string{"eu-west-1"}}, "qrie_findings_account (active=? AND account=? AND service=?"},
	} {
		plan, ok := s.plan(c.q.Normal())
		if !ok {
			t.Fatalf("%s: no plan", name)
		}
		src := plan.sources[0]
		args := append(append([]any{}, src.keys...), 0, 0, []byte{}, 100, 10)
		explain(name, src.query, append(args, plan.args...), c.index, true)
	}
	explain("policy", findingQuery(findingsByKind, false), []any{1, 1, 0, 0, []byte{}, 100, 10}, "qrie_findings_kind (active=? AND kind=? AND (rank,newest,fid)>(?,?,?)", true)
	explain("resource", findingQuery(findingsOfObject, false), []any{[]byte{}, 0, 0, []byte{}, 100, 10}, "qrie_findings_resource (rid=?", false)
	for name, c := range map[string]struct {
		q     store.ResourceQuery
		index string
	}{
		"resources":        {store.ResourceQuery{}, "qrie_resources_list (type=? AND (account,region,id)>(?,?,?))"},
		"resources of one": {store.ResourceQuery{Accounts: []string{account}}, "qrie_resources_list (type=? AND account=? AND (region,id)>(?,?))"},
		"failing":          {store.ResourceQuery{Failing: &yes}, "qrie_resources_failing (type=?"},
	} {
		l := resourceList{store: s.Store, q: c.q.Normal()}
		query, args := l.query(l.stretches()[0], 10)
		explain(name, query, args, c.index, true)
	}
	explain("due", dueQuery, []any{0, 10}, "qrie_resources_due (due_at>? AND due_at<?)", true)
	explain("versions", versionsQuery, []any{[]byte{}, 100, 10}, "qrie_resources USING INDEX sqlite_autoindex_qrie_resources_1 (rid=?)", false)
	explain("again", againQuery, []any{0, 10}, "qrie_resources_again (again_at>? AND again_at<?)", false)
}
