package query

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadyTellsTroubleWithShards(t *testing.T) {
	r := newRig(t)
	shards := []Shard{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	ask := func(p Pipeline, err error) (int, Health) {
		t.Helper()
		s := r.newServer(func(o *Options) {
			o.Pipeline = func(context.Context) (Pipeline, error) { return p, err }
		})
		a := r.askServer(s, "GET", "/readyz", "")
		var h Health
		if err := json.Unmarshal(a.body, &h); err != nil {
			t.Fatalf("%s: %v", a.body, err)
		}
		return a.StatusCode, h
	}
	well := func(name string) Check { return Check{Name: name, OK: true} }
	for name, c := range map[string]struct {
		pipeline Pipeline
		err      error
		code     int
		want     Health
	}{
		"well": {Pipeline{Shards: shards}, nil, http.StatusOK, Health{"ok", []Check{
			well("store"), well("stream"), well("shards_owned"), well("shards_proceed"), well("records_kept")}}},
		"one shard in two sorts of trouble": {
			Pipeline{Shards: shards, Troubles: []Trouble{{"unowned", "b", "…"}, {"stalled", "b", "…"}, {"stalled", "c", "…"}}}, nil,
			http.StatusOK, Health{"degraded", []Check{well("store"), well("stream"),
				{"shards_owned", false, "nobody reads 1 of 3 shards"},
				{"shards_proceed", false, "the oldest record does not finish in 2 of 3 shards"}, well("records_kept")}}},
		"about to lose records": {
			Pipeline{Shards: shards, Troubles: []Trouble{{"retention", "a", "…"}}}, nil,
			http.StatusOK, Health{"degraded", []Check{well("store"), well("stream"), well("shards_owned"), well("shards_proceed"),
				{"records_kept", false, "records may be dropped unread in 1 of 3 shards"}}}},
		"the stream does not answer": {Pipeline{}, errors.New("access denied to arn:aws:kinesis:secret"),
			http.StatusServiceUnavailable, Health{"failing", []Check{well("store"), {Name: "stream"}}}},
	} {
		code, got := ask(c.pipeline, c.err)
		if diff := cmp.Diff(c.want, got); diff != "" || code != c.code {
			t.Errorf("%s: status %d, want %d (-want +got):\n%s", name, code, c.code, diff)
		}
	}
}

// A process that serves no people answers for its health and its metrics, under
// the same rules, and for nothing else.
func TestOperationsOnly(t *testing.T) {
	r := newRig(t)
	s := r.newServer(func(o *Options) {
		o.Operations, o.UI = true, nil
		o.Auth = Auth{Secret: []byte(strings.Repeat("k", 32))}
	})
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/metrics": 401, "/": 404, "/api/v1/findings": 404, "/api/v1/login": 404, "/assets/app.js": 404,
	} {
		if a := r.askServer(s, "GET", path, "", "X-Forwarded-For", "198.51.100.7"); a.StatusCode != want {
			t.Errorf("GET %s: %d %s, want %d", path, a.StatusCode, a.body, want)
		}
	}
	families, err := s.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "qrie_findings" || f.GetName() == "qrie_dlq_records" {
			t.Errorf("%s is told by every process", f.GetName())
		}
	}
}
