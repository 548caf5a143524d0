package dynamo

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// owned is a bucket of the n-th account.
func owned(n int, id string) qrie.Ref {
	ref := bucket(id)
	ref.Account = fmt.Sprintf("%012d", 111100000000+n)
	return ref
}

func (w *world) recount(s *Store) []store.Drift {
	w.Helper()
	drift, err := s.Recount(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return drift
}

func TestRecountInBoundedRuns(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	w.s.recountRows = 3
	for i := range 6 {
		for j := range 2 {
			if err := w.refresh(w.s, owned(i, fmt.Sprint("b", j)), "a", start, public); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The first run has its share of the days' transitions.
	account := store.FindingCounter(owned(4, "").Account, public, qrie.Active, 90)
	total := store.ResourceCounter("", "AWS::S3::Bucket", false)
	skew(t, w.s, account, 7)
	skew(t, w.s, total, -2)
	var found []store.Drift
	runs := 0
	for round := true; round; runs++ {
		found = append(found, w.recount(w.s)...)
		// Between two runs, counted and uncounted accounts change, and a new
		// one appears before the last that was counted.
		at := start.Add(time.Duration(runs+1) * time.Minute)
		for _, ref := range []qrie.Ref{owned(0, "b0"), owned(5, "b1"), owned(-runs, "early")} {
			if err := w.refresh(w.s, ref, fmt.Sprint("v", runs), at, [][]string{{}, {public}}[runs%2]...); err != nil {
				t.Fatal(err)
			}
		}
		r := &recounting{s: w.s}
		if err := r.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		round = r.state.Done != "" || len(found) < 2
		if runs > 40 {
			t.Fatalf("the round does not end: at %q", r.state.Done)
		}
	}
	if runs < 4 {
		t.Errorf("a round over six accounts took %d runs of three rows", runs)
	}
	want := []store.Drift{{Dimension: account.String(), Had: 9, Is: 2}, {Dimension: total.String(), Had: found[1].Had, Is: found[1].Had + 2}}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	w.s.recountRows = recountRows
	w.countersAgree("after the round")
	w.sound()
}

// A correction is made once, whenever the process that makes it dies.
func TestCrashAtEachWriteOfARecount(t *testing.T) {
	k := &killer{}
	k.left.Store(1 << 40)
	w := newWorld(t, k.stack)
	for i := range 3 {
		if err := w.refresh(w.s, owned(i, "b"), "a", start, public); err != nil {
			t.Fatal(err)
		}
	}
	kills := 0
	for _, after := range []bool{false, true} {
		for n := int64(1); ; n++ {
			skew(t, w.s, store.FindingCounter(owned(1, "").Account, public, qrie.Active, 90), 3)
			skew(t, w.s, store.VerdictCounter("", public, qrie.Fail), -1)
			skew(t, w.s, store.DayCounter(start, qrie.Critical, false), 4)
			if err := w.refresh(w.s, owned(2, fmt.Sprint(after, n)), "a", start, public); err != nil {
				t.Fatal(err)
			}
			k.left.Store(n)
			k.after = after
			_, err := w.faulty.Recount(t.Context())
			died := k.dead.Load()
			k.left.Store(1 << 40)
			k.dead.Store(false)
			if !died && err != nil {
				t.Fatal(err)
			}
			w.recount(w.s)
			w.recount(w.s) // the rest of a round that was begun, and a whole one
			w.countersAgree(fmt.Sprintf("after write %d", n))
			if drift := w.recount(w.s); len(drift) > 0 {
				t.Fatalf("after write %d: %v", n, drift)
			}
			if !died {
				break
			}
			kills++
		}
	}
	t.Logf("killed %d times", kills)
	if kills < 12 {
		t.Errorf("killed %d times only", kills)
	}
	w.sound()
}

func TestTwoRecountsAtOnce(t *testing.T) {
	c := &cue{}
	w := newWorld(t, c.stack)
	for i := range 3 {
		if err := w.refresh(w.s, owned(i, "b"), "a", start, public); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; ; n++ {
		skew(t, w.s, store.FindingCounter(owned(1, "").Account, public, qrie.Active, 90), 3)
		skew(t, w.s, store.VerdictCounter("", public, qrie.Fail), -1)
		var theirs []store.Drift
		ran := c.set(n, isWrite, func() { theirs = w.recount(w.s) })
		ours := w.recount(w.faulty)
		did := ran()
		if len(ours)+len(theirs) != 2 {
			t.Errorf("before write %d: %v and %v", n, ours, theirs)
		}
		w.countersAgree(fmt.Sprintf("before write %d", n))
		if !did {
			break
		}
	}
	w.sound()
}

// Transitions are counted once, so a settled day costs nothing to judge.
func TestDaysAreCountedOnce(t *testing.T) {
	history := 0
	w := newWorld(t, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("history", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if get, ok := in.Parameters.(*dynamodb.BatchGetItemInput); ok {
				for name, keys := range get.RequestItems {
					if name[len(name)-len(transitionsTable):] == string(transitionsTable) {
						history += len(keys.Keys)
					}
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.After)
	})
	for day := range 4 {
		for i := range 3 {
			if err := w.refresh(w.s, bucket(fmt.Sprint(day, i)), "a", start.AddDate(0, 0, day), public); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.s.catchUp(t.Context()); err != nil { // so that it is not in the count below
			t.Fatal(err)
		}
		history = 0
		if drift := w.recount(w.faulty); len(drift) > 0 {
			t.Errorf("day %d: %v", day, drift)
		}
		if history != 3 {
			t.Errorf("day %d: %d transitions were read, of which 3 are new", day, history)
		}
	}
	// A day that is long settled is judged all the same.
	old := store.DayCounter(start, qrie.Critical, false)
	skew(t, w.s, old, 2)
	if diff := cmp.Diff([]store.Drift{{Dimension: old.String(), Had: 5, Is: 3}}, w.recount(w.faulty)); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	w.sound()
}
