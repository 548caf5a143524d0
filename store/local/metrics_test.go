package local

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

func TestMetrics(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "qrie.db"))
	must(t, err)
	registry := prometheus.NewRegistry()
	now := time.Unix(0, 0)
	s, err := Open(t.Context(), db, Options{Registerer: registry, Now: func() time.Time {
		now = now.Add(time.Millisecond)
		return now
	}})
	must(t, err)
	l, err := s.PutLaunch(t.Context(), qrie.Launch{Policy: "P", Status: qrie.LaunchActive}, 0)
	must(t, err)
	if _, err := s.PutLaunch(t.Context(), l, 0); err == nil {
		t.Error("launched twice")
	}
	if _, err := s.Account(t.Context(), "111122223333"); err == nil {
		t.Error("an account that was not put was found")
	}
	must(t, s.db.Write(t.Context(), func(tx *sqlite.Tx) error {
		return addByName(tx, store.Delta{Counter: store.VerdictCounter("", "P", qrie.Fail), N: 2})
	}))
	if _, err := s.Recount(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, db.Close())
	if s.Ping(t.Context()) == nil {
		t.Error("a closed store answers")
	}
	want := map[string]float64{
		"qrie_counter_drift day":                                     0,
		"qrie_counter_drift dead_letter":                             0,
		"qrie_counter_drift dirty":                                   0,
		"qrie_counter_drift finding":                                 0,
		"qrie_counter_drift resource":                                0,
		"qrie_counter_drift verdict":                                 1,
		"qrie_store_conditional_failures_total qrie_policies exists": 1,
		"qrie_store_errors_total other ping qrie_meta":               1,
		"qrie_store_request_duration_seconds get qrie_accounts":      1,
		"qrie_store_request_duration_seconds ping qrie_meta":         1,
		"qrie_store_request_duration_seconds put qrie_policies":      2,
		"qrie_store_request_duration_seconds recount qrie_counters":  1,
	}
	if diff := cmp.Diff(want, gather(t, registry)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if _, err := Open(t.Context(), db, Options{Registerer: registry}); err == nil {
		t.Error("a closed file was opened")
	}
}

// gather gives each series by its name and label values: what it stands at,
// for a histogram how many it counted.
func gather(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			out[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}
