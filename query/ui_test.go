package query

import (
	"strings"
	"testing"
)

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
