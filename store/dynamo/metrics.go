package dynamo

import (
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie/store"
)

// metrics tell how the store fares and what it costs.
type metrics struct {
	*store.Metrics
	units      *prometheus.CounterVec
	contention prometheus.Counter
	grown      prometheus.Counter
	unjudged   prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, now func() time.Time) (*metrics, error) {
	m := &metrics{
		units: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_store_consumed_units_total",
			Help: "DynamoDB request units consumed, those of indexes with their table's, by kind (read, write). Refused writes are not told by DynamoDB.",
		}, []string{"table", "op", "kind"}),
		contention: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "qrie_store_transaction_conflicts_total",
			Help: "Transactions that met another or were throttled, and were tried again.",
		}),
		grown: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "qrie_store_buckets_grown_total",
			Help: "Times that an account's service was spread over more partitions of an index.",
		}),
		unjudged: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "qrie_counter_unjudged",
			Help: "Counters that the last recount could not judge, because they changed while it counted.",
		}),
	}
	var err error
	m.Metrics, err = store.NewMetrics(r, now, kindOfError, m.units, m.contention, m.grown, m.unjudged)
	return m, err
}

// consumed counts the units that one request told of a table.
func (m *metrics) consumed(op, kind string, c *types.ConsumedCapacity) {
	if c != nil {
		m.units.WithLabelValues(aws.ToString(c.TableName), op, kind).Add(aws.ToFloat64(c.CapacityUnits))
	}
}

func kindOfError(err error) string {
	var cancelled *types.TransactionCanceledException
	var api smithy.APIError
	switch {
	case errors.As(err, &cancelled):
		return "contention"
	case errors.Is(err, errThrottled):
		return "throttled"
	case !errors.As(err, &api) && errors.Is(err, store.ErrUnavailable):
		return "unreachable"
	case !errors.As(err, &api):
		return ""
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
