package dynamo

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Consumed units are told by table, operation and kind.
func TestConsumedUnitsAreTold(t *testing.T) {
	o := options(t, t.TempDir())
	registry := prometheus.NewRegistry()
	o.Registerer = registry
	s := open(t, o)
	w := &world{T: t, s: s, faulty: s}
	if err := w.refresh(s, bucket("b"), "a", start); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Changes(t.Context(), 0, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range families {
		if f.GetName() != "qrie_store_consumed_units_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			series := ""
			for _, l := range m.GetLabel() { // sorted by name: kind, op, table
				series += l.GetValue() + " "
			}
			got[series] = m.GetCounter().GetValue() > 0
		}
	}
	for _, want := range []string{"read get " + s.table(resourcesTable), "write put " + s.table(versionsTable), "write transact " + s.table(resourcesTable),
		"write transact " + s.table(transitionsTable), "read query " + s.table(transitionsTable), "write batch_write " + s.table(transitionsTable)} {
		if !got[want+" "] {
			t.Errorf("nothing is told of %s: %v", want, got)
		}
	}
	if _, err := Open(t.Context(), o); err == nil {
		t.Error("its metrics were registered twice")
	}
}
