package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
)

// metrics tell how the store fares and what it costs. Tables and operations
// are few and fixed.
type metrics struct {
	now        func() time.Time
	duration   *prometheus.HistogramVec
	errors     *prometheus.CounterVec
	refused    *prometheus.CounterVec
	units      *prometheus.CounterVec
	contention prometheus.Counter
	drift      *prometheus.GaugeVec
	unjudged   prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, now func() time.Time) (*metrics, error) {
	m := &metrics{
		now: now,
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "qrie_store_request_duration_seconds",
			Help:    "Time that a request to the store took, with every attempt.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30},
		}, []string{"table", "op"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_store_errors_total",
			Help: "Requests to the store that failed, refused conditions left out.",
		}, []string{"table", "op", "kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_store_conditional_failures_total",
			Help: "Writes that were refused because their condition did not hold. Some are normal: the caller decides again.",
		}, []string{"table", "why"}),
		units: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_store_consumed_units_total",
			Help: "DynamoDB request units consumed, those of indexes with their table's, by kind (read, write). Refused writes are not told by DynamoDB.",
		}, []string{"table", "kind"}),
		contention: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "qrie_store_transaction_conflicts_total",
			Help: "Transactions that met another or were throttled, and were tried again.",
		}),
		drift: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "qrie_counter_drift",
			Help: "Counters that the last recount found wrong and set right.",
		}, []string{"dimension"}),
		unjudged: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "qrie_counter_unjudged",
			Help: "Counters that the last recount could not judge, because they changed while it counted.",
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.duration, m.errors, m.refused, m.units, m.contention, m.drift, m.unjudged} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the store: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) consumed(kind string, c *types.ConsumedCapacity) {
	if c == nil {
		return
	}
	m.units.WithLabelValues(aws.ToString(c.TableName), kind).Add(aws.ToFloat64(c.CapacityUnits))
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
	if errors.Is(err, qrie.ErrNotFound) || errors.Is(err, qrie.ErrBadToken) {
		return // an answer, not a failure
	}
	m.errors.WithLabelValues(table, op, kindOfError(err)).Inc()
}

func kindOfError(err error) string {
	var cancelled *types.TransactionCanceledException
	var api smithy.APIError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "cancelled"
	case errors.As(err, &cancelled):
		return "contention"
	case errors.Is(err, errThrottled):
		return "throttled"
	case !errors.As(err, &api):
		return "other"
	case strings.Contains(api.ErrorCode(), "Throttl"), api.ErrorCode() == "ProvisionedThroughputExceededException", api.ErrorCode() == "RequestLimitExceeded":
		return "throttled"
	case api.ErrorCode() == "AccessDeniedException", api.ErrorCode() == "ExpiredTokenException", api.ErrorCode() == "UnrecognizedClientException":
		return "denied"
	case api.ErrorCode() == "ResourceNotFoundException":
		return "no_table"
	case api.ErrorFault() == smithy.FaultServer:
		return "server"
	}
	return "refused"
}
