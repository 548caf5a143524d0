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

var invoices = qrie.Ref{Account: "111122223333", Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: "invoices", Global: true}

// seen is an evaluation of a look at a resource of which base is stored.
func seen(ref qrie.Ref, base store.Resource, hash string, at time.Time) store.Evaluation {
	next := store.Resource{Ref: ref, Name: ref.ID, ObservedAt: at, ListedAt: at, ChangedAt: base.ChangedAt, FirstSeen: at, Hash: hash, Document: []byte(`{}`)}
	e := store.Evaluation{Base: base.Version, Changed: base.Hash != hash, Next: next}
	if e.Changed {
		e.Next.ChangedAt, e.Next.Cause = at, qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, Before: at}
	}
	return e
}

func TestStateThatAnotherProcessChanged(t *testing.T) {
	place := t.TempDir()
	here, there := open(t, place), open(t, place)
	defer here.Close()
	defer there.Close()
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	must(t, here.Apply(t.Context(), seen(invoices, store.Resource{}, "first", at)))
	first, err := here.ResourceState(t.Context(), invoices)
	must(t, err)
	must(t, there.Apply(t.Context(), seen(invoices, first, "second", at.Add(time.Second))))

	old, err := here.ResourceState(t.Context(), invoices)
	must(t, err)
	if err := here.Apply(t.Context(), seen(invoices, old, "third", at.Add(2*time.Second))); !errors.Is(err, qrie.ErrConflict) {
		t.Fatalf("what was written on version %d of 2 ended with %v", old.Version, err)
	}
	second, err := here.ResourceState(t.Context(), invoices)
	must(t, err)
	if second.Version != 2 || second.Hash != "second" {
		t.Fatalf("after the conflict the state is version %d, %q", second.Version, second.Hash)
	}
	must(t, here.Apply(t.Context(), seen(invoices, second, "third", at.Add(2*time.Second))))

	kept, err := here.ResourceState(t.Context(), invoices)
	must(t, err)
	read, err := there.ResourceState(t.Context(), invoices) // it has read nothing of it before
	must(t, err)
	if diff := cmp.Diff(read, kept); diff != "" {
		t.Errorf("remembered (+) beside stored (-):\n%s", diff)
	}
}

func TestStatesAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s := states{now: func() time.Time { return now }}
	rid := func(i int) []byte { return fmt.Append(nil, "r", i) }
	for i := range 3 * statesKept {
		s.read(rid(i), &resourceRow{})
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
