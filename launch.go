package qrie

import (
	"encoding/json"
	"time"
)

// Launch is a policy made active, with what the customer changed of it.
type Launch struct {
	Policy      string                     `json:"policy"`
	Status      LaunchStatus               `json:"status"`
	Scope       Scope                      `json:"scope"`
	Params      map[string]json.RawMessage `json:"params"`      // overrides of the policy's parameters
	Severity    *Severity                  `json:"severity"`    // nil: the policy's own; 0 is a value
	Remediation string                     `json:"remediation"` // Markdown; empty: the policy's own
	// Definition names the version of the policy's definition that findings
	// are judged by; empty: whichever a worker has.
	Definition string `json:"definition,omitempty"`
	// Generation grows with every launch, update, suspension and resumption.
	// A verdict of an older generation is refused by the store.
	Generation int64     `json:"generation"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
}

// LaunchStatus says whether a launch is being evaluated.
type LaunchStatus string

// A suspended launch keeps its findings as they are and evaluates nothing.
const (
	LaunchActive    LaunchStatus = "active"
	LaunchSuspended LaunchStatus = "suspended"
)

// LaunchSet is every launch at one moment.
type LaunchSet struct {
	// Generation is the greatest generation ever given, also by launches that
	// were deleted since. A resource judged at this generation is up to date.
	Generation int64
	Launches   []Launch
}
