package notify

import "github.com/prometheus/client_golang/prometheus"

// metrics are the courier's. Sinks are few and named by the configuration.
type metrics struct {
	deliveries *prometheus.CounterVec   // sink, result
	duration   *prometheus.HistogramVec // sink
	waiting    *prometheus.GaugeVec     // state
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_deliveries_total", Help: "Attempts to tell a sink of a transition, by what became of them."}, []string{"sink", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "qrie_delivery_duration_seconds", Help: "Time until a sink answered.", Buckets: prometheus.ExponentialBuckets(.01, 2, 12)}, []string{"sink"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "qrie_deliveries", Help: "Deliveries that wait to be sent, and those that were given up."}, []string{"state"}),
	}
	if reg != nil {
		reg.MustRegister(m.deliveries, m.duration, m.waiting)
	}
	return m
}
