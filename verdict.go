package qrie

import (
	"encoding/json"
	"time"
)

// Outcome is what one policy says of one resource.
type Outcome string

// The outcomes. Unknown means that something the policy reads could not be
// seen or the expression failed: never pass, never fail.
const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"
	Skip    Outcome = "skip" // not in scope, or the policy does not apply
	Unknown Outcome = "unknown"
)

// Verdict is the outcome of one policy on one observation, with its evidence.
type Verdict struct {
	Policy   string   `json:"policy"`
	Outcome  Outcome  `json:"outcome"`
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary,omitempty"` // one sentence on the offending parts, for Fail
	Reason   string   `json:"reason,omitempty"`  // why Skip or Unknown; names the lacking IAM action
	Evidence Evidence `json:"evidence,omitzero"`
	// OutOfScope tells Skip by the launch's scope from Skip by the policy's
	// own "when": the first resolves a finding with ResolvedOutOfScope, the
	// second with ResolvedFixed.
	OutOfScope bool `json:"out_of_scope,omitempty"`
	// DueAt is when the verdict may change by the clock alone; zero if never.
	DueAt time.Time `json:"due_at,omitzero"`
}

// Evidence is the offending parts of a document.
type Evidence struct {
	// Violations are the parts, each a JSON object whose members the policy
	// names. At most MaxViolations are kept.
	Violations []json.RawMessage `json:"violations"`
	// Pointers are JSON Pointers (RFC 6901) into the document, one or more
	// for each violation that can be located.
	Pointers []string `json:"pointers"`
	// Total counts the violations before the cut.
	Total int `json:"total"`
}

// MaxViolations bounds the evidence of one finding.
const MaxViolations = 20
