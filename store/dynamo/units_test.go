package dynamo

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// readUnits is how many units a store has consumed by reading so far.
func readUnits(t testing.TB, s *Store) (n float64) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(s.metrics.units)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "kind" && l.GetValue() == "read" {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// event is one sort of event: what is stored before it and what it writes.
type event struct {
	name   string
	before []step
	then   step
	again  bool // the same event once more
	limit  float64
}

type step struct {
	doc   string
	fails []string
}

var events = []event{
	{name: "new resource", then: step{doc: "a"}, limit: 12},
	{name: "new resource with a finding", then: step{doc: "a", fails: []string{public}}, limit: 26},
	{name: "unchanged", before: []step{{doc: "a"}}, then: step{doc: "a"}, limit: 1},
	{name: "changed without transition", before: []step{{doc: "a"}}, then: step{doc: "b"}, limit: 3},
	{name: "opened", before: []step{{doc: "a"}}, then: step{doc: "b", fails: []string{public}}, limit: 27},
	{name: "opened beside another", before: []step{{doc: "a", fails: []string{unsafely}}}, then: step{doc: "a", fails: []string{unsafely, public}}, limit: 22},
	{name: "resolved", before: []step{{doc: "a", fails: []string{public}}}, then: step{doc: "b"}, limit: 30},
	{name: "duplicate event", before: []step{{doc: "a"}}, then: step{doc: "a", fails: []string{public}}, again: true, limit: 0},
}

// measure writes one event and tells the units of it, and those of giving its
// transitions a seq and delivering them, which happens after and in batches.
func measure(t testing.TB, s *Store, m *meter, set qrie.LaunchSet, e event, ref qrie.Ref, at time.Time) (write, read, after float64) {
	t.Helper()
	apply := func(st step) store.Evaluation {
		at = at.Add(time.Minute)
		old, _ := s.ResourceState(t.Context(), ref) // none is version 0
		ev := evaluate(old, set, ref, st.doc, at, st.fails...)
		// A document of usual size: 1.5 KB.
		if ev.Next.Document != nil {
			ev.Next.Document = []byte(fmt.Sprintf(`{"Bucket":%q,"Tags":[%s{}]}`, st.doc, strings.Repeat(`{"Key":"team","Value":"payments"},`, 40)))
		}
		if err := s.Apply(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
		return ev
	}
	for _, st := range e.before {
		apply(st)
	}
	var last store.Evaluation
	if e.again {
		last = apply(e.then)
	}
	if _, err := s.Outbox(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w, r := m.units, readUnits(t, s)
	if e.again {
		if err := s.Apply(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	} else {
		apply(e.then)
	}
	write, read = m.units-w, readUnits(t, s)-r
	w = m.units
	waiting, err := s.Outbox(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, tr := range waiting {
		ids = append(ids, tr.ID)
	}
	if err := s.Delivered(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	return write, read, m.units - w
}

func unitsWorld(t testing.TB) (*Store, *meter, qrie.LaunchSet) {
	m := &meter{t: t}
	place := t.TempDir()
	s := open(t, options(t, place, m.stack))
	m.clear = newClient(options(t, place).filled(), unmetered(t))
	for _, p := range []string{public, unsafely, "S3BucketEncryptionDisabled", "S3BucketMfaDeleteDisabled", "S3BucketPublicAccessBlockDisabled"} {
		if _, err := s.PutLaunch(t.Context(), qrie.Launch{Policy: p, Status: qrie.LaunchActive}, 0); err != nil {
			t.Fatal(err)
		}
	}
	set, err := s.LaunchSet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The first resource makes names and rows of counters that the others find.
	if err := s.Apply(t.Context(), evaluate(store.Resource{}, set, bucket("first"), "a", start, public)); err != nil {
		t.Fatal(err)
	}
	return s, m, set
}

// TestUnitsOfAnEvent holds the costs of the events that are many.
func TestUnitsOfAnEvent(t *testing.T) {
	s, m, set := unitsWorld(t)
	for _, e := range events {
		write, read, after := measure(t, s, m, set, e, bucket("units of "+e.name), start)
		t.Logf("%-28s %5.1f write units, %4.1f read units, then %4.1f to number and deliver its transitions", e.name, write, read, after)
		if write > e.limit {
			t.Errorf("%s: %.1f write units, at most %.1f are wanted", e.name, write, e.limit)
		}
	}
}

func BenchmarkUnits(b *testing.B) {
	s, m, set := unitsWorld(b)
	for _, e := range events {
		b.Run(strings.ReplaceAll(e.name, " ", "_"), func(b *testing.B) {
			var write, read, after float64
			for i := range b.N {
				w, r, a := measure(b, s, m, set, e, bucket(fmt.Sprintf("%s %d %d", e.name, b.N, i)), start)
				write, read, after = write+w, read+r, after+a
			}
			n := float64(b.N)
			b.ReportMetric(write/n, "write-units/event")
			b.ReportMetric(read/n, "read-units/event")
			b.ReportMetric(after/n, "later-write-units/event")
		})
	}
}

// unmetered are metrics of their own for a reader that is not measured.
func unmetered(t testing.TB) *metrics {
	m, err := newMetrics(nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
