package local

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie/stream"
)

// metrics of one stream. What describes the present is read from the sessions
// when somebody asks, so it is never older than the question.
type metrics struct {
	now func() time.Time

	records, bytes *prometheus.CounterVec // by shard
	checkpoints    *prometheus.CounterVec // by result: ok, error, refused
	changes        *prometheus.CounterVec // by reason
	fenced         *prometheus.CounterVec // by where
	shards         *prometheus.GaugeVec   // by state
	backpressure   prometheus.Counter
	renewal        prometheus.Histogram

	lag, age, inflight, inflightBytes, owned *prometheus.Desc

	mu       sync.Mutex
	sessions map[*session]struct{}
}

func newMetrics(now func() time.Time) *metrics {
	labels := prometheus.Labels{"stream": "local"}
	counters := func(name, help string, by ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, by)
	}
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"shard"}, labels)
	}
	return &metrics{
		now:         now,
		records:     counters("qrie_stream_records_received_total", "Records handed to the handler.", "shard"),
		bytes:       counters("qrie_stream_bytes_received_total", "Payload bytes handed to the handler.", "shard"),
		checkpoints: counters("qrie_stream_checkpoint_total", "Checkpoints written (ok), failed (error) or refused because another owner has the lease.", "result"),
		changes:     counters("qrie_lease_changes_total", "Leases won and ended: acquired, released, lost to another owner, expired before renewal.", "reason"),
		fenced:      counters("qrie_lease_fenced_writes_total", "Writes refused because another owner has the lease.", "where"),
		shards: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "qrie_shards", ConstLabels: labels,
			Help: "Shards of the stream, and those that nobody owns."}, []string{"state"}),
		backpressure: prometheus.NewCounter(prometheus.CounterOpts{Name: "qrie_stream_backpressure_seconds_total", ConstLabels: labels,
			Help: "Time that sessions waited for unfinished records before reading on."}),
		renewal: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "qrie_lease_renew_duration_seconds", ConstLabels: labels,
			Help: "Time of one round of renewals and checkpoints.", Buckets: []float64{.001, .005, .02, .1, .5, 1, 2, 5, 10}}),
		lag:           gauge("qrie_stream_lag_seconds", "Age of the last record read, zero at the end of the shard."),
		age:           gauge("qrie_stream_watermark_age_seconds", "Age of the oldest record that is not finished, zero if all are."),
		inflight:      gauge("qrie_stream_inflight_records", "Records handed over and not finished."),
		inflightBytes: gauge("qrie_stream_inflight_bytes", "Bytes handed over and not finished."),
		owned:         prometheus.NewDesc("qrie_lease_owned", "Leases that this process holds.", nil, labels),
		sessions:      map[*session]struct{}{},
	}
}

func (m *metrics) parts() []prometheus.Collector {
	return []prometheus.Collector{m.records, m.bytes, m.checkpoints, m.changes, m.fenced, m.shards, m.backpressure, m.renewal}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, p := range m.parts() {
		p.Describe(to)
	}
	for _, d := range []*prometheus.Desc{m.lag, m.age, m.inflight, m.inflightBytes, m.owned} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	for _, p := range m.parts() {
		p.Collect(to)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	seen := map[string]bool{}
	for e := range m.sessions {
		// Two consumers of one process may hold a shard for a moment, while
		// one of them does not yet know that it has lost it.
		if seen[e.Shard()] {
			continue
		}
		seen[e.Shard()] = true
		lag, age := 0.0, 0.0
		if at := e.reached.Load(); at != 0 {
			lag = now.Sub(time.Unix(0, at)).Seconds()
		}
		if at, ok := e.Oldest(); ok {
			age = now.Sub(at).Seconds()
		}
		gauge(m.lag, max(0, lag), e.Shard())
		gauge(m.age, max(0, age), e.Shard())
		gauge(m.inflight, float64(e.Unfinished()), e.Shard())
		gauge(m.inflightBytes, float64(e.UnfinishedBytes()), e.Shard())
	}
	gauge(m.owned, float64(len(m.sessions)))
}

func (m *metrics) add(e *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[e] = struct{}{}
}

func (m *metrics) remove(e *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, e)
}

func (m *metrics) received(shard string, records []stream.Record) {
	size := 0
	for _, r := range records {
		size += len(r.Data)
	}
	m.records.WithLabelValues(shard).Add(float64(len(records)))
	m.bytes.WithLabelValues(shard).Add(float64(size))
}
