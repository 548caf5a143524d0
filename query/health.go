package query

import (
	"context"
	"net/http"
)

// Health is the answer of a probe.
type Health struct {
	Status string  `json:"status" enum:"ok,failing"`
	Checks []Check `json:"checks"`
}

// Check is one thing that a probe looked at.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
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

// readyz tells whether requests would be answered. What is wrong goes to the
// log: anybody may ask.
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
	if s.options.Pipeline != nil {
		_, err := s.options.Pipeline(ctx)
		check("stream", err)
	}
	return out, nil
}
