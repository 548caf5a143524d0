package kinesis

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
	published      *prometheus.CounterVec // by result: ok, refused
	throttled      *prometheus.CounterVec // by op
	backpressure   prometheus.Counter
	expired        prometheus.Counter
	renewal        prometheus.Histogram // of a round
	checkpoint     prometheus.Histogram // of one lease
	reading        prometheus.Histogram

	lag, age, inflight, inflightBytes, owned *prometheus.Desc

	mu       sync.Mutex
	sessions map[*session]struct{}
}

func newMetrics(stream string, now func() time.Time) *metrics {
	labels := prometheus.Labels{"stream": stream}
	counters := func(name, help string, by ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, by)
	}
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"shard"}, labels)
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, ConstLabels: labels,
			Buckets: []float64{.001, .005, .02, .1, .5, 1, 2, 5, 10}})
	}
	return &metrics{
		now:         now,
		records:     counters("qrie_stream_records_received_total", "Records handed to the handler.", "shard"),
		bytes:       counters("qrie_stream_bytes_received_total", "Payload bytes handed to the handler.", "shard"),
		checkpoints: counters("qrie_stream_checkpoint_total", "Checkpoints written (ok), failed (error) or refused because another owner has the lease.", "result"),
		changes:     counters("qrie_lease_changes_total", "Leases won and ended: acquired, released, shard_end, lost to another owner, expired before renewal.", "reason"),
		fenced:      counters("qrie_lease_fenced_writes_total", "Writes refused because another owner has the lease.", "where"),
		shards: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "qrie_shards", ConstLabels: labels,
			Help: "Shards by state: open to be read, closed and read to the end, waiting_parent, and, of the open ones, unowned."}, []string{"state"}),
		published: counters("qrie_stream_records_published_total", "Records that Kinesis took (ok), and refusals, after each of which the record is sent again.", "result"),
		throttled: counters("qrie_stream_throttled_total", "Requests of which Kinesis refused something because of its limits.", "op"),
		backpressure: prometheus.NewCounter(prometheus.CounterOpts{Name: "qrie_stream_backpressure_seconds_total", ConstLabels: labels,
			Help: "Time that sessions waited for unfinished records before reading on."}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{Name: "qrie_stream_iterator_expired_total", ConstLabels: labels,
			Help: "Iterators that had expired and were replaced."}),
		renewal:       seconds("qrie_lease_renew_duration_seconds", "Time of one round of renewals and checkpoints."),
		checkpoint:    seconds("qrie_stream_checkpoint_duration_seconds", "Time of the write of one lease with its checkpoint."),
		reading:       seconds("qrie_stream_get_records_duration_seconds", "Time of one read of one shard."),
		lag:           gauge("qrie_stream_lag_seconds", "How far the last read was behind the end of the shard, as Kinesis says."),
		age:           gauge("qrie_stream_watermark_age_seconds", "Age of the oldest record that is not finished, zero if all are."),
		inflight:      gauge("qrie_stream_inflight_records", "Records handed over and not finished."),
		inflightBytes: gauge("qrie_stream_inflight_bytes", "Bytes handed over and not finished."),
		owned:         prometheus.NewDesc("qrie_lease_owned", "Leases that this process holds.", nil, labels),
		sessions:      map[*session]struct{}{},
	}
}

func (m *metrics) parts() []prometheus.Collector {
	return []prometheus.Collector{m.records, m.bytes, m.checkpoints, m.changes, m.fenced, m.shards, m.published, m.throttled,
		m.backpressure, m.expired, m.renewal, m.checkpoint, m.reading}
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
		lag, age := float64(e.behind.Load())/1000, 0.0
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

// open counts the sessions.
func (m *metrics) open() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.sessions))
}

func (m *metrics) received(shard string, records []stream.Record) {
	size := 0
	for _, r := range records {
		size += len(r.Data)
	}
	m.records.WithLabelValues(shard).Add(float64(len(records)))
	m.bytes.WithLabelValues(shard).Add(float64(size))
}
