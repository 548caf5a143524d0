package scanners

import (
	"context"
	"strings"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
)

// metrics are the counts of AWS calls. No label names an account or a
// resource.
type metrics struct {
	requests  *prometheus.CounterVec
	throttles *prometheus.CounterVec
	duration  *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer, c *clock) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_aws_requests_total",
			Help: "AWS API requests, each attempt counted, by AWS's error code (ok if there was none).",
		}, []string{"service", "operation", "code"}),
		throttles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_aws_throttles_total",
			Help: "AWS API requests that AWS refused because there were too many.",
		}, []string{"service"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "qrie_aws_request_duration_seconds",
			Help:    "Time from sending an AWS API request to the last byte of its answer, each attempt counted.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"service"}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.throttles, m.duration, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "qrie_clock_skew_seconds",
			Help: "How far AWS's clock is ahead of this machine's, estimated from the Date headers of AWS's answers.",
		}, func() float64 { return c.estimate().Seconds() }))
	}
	return m
}

// meter watches every attempt of every AWS call.
type meter struct {
	metrics *metrics
	clock   *clock
}

// install adds the meter to a client's operations. It stands before the
// deserializer, where it sees each attempt with AWS's error decoded.
func (m *meter) install(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("qrieMeter", m.attempt), middleware.Before)
}

func (m *meter) attempt(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	sent := m.clock.now()
	out, metadata, err := next.HandleDeserialize(ctx, in)
	received := m.clock.now()

	service := strings.ToLower(strings.ReplaceAll(awsmiddleware.GetServiceID(ctx), " ", ""))
	code := "ok"
	if err != nil {
		code = codeOf(err)
		if kindOf(err) == qrie.Throttled {
			m.metrics.throttles.WithLabelValues(service).Inc()
		}
	}
	m.metrics.requests.WithLabelValues(service, awsmiddleware.GetOperationName(ctx), code).Inc()
	m.metrics.duration.WithLabelValues(service).Observe(received.Sub(sent).Seconds())

	if response, ok := out.RawResponse.(*smithyhttp.Response); ok && response.Response != nil {
		// An answer with an Age comes from a cache and its Date is old.
		if h := response.Header; h.Get("Age") == "" {
			if date, err := smithyhttp.ParseTime(h.Get("Date")); err == nil {
				m.clock.learn(date, sent, received)
			}
		}
	}
	return out, metadata, err
}
