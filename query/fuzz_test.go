package query

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store/local"
)

// fuzzed is a server for fuzzing. Whatever is sent, it answers JSON, and never
// that it failed itself.
func fuzzed(f *testing.F) func(t *testing.T, r *http.Request) int {
	f.Helper()
	db, err := sqlite.Open(f.Context(), filepath.Join(f.TempDir(), "qrie.db"))
	must(f, err)
	f.Cleanup(func() { must(f, db.Close()) })
	c := &clock{at: start}
	s, err := local.Open(f.Context(), db, local.Options{Now: c.now, Secret: []byte("the secret of page tokens, for tests")})
	must(f, err)
	_, err = s.PutLaunch(f.Context(), qrie.Launch{Policy: "EC2SecurityGroupWide", Status: qrie.LaunchActive}, 0)
	must(f, err)
	server, err := New(Options{Store: s, Policies: testPolicies(f), Auth: Auth{Disabled: true}, Now: c.now})
	must(f, err)
	return func(t *testing.T, r *http.Request) int {
		rec := httptest.NewRecorder()
		server.Handler().ServeHTTP(rec, r)
		if rec.Code >= 500 || !json.Valid(rec.Body.Bytes()) {
			t.Fatalf("%s %s: %d %s", r.Method, r.URL, rec.Code, rec.Body)
		}
		return rec.Code
	}
}

func FuzzFindingsQuery(f *testing.F) {
	send := fuzzed(f)
	for _, query := range []string{"state=ACTIVE&severity=high,low&page_size=3", "account=111122223333&q=%00", "next_token=eyJ9&type=s3", "opened_since=7d;x", "%", "a=1&a=2", "q=%ff%fe"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "http://localhost/api/v1/findings", nil)
		r.URL.RawQuery = query
		code := send(t, r)
		// What is not understood is never ignored.
		values, err := url.ParseQuery(query)
		if err == nil && code == 200 {
			for name := range values {
				if !strings.Contains(" state policy account service type region severity resource q opened_since page_size next_token ", " "+name+" ") {
					t.Errorf("%q was ignored", name)
				}
			}
		}
	})
}

func FuzzLaunchBody(f *testing.F) {
	send := fuzzed(f)
	for _, body := range []string{
		`{"status":"suspended"}`, `{"severity":null}`, `{"severity":1e400}`, `{"params":{"ports":[22]}}`, `{"params":{"ports":null}}`,
		`{"scope":{"include_tags":{"a":["b"]}}}`, `[]`, `null`, `{"scope":null}`, `{"remediation":"\u0000"}`, `{"severity":1.5}`, "{\"remediation\":\"\xff\"}",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("PUT", "http://localhost/api/v1/policies/EC2SecurityGroupWide", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("If-Match", "*")
		send(t, r)
	})
}
