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
	gaps           prometheus.Counter
	renewal        prometheus.Histogram // of a round
	checkpoint     prometheus.Histogram // of one lease
	reading        prometheus.Histogram

	lag, age, inflight, inflightBytes, owned, kept *prometheus.Desc

	retention func() time.Duration

	mu       sync.Mutex
	sessions map[*session]struct{}
	labels   map[string]bool // shards that have series of their own
}

// maxShardLabels bounds the series by shard. Further shards are added up under
// otherShards.
const (
	maxShardLabels = 200
	otherShards    = "other"
)

func newMetrics(stream string, now func() time.Time, retention func() time.Duration) *metrics {
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
		retention:   retention,
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
		gaps: prometheus.NewCounter(prometheus.CounterOpts{Name: "qrie_stream_gaps_total", ConstLabels: labels,
			Help: "Times that records may have been dropped before they were read, because a shard was behind for longer than the retention."}),
		renewal:       seconds("qrie_lease_renew_duration_seconds", "Time of one round of renewals and checkpoints."),
		checkpoint:    seconds("qrie_stream_checkpoint_duration_seconds", "Time of the write of one lease with its checkpoint."),
		reading:       seconds("qrie_stream_get_records_duration_seconds", "Time of one read of one shard."),
		lag:           gauge("qrie_stream_lag_seconds", "How long ago that arrived up to which the shard was read."),
		age:           gauge("qrie_stream_watermark_age_seconds", "Age of the oldest record that is not finished, zero if all are."),
		inflight:      gauge("qrie_stream_inflight_records", "Records handed over and not finished."),
		inflightBytes: gauge("qrie_stream_inflight_bytes", "Bytes handed over and not finished."),
		owned:         prometheus.NewDesc("qrie_lease_owned", "Leases that this process holds.", nil, labels),
		kept:          prometheus.NewDesc("qrie_stream_retention_seconds", "How long the stream keeps a record.", nil, labels),
		sessions:      map[*session]struct{}{},
		labels:        map[string]bool{},
	}
}

func (m *metrics) parts() []prometheus.Collector {
	return []prometheus.Collector{m.records, m.bytes, m.checkpoints, m.changes, m.fenced, m.shards, m.published, m.throttled,
		m.backpressure, m.expired, m.gaps, m.renewal, m.checkpoint, m.reading}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, p := range m.parts() {
		p.Describe(to)
	}
	for _, d := range []*prometheus.Desc{m.lag, m.age, m.inflight, m.inflightBytes, m.owned, m.kept} {
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
	type state struct {
		lag, age        time.Duration
		inflight, bytes int64
	}
	shards, seen := map[string]state{}, map[string]bool{}
	for e := range m.sessions {
		// Two consumers of one process may hold a shard for a moment, while
		// one of them does not yet know that it has lost it.
		if seen[e.Shard()] {
			continue
		}
		seen[e.Shard()] = true
		label := m.label(e.Shard())
		s := shards[label]
		if read := e.read.Load(); read != 0 {
			s.lag = max(s.lag, now.Sub(time.Unix(0, read)))
		}
		if at, ok := e.Oldest(); ok {
			s.age = max(s.age, now.Sub(at))
		}
		s.inflight += int64(e.Unfinished())
		s.bytes += e.UnfinishedBytes()
		shards[label] = s
	}
	for label, s := range shards {
		gauge(m.lag, s.lag.Seconds(), label)
		gauge(m.age, s.age.Seconds(), label)
		gauge(m.inflight, float64(s.inflight), label)
		gauge(m.inflightBytes, float64(s.bytes), label)
	}
	gauge(m.owned, float64(len(m.sessions)))
	if kept := m.retention(); kept > 0 {
		gauge(m.kept, kept.Seconds())
	}
}

// label is the value of the label for a shard. m.mu is held.
func (m *metrics) label(shard string) string {
	if !m.labels[shard] {
		if len(m.labels) >= maxShardLabels {
			return otherShards
		}
		m.labels[shard] = true
	}
	return shard
}

// finished lets go of the series of a shard that was read to its end: shards
// come and go for as long as a process runs.
func (m *metrics) finished(shard string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.labels[shard] {
		delete(m.labels, shard)
		m.records.DeleteLabelValues(shard)
		m.bytes.DeleteLabelValues(shard)
	}
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
	m.mu.Lock()
	label := m.label(shard)
	m.mu.Unlock()
	m.records.WithLabelValues(label).Add(float64(len(records)))
	m.bytes.WithLabelValues(label).Add(float64(size))
}
