package local

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

func TestStateThatAnotherProcessChanged(t *testing.T) {
	place := t.TempDir()
	here, there := open(t, place), open(t, place)
	defer here.Close()
	defer there.Close()
	look := func(step int, on store.Resource) store.Evaluation {
		return benchEvaluation(1, step, on.Version, true, 0, false, nil)
	}
	ref := look(1, store.Resource{}).Next.Ref
	read := func() store.Resource { // by one that has read nothing of it before
		s := open(t, place)
		defer s.Close()
		r, err := s.ResourceState(t.Context(), ref)
		must(t, err)
		return r
	}
	must(t, here.Apply(t.Context(), look(1, store.Resource{})))
	first, err := here.ResourceState(t.Context(), ref)
	must(t, err)
	if diff := cmp.Diff(read(), first); diff != "" {
		t.Errorf("new, remembered (+) beside stored (-):\n%s", diff)
	}
	must(t, there.Apply(t.Context(), look(2, first)))

	old, err := here.ResourceState(t.Context(), ref)
	must(t, err)
	if err := here.Apply(t.Context(), look(3, old)); !errors.Is(err, qrie.ErrConflict) {
		t.Fatalf("what was written on version %d of 2 ended with %v", old.Version, err)
	}
	second, err := here.ResourceState(t.Context(), ref)
	must(t, err)
	if want := look(2, first).Next.Hash; second.Version != 2 || second.Hash != want {
		t.Fatalf("after the conflict the state is version %d, %q, want %q", second.Version, second.Hash, want)
	}
	must(t, here.Apply(t.Context(), look(3, second)))

	kept, err := here.ResourceState(t.Context(), ref)
	must(t, err)
	if diff := cmp.Diff(read(), kept); diff != "" {
		t.Errorf("remembered (+) beside stored (-):\n%s", diff)
	}
}

// TestLaterStateStays reads a row that was replaced while it was read, after the
// generation of the later one has passed.
func TestLaterStateStays(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s := states{now: func() time.Time { return now }}
	rid := []byte("r")
	s.read(rid, &stateRow{version: 2})
	now = now.Add(statesAge)
	s.read(rid, &stateRow{version: 1})
	if row := s.get(rid); row == nil || row.version != 2 {
		t.Errorf("version 2 has become %+v", row)
	}
	s.applied(&change{rid: rid, row: &stateRow{version: 1}}, nil) // the first look ends after another that came behind it
	if row := s.get(rid); row == nil || row.version != 2 {
		t.Errorf("version 2 has become %+v, of the first look", row)
	}
}

func TestStatesAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s := states{now: func() time.Time { return now }}
	rid := func(i int) []byte { return fmt.Append(nil, "r", i) }
	for i := range 3 * statesKept {
		s.read(rid(i), &stateRow{})
		if n := len(s.fresh) + len(s.old); n > 2*statesKept {
			t.Fatalf("after %d rows %d are kept", i+1, n)
		}
	}
	if s.get(rid(0)) != nil || s.get(rid(3*statesKept-1)) == nil {
		t.Error("the oldest rows are to go, and the newest to stay")
	}
	now = now.Add(statesAge)
	s.get(rid(0))
	now = now.Add(statesAge)
	if s.get(rid(3*statesKept-1)) != nil {
		t.Errorf("a row is kept for more than %s", 2*statesAge)
	}
}
