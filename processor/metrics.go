package processor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the worker's. Labels are bounded: services that qrie knows (and
// "other"), outcomes, policy ids of the catalogue.
type metrics struct {
	records     *prometheus.CounterVec // kind
	events      *prometheus.CounterVec // service, outcome
	marks       *prometheus.CounterVec // service, outcome
	eventAge    prometheus.Histogram
	toFinding   prometheus.Histogram
	refresh     *prometheus.HistogramVec // service
	evaluations *prometheus.CounterVec   // policy, result
	evaluation  prometheus.Histogram
	transitions *prometheus.CounterVec // severity, to
	conflicts   *prometheus.CounterVec // why
	describes   *prometheus.CounterVec // service, outcome
	limiterWait prometheus.Histogram
	breakers    *prometheus.GaugeVec   // scope
	accounts    *prometheus.GaugeVec   // health
	held        *prometheus.CounterVec // service
	drift       *prometheus.CounterVec // service
	scanPages   prometheus.Counter
	scanSwept   prometheus.Counter
	scanSuccess *prometheus.GaugeVec // service
	panics      *prometheus.CounterVec
	deadLetters prometheus.Counter
	laneRunning prometheus.Gauge
	laneQueue   prometheus.Gauge
}

// latencyBuckets reach from a millisecond to a minute: p50 <= 1 s and
// p99 <= 5 s are promised.
var latencyBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencyBuckets})
	}
	m := &metrics{
		records:     counters("qrie_records_total", "Records taken from the stream, by kind.", "kind"),
		events:      counters("qrie_events_total", "CloudTrail records taken from the stream, by what became of them: marked, dropped_<reason>, dead_letter.", "service", "outcome"),
		marks:       counters("qrie_marks_total", "Marks by what became of them: refreshed, unchanged, coalesced, already_seen, related, explained, put_off, stale, parked, held, dead_letter.", "service", "outcome"),
		eventAge:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "qrie_event_age_seconds", Help: "From eventTime to arrival in the stream: AWS's own delivery.", Buckets: []float64{.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600}}),
		toFinding:   histogram("qrie_event_to_finding_seconds", "From arrival in the stream to the committed transition."),
		refresh:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "qrie_refresh_duration_seconds", Help: "One refresh of a resource: describe, judge, write.", Buckets: latencyBuckets}, []string{"service"}),
		evaluations: counters("qrie_policy_evaluations_total", "Verdicts by policy and result.", "policy", "result"),
		evaluation: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "qrie_policy_evaluation_duration_seconds", Help: "All launched policies of a type over one document.",
			Buckets: []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .01, .1}}),
		transitions: counters("qrie_finding_transitions_total", "Findings opened, reopened, changed and resolved.", "severity", "to"),
		conflicts:   counters("qrie_judge_retries_total", "Judgements repeated because something changed meanwhile.", "why"),
		describes:   counters("qrie_describes_total", "Describe calls by result: ok, deleted, throttled, denied, unreached, transient, invalid, not_tried.", "service", "outcome"),
		limiterWait: histogram("qrie_aws_limiter_wait_seconds", "How long calls of AWS waited for their turn."),
		breakers:    gauges("qrie_breaker_open", "Accounts that cannot be entered, and resource types of accounts that may not be read: nothing is asked there for a while.", "scope"),
		accounts:    gauges("qrie_accounts", "Watched accounts by health, each by the worst that is wrong with it.", "health"),
		held:        counters("qrie_deletions_held_total", "Deletions without an event that wait for somebody to look, because there are too many at once.", "service"),
		drift:       counters("qrie_drift_found_by_scan_total", "Changes that no event told: what the event path missed.", "service"),
		scanPages:   counter("qrie_scan_pages_total", "Pages of listings read."),
		scanSwept:   counter("qrie_scan_swept_total", "Stored resources that a complete listing did not name."),
		scanSuccess: gauges("qrie_scan_last_success_timestamp_seconds", "When the last listing of the service was completed.", "service"),
		panics:      counters("qrie_panics_total", "Panics that were caught.", "component"),
		deadLetters: counter("qrie_dead_letters_total", "Records put to the dead letters."),
		laneRunning: gauge("qrie_lane_jobs_running", "Refreshes in progress."),
		laneQueue:   gauge("qrie_lane_queue_length", "Marks waiting or in progress."),
	}
	if reg != nil {
		reg.MustRegister(m.records, m.events, m.marks, m.eventAge, m.toFinding, m.refresh, m.evaluations, m.evaluation, m.transitions,
			m.conflicts, m.describes, m.limiterWait, m.breakers, m.accounts, m.held, m.drift, m.scanPages, m.scanSwept, m.scanSuccess, m.panics, m.deadLetters, m.laneRunning, m.laneQueue)
	}
	return m
}

func since(now func() time.Time, start time.Time) float64 { return now().Sub(start).Seconds() }
