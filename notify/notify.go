// Package notify tells others of transitions: it empties the store's outbox
// into sinks, at least once each, and keeps a log of every delivery.
package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/qrie-sec/qrie"
)

// Sink is where messages go. It is safe for concurrent use.
type Sink interface {
	// Name tells sinks apart in the log of deliveries, for as long as it keeps.
	Name() string
	// Send delivers a message and returns once the receiver has it. The same id
	// may be sent more than once. An error that is a *Refusal says more.
	Send(ctx context.Context, id string, payload []byte) (status int, err error)
}

// Refusal is a receiver's answer that it does not take a message.
type Refusal struct {
	Status     int           // of HTTP
	RetryAfter time.Duration // what it asked for; zero if nothing
	Final      bool          // it will never take it
	Text       string        // the beginning of its answer
}

func (r *Refusal) Error() string {
	if r.Text == "" {
		return fmt.Sprintf("the receiver answered %d", r.Status)
	}
	return fmt.Sprintf("the receiver answered %d: %s", r.Status, r.Text)
}

// Message is what a sink gets: the payload of Standard Webhooks
// (standardwebhooks.com), with a finding's transition in it.
type Message struct {
	Type      string    `json:"type"`      // such as finding.opened
	Timestamp time.Time `json:"timestamp"` // when qrie decided
	Data      Data      `json:"data"`
}

// Data is one transition of one finding.
type Data struct {
	ID string `json:"id"` // of the transition, the same however often it is told
	// Sequence grows. Messages may come in another order: the greatest of a
	// finding tells where it stands.
	Sequence      int64           `json:"sequence"`
	Finding       string          `json:"finding"`
	URL           string          `json:"url,omitempty"` // of the finding's page
	State         qrie.State      `json:"state"`
	Resolution    qrie.Resolution `json:"resolution,omitempty"`
	Policy        string          `json:"policy"`
	Severity      qrie.Severity   `json:"severity"`
	SeverityLabel qrie.Band       `json:"severity_label"`
	Summary       string          `json:"summary"`
	Resource      Resource        `json:"resource"`
	Evidence      qrie.Evidence   `json:"evidence,omitzero"`
	Cause         qrie.Cause      `json:"cause"`
}

// Resource is the resource of a finding.
type Resource struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Type    string `json:"type"`
	ID      string `json:"id"`
	ARN     string `json:"arn,omitempty"`
	Name    string `json:"name,omitempty"`
}

// message tells of a transition. pages is the address of the dashboard; nil
// leaves links out.
func message(t qrie.Transition, pages *url.URL) ([]byte, error) {
	d := Data{
		ID: t.ID, Sequence: t.Seq, Finding: t.Finding, State: qrie.Active, Resolution: t.Resolution, Policy: t.Policy,
		Severity: t.Severity, SeverityLabel: t.Severity.Band(), Summary: t.Summary, Evidence: t.Evidence, Cause: t.Cause,
		Resource: Resource{Account: t.Ref.Account, Region: t.Ref.Region, Type: t.Ref.Type, ID: t.Ref.ID, ARN: t.Ref.ARN, Name: t.Name},
	}
	if t.Kind == qrie.Closed || t.Resolution != "" {
		d.State = qrie.Resolved
	}
	if pages != nil {
		d.URL = pages.JoinPath("findings", t.Finding).String()
	}
	text, err := json.Marshal(Message{Type: "finding." + string(t.Kind), Timestamp: t.At.UTC(), Data: d})
	if err != nil {
		return nil, fmt.Errorf("write the message of transition %s: %w", t.ID, err)
	}
	return text, nil
}
