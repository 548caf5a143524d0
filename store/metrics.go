package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
)

// Metrics are what every adapter tells of its requests, under the same names,
// so that a dashboard need not know which one it looks at. Tables and
// operations are few and fixed.
type Metrics struct {
	now      func() time.Time
	kind     func(error) string
	duration *prometheus.HistogramVec
	errors   *prometheus.CounterVec
	refused  *prometheus.CounterVec
	drift    *prometheus.GaugeVec
}

// NewMetrics makes them, and registers them with the adapter's own unless r is
// nil. kind names the error of a request that failed, "" if the adapter knows
// no better; its values are few.
func NewMetrics(r prometheus.Registerer, now func() time.Time, kind func(error) string, own ...prometheus.Collector) (*Metrics, error) {
	m := &Metrics{
		now:  now,
		kind: kind,
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "qrie_store_request_duration_seconds",
			Help:    "Time that a request to the store took, with the wait for its commit and every attempt.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30},
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
	for _, c := range append([]prometheus.Collector{m.duration, m.errors, m.refused, m.drift}, own...) {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the store: %w", err)
		}
	}
	return m, nil
}

// refusals are what callers expect, and their names.
var refusals = []struct {
	err error
	why string
}{
	{qrie.ErrStale, "stale"},
	{qrie.ErrConflict, "conflict"},
	{qrie.ErrGeneration, "generation"},
	{qrie.ErrFenced, "fenced"},
	{qrie.ErrExists, "exists"},
}

// Request times one request: defer Request(table, op)(&err).
func (m *Metrics) Request(table, op string) func(*error) {
	start := m.now()
	return func(err *error) {
		m.duration.WithLabelValues(table, op).Observe(m.now().Sub(start).Seconds())
		if *err != nil {
			m.Failed(table, op, *err)
		}
	}
}

// Failed counts a failure by what it is. Not to find something is an answer.
func (m *Metrics) Failed(table, op string, err error) {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			m.refused.WithLabelValues(table, r.why).Inc()
			return
		}
	}
	if errors.Is(err, qrie.ErrNotFound) || errors.Is(err, qrie.ErrBadToken) {
		return
	}
	kind := m.kind(err)
	switch {
	case kind != "":
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		kind = "cancelled"
	default:
		kind = "other"
	}
	m.errors.WithLabelValues(table, op, kind).Inc()
}

// Drifted tells what a recount found, of each dimension how many counters.
func (m *Metrics) Drifted(found map[Dimension]int) {
	for dimension, n := range found {
		m.drift.WithLabelValues(string(dimension)).Set(float64(n))
	}
}
