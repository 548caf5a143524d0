package query

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// Health is the answer of a probe.
type Health struct {
	Status string  `json:"status" enum:"ok,degraded,failing" doc:"degraded: requests are answered, and the pipeline needs somebody to look"`
	Checks []Check `json:"checks"`
}

// Check is one thing that a probe looked at.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

type healthOut struct {
	Status int
	Body   Health
}

// healthz tells that the process answers, whatever else is broken: a restart
// would not mend the store.
func (s *Server) healthz(context.Context, *struct{}) (*healthOut, error) {
	return &healthOut{Status: http.StatusOK, Body: Health{Status: "ok", Checks: []Check{}}}, nil
}

// shardChecks are what a probe says of each kind of trouble with shards, and
// how it says that some have it.
var shardChecks = []struct{ kind, name, detail string }{
	{"unowned", "shards_owned", "nobody reads %d of %d shards"},
	{"stalled", "shards_proceed", "the oldest record does not finish in %d of %d shards"},
	{"retention", "records_kept", "records may be dropped unread in %d of %d shards"},
}

// readyz tells whether requests would be answered. Trouble with shards is told,
// too, and is no reason to send requests elsewhere: this process cannot mend
// it. Errors go to the log: anybody may ask.
func (s *Server) readyz(ctx context.Context, _ *struct{}) (*healthOut, error) {
	out := &healthOut{Status: http.StatusOK, Body: Health{Status: "ok", Checks: []Check{}}}
	check := func(name string, err error) {
		out.Body.Checks = append(out.Body.Checks, Check{Name: name, OK: err == nil})
		if err != nil {
			out.Status, out.Body.Status = http.StatusServiceUnavailable, "failing"
			s.options.Log.Error("not ready", "check", name, "error", err)
		}
	}
	check("store", s.store.Ping(ctx))
	if s.options.Pipeline == nil {
		return out, nil
	}
	p, err := s.options.Pipeline(ctx)
	if check("stream", err); err != nil {
		return out, nil
	}
	for _, c := range shardChecks {
		troubled := map[string]bool{}
		for _, t := range p.Troubles {
			if t.Kind == c.kind {
				troubled[t.Shard] = true
			}
		}
		result := Check{Name: c.name, OK: len(troubled) == 0}
		if !result.OK {
			result.Detail = fmt.Sprintf(c.detail, len(troubled), len(p.Shards))
		}
		out.Body.Checks = append(out.Body.Checks, result)
	}
	if out.Body.Status == "ok" && slices.ContainsFunc(out.Body.Checks, func(c Check) bool { return !c.OK }) {
		out.Body.Status = "degraded"
	}
	return out, nil
}
