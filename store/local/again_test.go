package local

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// TestPlansLeaveNothingBehind lets two processes plan, merge, put off and take looks in
// any order: what is due is what was planned, whatever either remembers, and no mark
// stays that no plan has.
func TestPlansLeaveNothingBehind(t *testing.T) {
	place := t.TempDir()
	processes := []owned{open(t, place), open(t, place)}
	for _, s := range processes {
		defer s.Close()
	}
	one := func(t *rapid.T) owned { return rapid.SampledFrom(processes).Draw(t, "process") }
	count := func(t *rapid.T, query string) (n int64) {
		must(t, processes[0].db.QueryRow(t.Context(), query).Scan(&n))
		return n
	}
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		const resources = 3
		version, hash, plan := [resources]int64{}, [resources]string{}, [resources]*store.DirtyMark{}
		now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
		step := 0
		resource := func(t *rapid.T) int { return rapid.IntRange(0, resources-1).Draw(t, "resource") }
		look := func(t *rapid.T, i int) store.Evaluation {
			step++
			changed := version[i] == 0 || rapid.IntRange(0, 2).Draw(t, "changed") == 0
			e := benchEvaluation(runs*resources+i, step, version[i], changed, 0, false, nil)
			if !changed {
				e.Next.Hash = hash[i]
			}
			e.Next.Cause = qrie.Cause{Attribution: qrie.AttributionUnknown}
			return e
		}
		apply := func(t *rapid.T, i int, e store.Evaluation) {
			must(t, one(t).Apply(t.Context(), e))
			version[i]++
			hash[i] = e.Next.Hash
		}
		due := func(t *rapid.T) []store.DirtyMark {
			marks, err := processes[1].DueDirty(t.Context(), now.Add(24*time.Hour), 100)
			must(t, err)
			return marks
		}
		at := func(m store.DirtyMark) int {
			for i := range resources {
				if plan[i] != nil && plan[i].Ref.Key() == m.Ref.Key() {
					return i
				}
			}
			t.Fatalf("nothing is planned for %s", m.Ref)
			return 0
		}
		t.Repeat(map[string]func(*rapid.T){
			"look": func(t *rapid.T) { i := resource(t); apply(t, i, look(t, i)) },
			"plan": func(t *rapid.T) {
				i := resource(t)
				for range rapid.IntRange(1, maxLooks).Draw(t, "looks") {
					e := look(t, i)
					e.Again = &store.DirtyMark{Ref: e.Next.Ref, Reason: store.ReasonSettle, Since: e.Next.ObservedAt,
						Events: []qrie.Event{{ID: fmt.Sprint("e", step), Time: e.Next.ObservedAt}}, Attempts: 1,
						DueAt: now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "minutes")) * time.Minute)}
					if rapid.Bool().Draw(t, "settles") {
						e.Again.Settles = e.Again.DueAt
					}
					if rapid.Bool().Draw(t, "told") { // of a change: it is its cause
						e.Next.Cause = e.Next.Cause.With(e.Again.Events...)
					}
					apply(t, i, e)
					next := *e.Again
					if plan[i] != nil {
						next = plan[i].Merge(next)
					}
					plan[i] = &next
				}
			},
			"take": func(t *rapid.T) {
				marks := due(t)
				if len(marks) == 0 {
					t.Skip("nothing is planned")
				}
				m := rapid.SampledFrom(marks).Draw(t, "mark")
				must(t, one(t).DeleteDirty(t.Context(), []store.DirtyMark{m}))
				plan[at(m)] = nil
			},
			"put off": func(t *rapid.T) {
				marks := due(t)
				if len(marks) == 0 {
					t.Skip("nothing is planned")
				}
				m := rapid.SampledFrom(marks).Draw(t, "mark")
				m.DueAt = m.DueAt.Add(time.Minute)
				m.Attempts, m.Settles, m.Events = rapid.IntRange(1, 3).Draw(t, "attempts"), m.DueAt, m.Events[:1]
				must(t, one(t).PutDirty(t.Context(), m))
				m.Revision = 0
				plan[at(m)] = &m
			},
			"": func(t *rapid.T) {
				got, want := map[string]store.DirtyMark{}, map[string]store.DirtyMark{}
				var last time.Time
				for _, m := range due(t) {
					if m.DueAt.Before(last) {
						t.Errorf("%s comes after what is due later", m.Ref)
					}
					last, m.Revision = m.DueAt, 0
					got[m.Ref.Key()] = m
				}
				for _, m := range plan {
					if m != nil {
						want[m.Ref.Key()] = *m
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("planned (-want +got):\n%s", diff)
				}
				kept, named := count(t, "SELECT count(*) FROM qrie_looks"), count(t, "SELECT coalesce(sum(looks), 0) FROM qrie_resources WHERE again_at > 0")
				if kept != named {
					t.Errorf("%d marks are kept, and plans have %d", kept, named)
				}
				if n := count(t, "SELECT coalesce(max(looks), 0) FROM qrie_resources"); n > maxLooks {
					t.Errorf("a plan has %d marks", n)
				}
			},
		})
		must(t, processes[0].DeleteDirty(t.Context(), due(t)))
		if n := count(t, "SELECT count(*) FROM qrie_looks"); n != 0 {
			t.Errorf("%d marks are left", n)
		}
		if n, _, err := processes[0].CountDirty(t.Context()); n != 0 || err != nil {
			t.Errorf("%d looks are counted, %v", n, err)
		}
	})
}

// TestPlanOfAnEarlierVersion reads marks from where they were: in the row of the
// resource.
func TestPlanOfAnEarlierVersion(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "qrie.db"))
	must(t, err)
	defer db.Close()
	must(t, db.Migrate(t.Context(), "store", migrations[:7]))
	e := benchEvaluation(1, 1, 0, true, 0, false, nil)
	ref, at := e.Next.Ref, e.Next.ObservedAt
	want := store.DirtyMark{Ref: ref, Events: []qrie.Event{{ID: "e2", Time: at.Add(time.Second)}, {ID: "e1", Time: at}}, Reason: "settle", DueAt: at.Add(time.Minute), Since: at}
	must(t, db.Write(t.Context(), func(tx *sqlite.Tx) error {
		var marks []byte
		for i := range want.Events {
			one := want
			one.Events = want.Events[i : i+1]
			body, err := encodeDirty(one)
			if err != nil {
				return err
			}
			marks = append(marks, body...)
		}
		rid, _ := pack(resourcePrefix, ref.ResourceID())
		_, err := tx.Exec(`INSERT INTO qrie_resources (rid, version, observed_at, listed_at, generation, changed_at, first_seen, due_at,
			deleted, open, history, document, type, account, region, id, global, hash, heads, haystack, detail, again_at, again_n, again)
			VALUES (?, 1, ?, 0, 5, ?, ?, 0, 0, 0, 1, 0, ?, ?, ?, ?, 1, ?, '{}', '', '{}', ?, 7, ?)`,
			rid, nanos(at), nanos(at), nanos(at), ref.Type, ref.Account, ref.Region, ref.ID, e.Next.Hash, nanos(want.DueAt), marks)
		if err != nil {
			return err
		}
		_, err = tx.Exec("INSERT INTO qrie_counters (dimension, account, name, part, count, last_at) VALUES (?, '', '', '', 1, 0)", string(byDirty))
		return err
	}))
	s, err := Open(t.Context(), db, Options{})
	must(t, err)
	due, err := s.DueDirty(t.Context(), want.DueAt, 10)
	must(t, err)
	if len(due) != 1 {
		t.Fatalf("due are %+v", due)
	}
	got := due[0]
	got.Revision = 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the plan (-want +got):\n%s", diff)
	}
	must(t, s.DeleteDirty(t.Context(), due))
	if n, _, err := s.CountDirty(t.Context()); n != 0 || err != nil {
		t.Errorf("%d looks are counted once it is done, %v", n, err)
	}
}
