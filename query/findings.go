package query

import (
	"context"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Finding is one policy failed by one resource.
type Finding struct {
	ID             string          `json:"id"`
	ARN            string          `json:"arn"`
	ResourceID     string          `json:"resource_id"`
	ResourceName   string          `json:"resource_name"`
	ResourceType   string          `json:"resource_type" example:"AWS::S3::Bucket"`
	Policy         string          `json:"policy"`
	PolicyTitle    string          `json:"policy_title"`
	AccountID      string          `json:"account_id"`
	AccountName    string          `json:"account_name"`
	AccountService string          `json:"account_service" example:"123412341234_s3"`
	Service        string          `json:"service"`
	Region         string          `json:"region"`
	Severity       qrie.Severity   `json:"severity" minimum:"0" maximum:"100"`
	SeverityLabel  qrie.Band       `json:"severity_label" enum:"critical,high,medium,low,informational"`
	State          qrie.State      `json:"state" enum:"ACTIVE,RESOLVED"`
	Resolution     qrie.Resolution `json:"resolution,omitempty" enum:"fixed,resource_deleted,policy_deleted,out_of_scope,account_removed"`
	Unknown        string          `json:"unknown,omitempty" doc:"Why the policy cannot be judged any more; the state is then the last one known"`
	Stale          *Condition      `json:"stale,omitempty" doc:"Why the resource cannot be read at present; what is shown is the last that was seen"`
	FirstSeen      time.Time       `json:"first_seen"`
	OpenedAt       time.Time       `json:"opened_at" doc:"Of the present or last opening"`
	ChangedAt      time.Time       `json:"changed_at"`
	ResolvedAt     time.Time       `json:"resolved_at,omitzero"`
	LastEvaluated  time.Time       `json:"last_evaluated"`
	Summary        string          `json:"summary"`
	Reopened       int             `json:"reopened" doc:"How often it came back"`
	PolicyStatus   string          `json:"policy_status" enum:"active,suspended,deleted"`
	Cause          qrie.Cause      `json:"cause" doc:"Of the last opening"`
}

func (d *directory) finding(f qrie.Finding) Finding {
	var stale *Condition
	if f.State == qrie.Active {
		stale = d.stale(f.Ref)
	}
	return Finding{
		ID: f.ID, ARN: f.Ref.ARN, ResourceID: f.Ref.ResourceID(), ResourceName: f.Name, ResourceType: f.Ref.Type,
		Policy: f.Policy, PolicyTitle: d.policyTitle(f.Policy), PolicyStatus: d.policyStatus(f.Policy),
		AccountID: f.Ref.Account, AccountName: d.accountName(f.Ref.Account), AccountService: f.Ref.AccountService(),
		Service: f.Ref.Service(), Region: f.Ref.Region,
		Severity: f.Severity, SeverityLabel: f.Severity.Band(),
		State: f.State, Resolution: f.Resolution, Unknown: f.Unknown, Stale: stale,
		FirstSeen: f.FirstSeen.UTC(), OpenedAt: f.OpenedAt.UTC(), ChangedAt: f.ChangedAt.UTC(),
		ResolvedAt: utc(f.ResolvedAt), LastEvaluated: f.LastEvaluated.UTC(),
		Summary: f.Summary, Reopened: f.Reopened, Cause: causeOf(f.Cause),
	}
}

func (d *directory) findings(list []qrie.Finding) []Finding {
	result := make([]Finding, 0, len(list))
	for _, f := range list {
		result = append(result, d.finding(f))
	}
	return result
}

// causeOf is the cause as the API tells it: no null list, times in UTC.
func causeOf(c qrie.Cause) qrie.Cause {
	events := make([]qrie.Event, 0, len(c.Events))
	for _, e := range c.Events {
		e.Time, e.Arrived = e.Time.UTC(), utc(e.Arrived)
		events = append(events, e)
	}
	c.Events, c.After, c.Before = events, utc(c.After), utc(c.Before)
	if c.Attribution == "" {
		c.Attribution = qrie.AttributionUnknown
	}
	return c
}

// utc leaves the zero time alone, so that it is left out of the answer.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

type findingsIn struct {
	Paging
	State       []string `query:"state" doc:"ACTIVE, RESOLVED"`
	Policy      []string `query:"policy" doc:"Policy ids"`
	Account     []string `query:"account" doc:"Account ids"`
	Service     []string `query:"service" doc:"Such as s3"`
	Type        []string `query:"type" doc:"Resource types, or names of services"`
	Region      []string `query:"region"`
	Severity    []string `query:"severity" doc:"critical, high, medium, low, informational"`
	Resource    string   `query:"resource" pattern:"^r_[a-z2-7]{16}$" patternDescription:"a resource id: r_ and sixteen letters and digits" doc:"Resource id"`
	Q           string   `query:"q" maxLength:"200" doc:"Part of the ARN, the name or the summary"`
	OpenedSince string   `query:"opened_since" doc:"Opened at most this long ago: 30m, 24h, 7d"`
}

// FindingList is one page of findings.
type FindingList struct {
	Findings  []Finding `json:"findings"`
	NextToken string    `json:"next_token,omitempty"`
	Meta      ListMeta  `json:"meta"`
}

func (in *findingsIn) query(now time.Time) (q store.FindingQuery, err error) {
	if q.States, err = oneOf("query.state", in.State, qrie.Active, qrie.Resolved); err != nil {
		return q, err
	}
	if q.Policies, err = parts("query.policy", in.Policy); err != nil {
		return q, err
	}
	if q.Accounts, err = accountIDs("query.account", in.Account); err != nil {
		return q, err
	}
	if q.Services, err = services("query.service", in.Service); err != nil {
		return q, err
	}
	if q.Types, err = resourceTypes("query.type", in.Type); err != nil {
		return q, err
	}
	if q.Regions, err = parts("query.region", in.Region); err != nil {
		return q, err
	}
	if q.Bands, err = oneOf("query.severity", in.Severity, qrie.Bands...); err != nil {
		return q, err
	}
	if q.OpenedFrom, err = since("query.opened_since", in.OpenedSince, now); err != nil {
		return q, err
	}
	q.Resource, q.Text = in.Resource, in.Q
	return q, nil
}

func (s *Server) listFindings(ctx context.Context, in *findingsIn) (*body[FindingList], error) {
	now := s.now()
	q, err := in.query(now)
	if err != nil {
		return nil, err
	}
	for i, id := range q.Policies {
		q.Policies[i] = s.policyID(id)
	}
	page, err := s.store.ListFindings(ctx, q, in.request())
	if err != nil {
		return nil, fmt.Errorf("list findings: %w", err)
	}
	d, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	list := FindingList{Findings: d.findings(page.Items), NextToken: page.Next, Meta: ListMeta{AsOf: now}}
	total, ok, err := s.countFindings(ctx, d, q)
	if err != nil {
		return nil, err
	}
	if ok {
		list.Meta.Total, list.Meta.TotalExact = &total, true
	}
	return &body[FindingList]{Body: list}, nil
}

// maxCountedAccounts bounds the counter reads behind one total.
const maxCountedAccounts = 25

// countFindings adds up the counters that q selects. ok is false where they
// cannot tell: they are kept by account, policy, severity and state alone.
func (s *Server) countFindings(ctx context.Context, d *directory, q store.FindingQuery) (total int64, ok bool, err error) {
	if len(q.Types) > 0 || len(q.Regions) > 0 || q.Resource != "" || q.Text != "" || !q.OpenedFrom.IsZero() || len(q.Accounts) > maxCountedAccounts {
		return 0, false, nil
	}
	counts, err := s.findingCounts(ctx, q.Accounts)
	if err != nil {
		return 0, false, err
	}
	for _, c := range counts {
		if len(q.Services) > 0 && d.service(c.Policy) == "" && c.Count > 0 {
			return 0, false, nil // a policy of which the service is not known any more
		}
		if within(q.States, c.State) && within(q.Policies, c.Policy) && within(q.Bands, c.Severity.Band()) && within(q.Services, d.service(c.Policy)) {
			total += c.Count
		}
	}
	return total, true, nil
}

// findingCounts reads the counters of the given accounts, of all without any.
func (s *Server) findingCounts(ctx context.Context, accounts []string) ([]store.FindingCount, error) {
	if len(accounts) == 0 {
		accounts = []string{""}
	}
	var all []store.FindingCount
	for _, account := range accounts {
		counts, err := s.store.CountFindings(ctx, account)
		if err != nil {
			return nil, fmt.Errorf("count findings: %w", err)
		}
		all = append(all, counts...)
	}
	return all, nil
}

// within reports whether a filter lets v pass: an empty one lets all.
func within[T comparable](filter []T, v T) bool {
	if len(filter) == 0 {
		return true
	}
	for _, f := range filter {
		if f == v {
			return true
		}
	}
	return false
}
