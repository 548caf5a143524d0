package query

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
)

// Policy is a policy of the catalogue with what its launch made of it.
type Policy struct {
	PolicyID            string              `json:"policy_id"`
	Title               string              `json:"title"`
	Description         string              `json:"description"`
	Risk                string              `json:"risk"`
	Service             string              `json:"service"`
	Category            string              `json:"category"`
	ResourceType        string              `json:"resource_type"`
	Severity            qrie.Severity       `json:"severity" doc:"In force: the launch's, or else the policy's own"`
	SeverityLabel       qrie.Band           `json:"severity_label" enum:"critical,high,medium,low,informational"`
	DefaultSeverity     qrie.Severity       `json:"default_severity"`
	Remediation         string              `json:"remediation" doc:"Markdown in force"`
	RemediationOverride string              `json:"remediation_override" doc:"The launch's Markdown; empty: the policy's own is in force"`
	Frameworks          map[string][]string `json:"frameworks"`
	Params              []Param             `json:"params"`
	UsesClock           bool                `json:"uses_clock" doc:"Its verdicts may change by time alone"`
	Scope               Scope               `json:"scope"`
	Status              string              `json:"status" enum:"active,suspended,available"`
	Generation          int64               `json:"generation" doc:"Of the launch, for If-Match; 0 if it is not launched"`
	OpenFindings        int64               `json:"open_findings"`
	Passing             int64               `json:"passing"`
	Failing             int64               `json:"failing"`
	Unknown             int64               `json:"unknown" doc:"Resources that it cannot judge: never counted as passing"`
	InScope             int64               `json:"in_scope"`
	CreatedAt           time.Time           `json:"created_at,omitzero" doc:"Of the launch"`
	UpdatedAt           time.Time           `json:"updated_at,omitzero"`
}

// Param is a parameter of a policy with the value in force.
type Param struct {
	Name    string `json:"name"`
	Type    string `json:"type" doc:"CEL type, such as int or list(int)"`
	Help    string `json:"help"`
	Default any    `json:"default"`
	Value   any    `json:"value"`
	Min     *int64 `json:"min,omitempty"`
	Max     *int64 `json:"max,omitempty"`
}

// Scope says what a launch covers. Members are ANDed, values ORed, exclude
// wins; an empty member constrains nothing.
type Scope struct {
	IncludeAccounts []string            `json:"include_accounts"`
	ExcludeAccounts []string            `json:"exclude_accounts"`
	IncludeTags     map[string][]string `json:"include_tags"`
	ExcludeTags     map[string][]string `json:"exclude_tags"`
	IncludeOUPaths  []string            `json:"include_ou_paths"`
	ExcludeOUPaths  []string            `json:"exclude_ou_paths"`
}

func scopeOf(s qrie.Scope) Scope {
	return Scope{
		IncludeAccounts: notNil(s.IncludeAccounts), ExcludeAccounts: notNil(s.ExcludeAccounts),
		IncludeTags: notNilMap(s.IncludeTags), ExcludeTags: notNilMap(s.ExcludeTags),
		IncludeOUPaths: notNil(s.IncludeOUPaths), ExcludeOUPaths: notNil(s.ExcludeOUPaths),
	}
}

// PolicyFull is a policy with its source and its whole advice.
type PolicyFull struct {
	Policy
	Source    string   `json:"source" doc:"YAML"`
	Console   []string `json:"console"`
	CLI       string   `json:"cli"`
	Terraform string   `json:"terraform"`
}

// tally is what the counters say of one policy.
type tally struct{ open, pass, fail, unknown int64 }

func (s *Server) tallies(ctx context.Context) (map[string]tally, error) {
	findings, err := s.store.CountFindings(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("count findings: %w", err)
	}
	verdicts, err := s.store.CountVerdicts(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("count verdicts: %w", err)
	}
	tallies := map[string]tally{}
	for _, c := range findings {
		if c.State == qrie.Active {
			t := tallies[c.Policy]
			t.open += c.Count
			tallies[c.Policy] = t
		}
	}
	for _, c := range verdicts {
		t := tallies[c.Policy]
		switch c.Outcome {
		case qrie.Pass:
			t.pass += c.Count
		case qrie.Fail:
			t.fail += c.Count
		case qrie.Unknown:
			t.unknown += c.Count
		}
		tallies[c.Policy] = t
	}
	return tallies, nil
}

// policyOf joins a policy of the catalogue with its launch, if it has one.
func policyOf(p *policies.Policy, l qrie.Launch, launched bool, t tally) Policy {
	result := Policy{
		PolicyID: p.ID, Title: p.Title, Description: p.Description, Risk: p.Risk,
		Service: p.Service, Category: p.Category, ResourceType: p.ResourceType,
		Severity: p.Severity, DefaultSeverity: p.Severity, Remediation: p.Remediation.Text,
		Frameworks: frameworksOf(p), Params: paramsOf(p, l), UsesClock: p.UsesNow,
		Status: statusAvailable, Scope: scopeOf(l.Scope),
		OpenFindings: t.open, Passing: t.pass, Failing: t.fail, Unknown: t.unknown, InScope: t.pass + t.fail + t.unknown,
	}
	if launched {
		result.Status, result.Generation = string(l.Status), l.Generation
		result.CreatedAt, result.UpdatedAt = utc(l.CreatedAt), utc(l.UpdatedAt)
		if l.Severity != nil {
			result.Severity = *l.Severity
		}
		if l.Remediation != "" {
			result.Remediation, result.RemediationOverride = l.Remediation, l.Remediation
		}
	}
	result.SeverityLabel = result.Severity.Band()
	return result
}

// unknownPolicy is a launch of a policy that this version does not know: it
// is shown so that it can be deleted.
func unknownPolicy(l qrie.Launch) *policies.Policy {
	return &policies.Policy{ID: l.Policy, Title: l.Policy, Description: "This version of qrie has no policy of that id. Its findings stay as they are."}
}

func frameworksOf(p *policies.Policy) map[string][]string {
	result := make(map[string][]string, len(p.Frameworks))
	for name, requirements := range p.Frameworks {
		result[name] = notNil(requirements)
	}
	return result
}

func paramsOf(p *policies.Policy, l qrie.Launch) []Param {
	params := make([]Param, 0, len(p.Params))
	for _, param := range p.Params {
		result := Param{
			Name: param.Name, Type: param.Type, Help: param.Help, Default: param.Default,
			Value: param.Default, Min: param.Min, Max: param.Max,
		}
		if override, ok := l.Params[param.Name]; ok {
			result.Value = json.RawMessage(override)
		}
		params = append(params, result)
	}
	return params
}

type policiesIn struct {
	Status   string   `query:"status" enum:"active,suspended,available,all" default:"all"`
	Services []string `query:"services" doc:"Such as s3,ec2"`
	PolicyID string   `query:"policy_id" maxLength:"100" doc:"One policy; 404 if there is none"`
}

func (s *Server) listPolicies(ctx context.Context, in *policiesIn) (*body[[]Policy], error) {
	wanted, err := services("query.services", in.Services)
	if err != nil {
		return nil, err
	}
	launches, _, err := s.launches(ctx)
	if err != nil {
		return nil, err
	}
	tallies, err := s.tallies(ctx)
	if err != nil {
		return nil, err
	}
	known := s.policies.All()
	for _, l := range launches {
		if _, ok := s.policies.Get(l.Policy); !ok {
			known = append(known, unknownPolicy(l))
		}
	}
	list, found, only := []Policy{}, false, s.policyID(in.PolicyID)
	for _, p := range known {
		l, launched := launches[p.ID]
		entry := policyOf(p, l, launched, tallies[p.ID])
		if only != "" && p.ID != only {
			continue
		}
		found = true
		if (in.Status == "all" || in.Status == entry.Status) && within(wanted, entry.Service) {
			list = append(list, entry)
		}
	}
	if only != "" && !found {
		return nil, s.unknownPolicyID("query.policy_id", in.PolicyID)
	}
	slices.SortFunc(list, func(a, b Policy) int {
		return cmp.Or(
			cmp.Compare(statusRank(a.Status), statusRank(b.Status)),
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.PolicyID, b.PolicyID),
		)
	})
	return &body[[]Policy]{Body: list}, nil
}

// policyID turns an alias, such as the name a policy had before, into the id.
func (s *Server) policyID(idOrAlias string) string {
	if p, ok := s.policies.Get(idOrAlias); ok {
		return p.ID
	}
	return idOrAlias
}

func statusRank(status string) int {
	return slices.Index([]string{statusActive, statusSuspended, statusAvailable}, status)
}

func (s *Server) unknownPolicyID(location, id string) *Problem {
	var ids []string
	for _, p := range s.policies.All() {
		ids = append(ids, p.ID)
	}
	p := kindNotFound.problem("there is no policy %q; the nearest is %s", id, nearest(id, ids))
	p.Errors = []FieldError{{Location: location, Message: "unknown policy", Value: id}}
	return p
}

type policyOut struct {
	ETag string `header:"ETag"`
	Body PolicyFull
}

func (s *Server) getPolicy(ctx context.Context, in *idIn) (*policyOut, error) {
	launches, _, err := s.launches(ctx)
	if err != nil {
		return nil, err
	}
	id := s.policyID(in.ID)
	l, launched := launches[id]
	p, ok := s.policies.Get(id)
	switch {
	case !ok && launched:
		p = unknownPolicy(l)
	case !ok:
		return nil, s.unknownPolicyID("path.id", id)
	}
	tallies, err := s.tallies(ctx)
	if err != nil {
		return nil, err
	}
	return &policyOut{ETag: generationTag(l.Generation), Body: PolicyFull{
		Policy: policyOf(p, l, launched, tallies[id]), Source: string(p.Source),
		Console: notNil(p.Remediation.Console), CLI: p.Remediation.CLI, Terraform: p.Remediation.Terraform,
	}}, nil
}

// generationTag is the ETag of a launch.
func generationTag(generation int64) string {
	return `"g` + strconv.FormatInt(generation, 10) + `"`
}
