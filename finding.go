package qrie

import (
	"strconv"
	"time"
)

// State is where a finding stands.
type State string

// The states of a finding.
const (
	Active   State = "ACTIVE"
	Resolved State = "RESOLVED"
)

// Resolution is why a finding was resolved.
type Resolution string

// The reasons for resolving.
const (
	ResolvedFixed          Resolution = "fixed"
	ResolvedDeleted        Resolution = "resource_deleted"
	ResolvedPolicyDeleted  Resolution = "policy_deleted"
	ResolvedOutOfScope     Resolution = "out_of_scope"
	ResolvedAccountRemoved Resolution = "account_removed"
)

// Finding is one policy failed by one resource. There is at most one finding
// for a resource and a policy; it is opened, changed, resolved and opened
// again, and each of these is a Transition.
type Finding struct {
	ID         string     `json:"id"`
	Ref        Ref        `json:"ref"`
	Policy     string     `json:"policy"`
	Name       string     `json:"name"` // the resource's name
	Severity   Severity   `json:"severity"`
	State      State      `json:"state"`
	Resolution Resolution `json:"resolution,omitempty"`
	Summary    string     `json:"summary"`
	Evidence   Evidence   `json:"evidence"` // empty in lists
	// Unknown says why the policy cannot be evaluated any more, empty while it
	// can. The state is then the last one known.
	Unknown    string    `json:"unknown,omitempty"`
	FirstSeen  time.Time `json:"first_seen"`
	OpenedAt   time.Time `json:"opened_at"` // of the present or last opening
	ChangedAt  time.Time `json:"changed_at"`
	ResolvedAt time.Time `json:"resolved_at,omitzero"`
	Reopened   int       `json:"reopened"` // how often it came back
	Cause      Cause     `json:"cause"`    // of the last opening
	// ResolvedCause is set once resolved.
	ResolvedCause *Cause `json:"resolved_cause,omitempty"`
	// LastEvaluated is kept on the resource and joined on reading.
	LastEvaluated time.Time `json:"last_evaluated"`
	Generation    int64     `json:"generation"`       // of the launch that judged it
	Version       int64     `json:"resource_version"` // of the resource it was judged on
}

// TransitionKind is what happened to a finding.
type TransitionKind string

// The kinds of transition.
const (
	Opened   TransitionKind = "opened"
	Reopened TransitionKind = "reopened"
	Changed  TransitionKind = "changed" // evidence or severity
	Closed   TransitionKind = "resolved"
	// Explained: an event that came late told the cause of what was there.
	Explained TransitionKind = "explained"
)

// Transition is one opening, change or resolving of a finding, or the news of
// its cause. Its ID is made
// from what caused it, so that writing it twice is writing it once.
type Transition struct {
	ID         string         `json:"id"`
	Seq        int64          `json:"seq"` // given by the store, growing; no order across resources is promised
	Kind       TransitionKind `json:"kind"`
	Finding    string         `json:"finding"`
	Ref        Ref            `json:"ref"`
	Name       string         `json:"name"`
	Policy     string         `json:"policy"`
	Severity   Severity       `json:"severity"`
	Resolution Resolution     `json:"resolution,omitempty"`
	Summary    string         `json:"summary"`
	Evidence   Evidence       `json:"evidence,omitzero"`
	Cause      Cause          `json:"cause"`
	At         time.Time      `json:"at"` // when qrie decided
	Generation int64          `json:"generation"`
	Version    int64          `json:"resource_version"`
}

// TransitionID is the stable id of the transition of a finding that a
// generation of its policy makes on one version of its resource.
func TransitionID(finding string, version, generation int64, kind TransitionKind) string {
	return "t_" + shortHash(finding+"|"+itoa(version)+"|"+itoa(generation)+"|"+string(kind))
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
