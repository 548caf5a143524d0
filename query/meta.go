package query

import (
	"context"
	"time"

	"github.com/qrie-sec/qrie"
)

// Meta is what a client needs to know before anything else.
type Meta struct {
	Version       string         `json:"version"`
	Demo          bool           `json:"demo" doc:"The organisation is a simulated one"`
	Login         bool           `json:"login" doc:"The caller is not logged in and has to be"`
	Role          string         `json:"role,omitempty" enum:"viewer,policy-author,admin" doc:"Of the caller; absent until logged in"`
	SeverityBands []SeverityBand `json:"severity_bands" doc:"From the worst down"`
	StartedAt     time.Time      `json:"started_at"`
}

// SeverityBand is the range of severities that has one word.
type SeverityBand struct {
	Label    qrie.Band     `json:"label" enum:"critical,high,medium,low,informational"`
	Least    qrie.Severity `json:"least"`
	Greatest qrie.Severity `json:"greatest"`
}

func (s *Server) meta(ctx context.Context, _ *struct{}) (*body[Meta], error) {
	m := Meta{Version: s.options.Version, Demo: s.options.Demo != nil, SeverityBands: []SeverityBand{}, StartedAt: s.started}
	if who := requestOf(ctx).principal; who.Role == Open {
		m.Login = true
	} else {
		m.Role = who.Role.String()
	}
	for _, b := range qrie.Bands {
		least, greatest, _ := b.Range()
		m.SeverityBands = append(m.SeverityBands, SeverityBand{Label: b, Least: least, Greatest: greatest})
	}
	return &body[Meta]{Body: m}, nil
}
