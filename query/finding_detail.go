package query

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
)

// FindingDetail is a finding with everything that one page shows of it.
type FindingDetail struct {
	Finding
	Evidence           Evidence        `json:"evidence"`
	ResolvedCause      *qrie.Cause     `json:"resolved_cause,omitempty"`
	Document           json.RawMessage `json:"document" doc:"What AWS answers of the resource now; {} once it is deleted"`
	DocumentObservedAt time.Time       `json:"document_observed_at,omitzero"`
	ResourceDeleted    bool            `json:"resource_deleted"`
	PolicyDetail       PolicyDetail    `json:"policy_detail"`
	Remediation        Remediation     `json:"remediation"`
	ConsoleURL         string          `json:"console_url,omitempty" doc:"The resource in the AWS console"`
	Timeline           []Transition    `json:"timeline" doc:"The newest transitions, newest first"`
	OtherFindings      []Finding       `json:"other_findings" doc:"Active findings of the same resource"`
}

// Evidence is the offending parts of the document.
type Evidence struct {
	Violations []json.RawMessage `json:"violations"`
	Pointers   []string          `json:"pointers" doc:"JSON Pointers (RFC 6901) into the document"`
	Total      int               `json:"total" doc:"Violations before the list was cut"`
}

func evidenceOf(e qrie.Evidence) Evidence {
	return Evidence{Violations: notNil(e.Violations), Pointers: notNil(e.Pointers), Total: e.Total}
}

// PolicyDetail is what a finding's page says of its policy.
type PolicyDetail struct {
	Description string              `json:"description"`
	Risk        string              `json:"risk"`
	Category    string              `json:"category"`
	Frameworks  map[string][]string `json:"frameworks" doc:"Requirements by framework"`
	Params      map[string]any      `json:"params" doc:"Parameters as the launch sets them"`
}

// Remediation says how to mend a finding.
type Remediation struct {
	Text      string   `json:"text" doc:"Markdown"`
	Console   []string `json:"console" doc:"Steps in the AWS console"`
	CLI       string   `json:"cli"`
	Terraform string   `json:"terraform"`
	Override  string   `json:"override,omitempty" doc:"Markdown that the launch puts in the place of text"`
}

type idIn struct {
	ID string `path:"id" maxLength:"200"`
}

// Lists inside a detail are cut: the list endpoints have the rest.
const detailRows = 50

func (s *Server) getFinding(ctx context.Context, in *idIn) (*body[FindingDetail], error) {
	f, err := s.store.Finding(ctx, in.ID)
	if err != nil {
		return nil, missing(err, "finding", in.ID)
	}
	d, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	detail := FindingDetail{Finding: d.finding(f), Evidence: evidenceOf(f.Evidence), ConsoleURL: consoleURL(f.Ref)}
	if f.ResolvedCause != nil {
		c := causeOf(*f.ResolvedCause)
		detail.ResolvedCause = &c
	}
	r, err := s.store.Resource(ctx, f.Ref.ResourceID())
	if notFound(err) { // trimmed: a tombstone is kept for a shorter time than a finding
		r, err = store.Resource{Ref: f.Ref, Name: f.Name, Deleted: true}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the resource of finding %s: %w", f.ID, err)
	}
	detail.Document, detail.DocumentObservedAt, detail.ResourceDeleted = document(r.Document), utc(r.ObservedAt), r.Deleted

	detail.PolicyDetail = d.policyDetail(f.Policy)
	detail.Remediation = s.remediation(d, f, r)
	timeline, err := s.store.ListTransitions(ctx, f.ID, "", store.PageRequest{Size: detailRows})
	if err != nil {
		return nil, fmt.Errorf("read the timeline of finding %s: %w", f.ID, err)
	}
	detail.Timeline = d.transitions(timeline.Items)
	others, err := s.store.ListFindings(ctx, store.FindingQuery{Resource: f.Ref.ResourceID(), States: []qrie.State{qrie.Active}}, store.PageRequest{Size: detailRows})
	if err != nil {
		return nil, fmt.Errorf("list the findings of resource %s: %w", f.Ref.ResourceID(), err)
	}
	detail.OtherFindings = []Finding{}
	for _, other := range others.Items {
		if other.ID != f.ID {
			detail.OtherFindings = append(detail.OtherFindings, d.finding(other))
		}
	}
	return &body[FindingDetail]{Body: detail}, nil
}

func (d *directory) policyDetail(id string) PolicyDetail {
	detail := PolicyDetail{Frameworks: map[string][]string{}, Params: map[string]any{}}
	p, ok := d.policies.Get(id)
	if !ok {
		return detail
	}
	detail.Description, detail.Risk, detail.Category = p.Description, p.Risk, p.Category
	detail.Frameworks = frameworksOf(p)
	for _, param := range paramsOf(p, d.launches[id]) {
		detail.Params[param.Name] = param.Value
	}
	return detail
}

// remediation fills the policy's advice with the values of the resource. A
// document that cannot be decoded leaves the values of the view out.
func (s *Server) remediation(d *directory, f qrie.Finding, r store.Resource) Remediation {
	override := d.launches[f.Policy].Remediation
	p, ok := s.policies.Get(f.Policy)
	if !ok {
		return Remediation{Console: []string{}, Override: override}
	}
	in := policies.Input{Ref: f.Ref, Account: d.accounts[f.Ref.Account], Now: s.now()}
	in.View.Name = f.Name
	if t, ok := resources.Find(f.Ref.Type); ok && len(r.Document) > 0 {
		if view, err := t.View(f.Ref, r.Document); err == nil {
			in.View = view
		} else {
			s.options.Log.Warn("a stored document cannot be decoded", "resource", r.Ref.ResourceID(), "error", err)
		}
	}
	advice := p.Remedy(in, f.Evidence)
	return Remediation{
		Text: advice.Text, Console: notNil(advice.Console), CLI: advice.CLI, Terraform: advice.Terraform, Override: override,
	}
}

// document is a stored document; {} where there is none.
func document(d json.RawMessage) json.RawMessage {
	if len(d) == 0 {
		return json.RawMessage("{}")
	}
	return d
}

// consoleURL is the console's own resolver of ARNs, in the partition of the
// ARN. Empty where the ARN is not known.
func consoleURL(ref qrie.Ref) string {
	parts := strings.SplitN(ref.ARN, ":", 3)
	if len(parts) < 3 {
		return ""
	}
	host := "console.aws.amazon.com"
	switch parts[1] {
	case "aws-cn":
		host = "console.amazonaws.cn"
	case "aws-us-gov":
		host = "console.amazonaws-us-gov.com"
	}
	return "https://" + host + "/go/view?arn=" + url.QueryEscape(ref.ARN)
}

// missing says what was not found; other errors pass with what was tried.
func missing(err error, what, id string) error {
	if notFound(err) {
		return kindNotFound.problem("there is no %s %q: it was never stored, or it was trimmed after its time", what, id).because(err)
	}
	return fmt.Errorf("read %s %s: %w", what, id, err)
}
