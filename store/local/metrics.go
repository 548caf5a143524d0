package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
)

// metrics tell how the store fares. Tables and operations are few and fixed.
type metrics struct {
	now      func() time.Time
	duration *prometheus.HistogramVec
	errors   *prometheus.CounterVec
	refused  *prometheus.CounterVec
	drift    *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer, now func() time.Time) (*metrics, error) {
	m := &metrics{
		now: now,
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "qrie_store_request_duration_seconds",
			Help:    "Time that a request to the store took, with the wait for its commit.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"table", "op"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_store_errors_total",
			Help: "Requests to the store that failed, refused conditions left out.",
		}, []string{"table", "op", "kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_store_conditional_failures_total",
			Help: "Writes that were refused because their condition did not hold. Some are normal: the caller decides again.",
		}, []string{"table", "why"}),
		drift: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "qrie_counter_drift",
			Help: "Counters that the last recount found wrong and set right.",
		}, []string{"dimension"}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.duration, m.errors, m.refused, m.drift} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the store: %w", err)
		}
	}
	return m, nil
}

// conditions are refusals that callers expect, and their names.
var conditions = []struct {
	err error
	why string
}{
	{qrie.ErrStale, "stale"},
	{qrie.ErrConflict, "conflict"},
	{qrie.ErrGeneration, "generation"},
	{qrie.ErrFenced, "fenced"},
	{qrie.ErrExists, "exists"},
}

// request times one request: defer request(table, op)(&err).
func (m *metrics) request(table, op string) func(*error) {
	start := m.now()
	return func(err *error) {
		m.duration.WithLabelValues(table, op).Observe(m.now().Sub(start).Seconds())
		if *err != nil {
			m.failed(table, op, *err)
		}
	}
}

func (m *metrics) failed(table, op string, err error) {
	for _, c := range conditions {
		if errors.Is(err, c.err) {
			m.refused.WithLabelValues(table, c.why).Inc()
			return
		}
	}
	kind := "other"
	switch {
	case errors.Is(err, qrie.ErrNotFound), errors.Is(err, qrie.ErrBadToken):
		return // an answer, not a failure
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		kind = "cancelled"
	case errors.Is(err, sqlite.ErrClosed):
		kind = "closed"
	}
	m.errors.WithLabelValues(table, op, kind).Inc()
}
