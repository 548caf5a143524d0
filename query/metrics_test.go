package query

import (
	"bytes"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
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

func TestCompression(t *testing.T) {
	r := newWorld(t)
	plain := r.ask("GET", "/api/v1/findings", "")
	packed := r.ask("GET", "/api/v1/findings", "", "Accept-Encoding", "br, gzip")
	if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Vary") != "Accept-Encoding" || len(packed.body) >= len(plain.body) {
		t.Fatalf("%v, %d bytes of %d", packed.Header, len(packed.body), len(plain.body))
	}
	z, err := gzip.NewReader(bytes.NewReader(packed.body))
	must(t, err)
	text, err := io.ReadAll(z)
	must(t, err)
	if !bytes.Equal(text, plain.body) {
		t.Errorf("it unpacks to %s", text)
	}
	for _, tc := range []struct{ name, path, accept string }{
		{"small", "/healthz", "gzip"}, {"refused", "/api/v1/findings", "gzip;q=0"}, {"not asked for", "/api/v1/findings", "br"},
	} {
		a := r.ask("GET", tc.path, "", "Accept-Encoding", tc.accept)
		if got := a.Header.Get("Content-Encoding"); got != "" || len(a.body) == 0 || a.body[0] != '{' {
			t.Errorf("%s: encoding %q, %d bytes", tc.name, got, len(a.body))
		}
	}
	// A problem is whole as well, and so is an answer after a panic.
	p := r.ask("GET", "/api/v1/findings?x=1", "", "Accept-Encoding", "gzip")
	r.problem(p, 422, "invalid")
	s := r.newServer(func(o *Options) { o.Store = broken{Store: o.Store} })
	r.problem(r.askServer(s, "GET", "/api/v1/accounts", "", "Accept-Encoding", "gzip"), 500, "internal")
}

func TestUI(t *testing.T) {
	r := newRig(t)
	const html, script = "text/html; charset=utf-8", "text/javascript; charset=utf-8"
	for _, tc := range []struct {
		name, path, accept string
		status             int
		mediaType, body    string
		encoding, cache    string
	}{
		{"root", "/", "", 200, html, "<!doctype html><title>qrie</title>", "", "private, no-cache"},
		{"index by name", "/index.html", "", 200, html, "<!doctype html><title>qrie</title>", "", "private, no-cache"},
		{"a page of the application", "/findings/f_abc", "", 200, html, "<!doctype html><title>qrie</title>", "", "private, no-cache"},
		{"a page with a dot", "/policies/v1.2", "", 200, html, "<!doctype html><title>qrie</title>", "", "private, no-cache"},
		{"asset", "/assets/app-abc123.js", "", 200, script, "console.log('plain')", "", "public, max-age=31536000, immutable"},
		{"asset, brotli", "/assets/app-abc123.js", "gzip, br", 200, script, "brotli", "br", "public, max-age=31536000, immutable"},
		{"asset, gzip", "/assets/app-abc123.js", "gzip", 200, script, "gzip", "gzip", "public, max-age=31536000, immutable"},
		{"file without a hash", "/logo.svg", "br", 200, "image/svg+xml", "<svg/>", "", "private, no-cache"},
		{"path that climbs", "/../../assets/../logo.svg", "", 200, "image/svg+xml", "<svg/>", "", "private, no-cache"},
	} {
		a := r.ask("GET", tc.path, "", "Accept-Encoding", tc.accept)
		if a.StatusCode != tc.status || a.Header.Get("Content-Type") != tc.mediaType || string(a.body) != tc.body {
			t.Errorf("%s: %d %s %q", tc.name, a.StatusCode, a.Header.Get("Content-Type"), a.body)
		}
		if a.Header.Get("Content-Encoding") != tc.encoding || a.Header.Get("Cache-Control") != tc.cache || a.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", tc.name, a.Header)
		}
	}
	r.problem(r.ask("GET", "/assets/gone-123.js", ""), 404, "not-found")
	r.problem(r.ask("GET", "/favicon.ico", ""), 404, "not-found")
	r.problem(r.ask("GET", "/api/", ""), 404, "not-found")
	if a := r.ask("HEAD", "/", ""); a.StatusCode != 200 || len(a.body) != 0 || a.Header.Get("Content-Length") != "34" {
		t.Errorf("HEAD: %d, %q, %v", a.StatusCode, a.body, a.Header)
	}
}

func TestUIThatWasNotBuilt(t *testing.T) {
	r := newRig(t, func(o *Options) { o.UI = nil })
	for _, path := range []string{"/", "/findings"} {
		a := r.ask("GET", path, "")
		if a.StatusCode != 404 || !strings.Contains(string(a.body), "make build") || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := r.ask("GET", "/api/v1/accounts", ""); a.StatusCode != 200 {
		t.Errorf("the API: %d", a.StatusCode)
	}
}

func TestSecurityHeadersAreOnEverything(t *testing.T) {
	r := newWorld(t)
	for _, path := range []string{"/", "/assets/app-abc123.js", "/api/v1/findings", "/api/v1/nothing", "/api/v1/findings?x=1", "/healthz", "/metrics", "/api/v1/openapi.json"} {
		h := r.ask("GET", path, "").Header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Content-Security-Policy": contentSecurityPolicy,
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
		if h.Get("X-Request-Id") == "" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	for _, word := range []string{"unsafe", "*", "http:"} {
		if strings.Contains(contentSecurityPolicy, word) {
			t.Errorf("the content security policy holds %q", word)
		}
	}
	for _, word := range []string{"default-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(contentSecurityPolicy, word) {
			t.Errorf("the content security policy lacks %q", word)
		}
	}
}
