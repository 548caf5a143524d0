package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
)

func TestFailuresAreToldApart(t *testing.T) {
	registry := prometheus.NewRegistry()
	odd := errors.New("odd")
	m, err := NewMetrics(registry, func() time.Time { return noon }, func(err error) string {
		if errors.Is(err, odd) {
			return "odd"
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{nil, odd, errors.New("else"), context.Canceled, fmt.Errorf("read: %w", context.DeadlineExceeded),
		fmt.Errorf("write: %w", qrie.ErrStale), qrie.ErrNotFound, qrie.ErrBadToken} {
		m.Request("qrie_things", "get")(&err)
	}
	m.Drifted(map[Dimension]int{ByDay: 2})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			key := f.GetName()
			for _, l := range metric.GetLabel() {
				key += " " + l.GetValue()
			}
			got[key] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"qrie_counter_drift day":                                  2,
		"qrie_store_conditional_failures_total qrie_things stale": 1,
		"qrie_store_errors_total cancelled get qrie_things":       2,
		"qrie_store_errors_total odd get qrie_things":             1,
		"qrie_store_errors_total other get qrie_things":           1,
		"qrie_store_request_duration_seconds get qrie_things":     8,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if _, err := NewMetrics(registry, func() time.Time { return noon }, nil); err == nil {
		t.Error("registered twice")
	}
}
