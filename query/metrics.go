package query

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/qrie-sec/qrie"
)

// metrics are the room's own.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	cache    *prometheus.CounterVec
	age      prometheus.Gauge

	findings    *prometheus.GaugeVec
	dirty       prometheus.Gauge
	dirtyOldest prometheus.Gauge
	deadLetters prometheus.Gauge

	mu   sync.Mutex
	read time.Time // when the gauges were last read from the store
}

// newMetrics registers the metrics; those of what is stored only once for all
// processes, where the API is served.
func newMetrics(registry *prometheus.Registry, version string, operations bool) (*metrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &metrics{
		registry: registry,
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "qrie_http_request_duration_seconds", Help: "Time to answer an HTTP request; the live stream is left out.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method", "code"}),
		cache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qrie_summary_cache_total", Help: "Reads of the summary cache, by how they were answered.",
		}, []string{"result"}),
		age: gauge("qrie_summary_age_seconds", "Age of the summary that was served last."),
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "qrie_findings", Help: "Findings in the store.",
		}, []string{"severity", "state"}),
		dirty:       gauge("qrie_dirty_resources", "Resources that wait for a later look."),
		dirtyOldest: gauge("qrie_dirty_oldest_seconds", "How long the oldest of them has waited."),
		deadLetters: gauge("qrie_dlq_records", "Records that could not be understood or handled."),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "qrie_build_info", Help: "1, with the build as labels."}, []string{"version", "go"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	for _, result := range []string{"fresh", "stale", "miss", "lock_wait"} {
		m.cache.WithLabelValues(result) // so that a rate is 0 and not absent
	}
	var errs []error
	all := []prometheus.Collector{m.requests, build}
	if !operations {
		all = append(all, m.cache, m.age, m.findings, m.dirty, m.dirtyOldest, m.deadLetters)
	}
	for _, c := range all {
		errs = append(errs, registry.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) request(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, knownMethod(method), strconv.Itoa(status)).Observe(took.Seconds())
}

// knownMethod keeps what strangers send from becoming a label.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

func (m *metrics) summary(result string, age time.Duration) {
	m.cache.WithLabelValues(result).Inc()
	if result != "lock_wait" {
		m.age.Set(age.Seconds())
	}
}

// gaugeAge is how old the gauges may be at a scrape.
const gaugeAge = 5 * time.Second

// readGauges brings the gauges up to date from the store's counters. Several
// scrapers share one reading.
func (s *Server) readGauges(ctx context.Context) error {
	m, now := s.metrics, s.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.read.IsZero() && now.Sub(m.read) < gaugeAge {
		return nil
	}
	counts, err := s.findingCounts(ctx, nil)
	if err != nil {
		return err
	}
	type series struct {
		band  qrie.Band
		state qrie.State
	}
	sums := map[series]int64{}
	for _, c := range counts {
		sums[series{c.Severity.Band(), c.State}] += c.Count
	}
	for _, band := range qrie.Bands {
		for _, state := range []qrie.State{qrie.Active, qrie.Resolved} {
			m.findings.WithLabelValues(string(band), string(state)).Set(float64(sums[series{band, state}]))
		}
	}
	waiting, oldest, err := s.store.CountDirty(ctx)
	if err != nil {
		return fmt.Errorf("count the marks that wait: %w", err)
	}
	m.dirty.Set(float64(waiting))
	m.dirtyOldest.Set(0)
	if waiting > 0 && !oldest.IsZero() {
		m.dirtyOldest.Set(max(0, now.Sub(oldest).Seconds()))
	}
	dead, err := s.store.CountDeadLetters(ctx)
	if err != nil {
		return fmt.Errorf("count the dead letters: %w", err)
	}
	m.deadLetters.Set(float64(dead))
	m.read = now
	return nil
}

// serveMetrics answers Prometheus. The machine itself may ask freely, so that
// a scraper beside the server needs no token; a request that a proxy passed on
// is somebody else's, and needs a viewer.
func (s *Server) serveMetrics(c *gin.Context) {
	who := requestOf(c.Request.Context()).principal
	if who.Role < Viewer && !fromThisMachine(c.Request) {
		fail(c, kindUnauthorized.problem("metrics are open to the machine itself; from elsewhere send an API token of a viewer").
			with("WWW-Authenticate", `Bearer realm="qrie"`))
		return
	}
	if s.options.Operations {
		// What is stored is told where the API is served.
	} else if err := s.readGauges(c.Request.Context()); err != nil {
		// The process's own metrics are needed most when the store is down.
		s.options.Log.Error("the gauges of the store are old", "error", err)
	}
	promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}).ServeHTTP(c.Writer, c.Request)
}

func fromThisMachine(r *http.Request) bool {
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
