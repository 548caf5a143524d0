package query

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metric reads one series of /metrics; empty if there is none.
func (r *rig) metric(series string) string {
	r.t.Helper()
	for line := range strings.Lines(string(r.ask("GET", "/metrics", "", "X-Forwarded-For", "").body)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			return value
		}
	}
	return ""
}

func TestMetrics(t *testing.T) {
	r := newWorld(t)
	r.ask("GET", "/api/v1/findings/f_1", "")
	r.ask("GET", "/api/v1/findings/f_2", "")
	r.ask("GET", "/some/page", "")
	r.ask("BREW", "/api/v1/findings", "")
	for series, want := range map[string]string{
		`qrie_findings{severity="critical",state="ACTIVE"}`:   "1",
		`qrie_findings{severity="critical",state="RESOLVED"}`: "1",
		`qrie_findings{severity="low",state="ACTIVE"}`:        "0",
		`qrie_dirty_resources`:                                "1",
		`qrie_dirty_oldest_seconds`:                           "30",
		`qrie_dlq_records`:                                    "1",
		`qrie_http_request_duration_seconds_count{code="404",method="GET",route="/api/v1/findings/:id"}`: "2",
		`qrie_http_request_duration_seconds_count{code="200",method="GET",route="ui"}`:                   "1",
		`qrie_http_request_duration_seconds_count{code="405",method="other",route="ui"}`:                 "1",
	} {
		if got := r.metric(series); got != want {
			t.Errorf("%s = %q, want %s", series, got, want)
		}
	}
	if !strings.Contains(string(r.ask("GET", "/metrics", "").body), `qrie_build_info{go="go1`) {
		t.Error("no qrie_build_info")
	}
	// The gauges follow, after their age.
	r.open("another")
	if got := r.metric(`qrie_findings{severity="critical",state="ACTIVE"}`); got != "1" {
		t.Errorf("read again within %v: %s", gaugeAge, got)
	}
	r.clock.advance(gaugeAge)
	if got := r.metric(`qrie_findings{severity="critical",state="ACTIVE"}`); got != "2" {
		t.Errorf("after %v: %s", gaugeAge, got)
	}
}

func TestMetricsAreForTheMachineAndForViewers(t *testing.T) {
	r := newRig(t, withLogin)
	token := "Bearer " + r.token(Viewer, time.Hour)
	for _, tc := range []struct {
		name, remote string
		headers      []string
		status       int
	}{
		{"this machine", "127.0.0.1:5000", nil, 200},
		{"this machine, IPv6", "[::1]:5000", nil, 200},
		{"another", "10.0.0.9:5000", nil, 401},
		{"a viewer elsewhere", "10.0.0.9:5000", []string{"Authorization", token}, 200},
		{"through a proxy on this machine", "127.0.0.1:5000", []string{"X-Forwarded-For", "203.0.113.7"}, 401},
		{"through a newer proxy", "127.0.0.1:5000", []string{"Forwarded", "for=203.0.113.7"}, 401},
	} {
		req := httptest.NewRequest("GET", "http://qrie.example/metrics", nil)
		req.RemoteAddr = tc.remote
		for i := 0; i < len(tc.headers); i += 2 {
			req.Header.Set(tc.headers[i], tc.headers[i+1])
		}
		rec := httptest.NewRecorder()
		r.server.Handler().ServeHTTP(rec, req)
		if rec.Code != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, rec.Code, tc.status)
		}
	}
}

func TestTwoServersCannotShareARegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	r := newRig(t, func(o *Options) { o.Registry = registry })
	o := r.server.options
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "metrics of the API") {
		t.Errorf("got %v", err)
	}
}
