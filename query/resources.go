package query

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Resource is the last observation of an AWS resource, without its document.
type Resource struct {
	ID             string            `json:"id"`
	ARN            string            `json:"arn"`
	Name           string            `json:"name"`
	AccountID      string            `json:"account_id"`
	AccountName    string            `json:"account_name"`
	AccountService string            `json:"account_service"`
	Service        string            `json:"service"`
	ResourceType   string            `json:"resource_type" example:"AWS::S3::Bucket"`
	TypeTitle      string            `json:"type_title" example:"S3 bucket"`
	Region         string            `json:"region"`
	LastSeenAt     time.Time         `json:"last_seen_at" doc:"When a scan last listed it or an observation saw it"`
	ObservedAt     time.Time         `json:"observed_at" doc:"Of the newest observation"`
	ChangedAt      time.Time         `json:"changed_at" doc:"Of the newest observation that differed"`
	FirstSeen      time.Time         `json:"first_seen"`
	Deleted        bool              `json:"deleted"`
	Unfinished     bool              `json:"unfinished" doc:"AWS was still at work on it; it is looked at again until that has ended"`
	OpenFindings   int               `json:"open_findings"`
	WorstSeverity  *qrie.Severity    `json:"worst_severity,omitempty"`
	SeverityLabel  qrie.Band         `json:"severity_label,omitempty" enum:"critical,high,medium,low,informational"`
	Missing        []qrie.Missing    `json:"missing" doc:"Members of the document that could not be read"`
	Tags           map[string]string `json:"tags"`
}

func (d *directory) resource(r store.Resource) Resource {
	result := Resource{
		ID: r.Ref.ResourceID(), ARN: r.Ref.ARN, Name: r.Name,
		AccountID: r.Ref.Account, AccountName: d.accountName(r.Ref.Account), AccountService: r.Ref.AccountService(),
		Service: r.Ref.Service(), ResourceType: r.Ref.Type, TypeTitle: typeTitle(r.Ref.Type), Region: r.Ref.Region,
		LastSeenAt: r.ListedAt.UTC(), ObservedAt: r.ObservedAt.UTC(), ChangedAt: r.ChangedAt.UTC(), FirstSeen: r.FirstSeen.UTC(),
		Deleted: r.Deleted, Unfinished: r.Unfinished, Missing: notNil(r.Missing), Tags: notNilMap(r.Tags),
	}
	if open, worst := r.OpenFindings(); open > 0 {
		result.OpenFindings, result.WorstSeverity, result.SeverityLabel = open, &worst, worst.Band()
	}
	return result
}

type resourcesIn struct {
	Paging
	Account []string `query:"account" doc:"Account ids"`
	Service []string `query:"service" doc:"Such as s3"`
	Type    []string `query:"type" doc:"Resource types, or names of services"`
	Region  []string `query:"region"`
	Q       string   `query:"q" maxLength:"200" doc:"Part of the name, the id or the ARN"`
	Failing string   `query:"failing" enum:"true,false" doc:"With an active finding, or without"`
	Deleted bool     `query:"deleted" doc:"Also those that are deleted"`
}

// ResourceList is one page of resources.
type ResourceList struct {
	Resources []Resource `json:"resources"`
	NextToken string     `json:"next_token,omitempty"`
	Meta      ListMeta   `json:"meta"`
}

func (in *resourcesIn) query() (q store.ResourceQuery, err error) {
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
	if in.Failing != "" {
		failing := in.Failing == "true"
		q.Failing = &failing
	}
	q.Text, q.Deleted = in.Q, in.Deleted
	return q, nil
}

func (s *Server) listResources(ctx context.Context, in *resourcesIn) (*body[ResourceList], error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	page, err := s.store.ListResources(ctx, q, in.request())
	if err != nil {
		return nil, fmt.Errorf("list resources: %w", err)
	}
	d, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	list := ResourceList{Resources: make([]Resource, 0, len(page.Items)), NextToken: page.Next, Meta: ListMeta{AsOf: s.now()}}
	for _, r := range page.Items {
		list.Resources = append(list.Resources, d.resource(r))
	}
	total, ok, err := s.countResources(ctx, q)
	if err != nil {
		return nil, err
	}
	if ok {
		list.Meta.Total, list.Meta.TotalExact = &total, true
	}
	return &body[ResourceList]{Body: list}, nil
}

// countResources adds up the counters that q selects. ok is false where they
// cannot tell: they are kept by account and type, without tombstones.
func (s *Server) countResources(ctx context.Context, q store.ResourceQuery) (total int64, ok bool, err error) {
	if len(q.Regions) > 0 || q.Text != "" || q.Deleted || len(q.Accounts) > maxCountedAccounts {
		return 0, false, nil
	}
	counts, err := s.resourceCounts(ctx, q.Accounts)
	if err != nil {
		return 0, false, err
	}
	for _, c := range counts {
		if !within(q.Types, c.Type) || !within(q.Services, qrie.ServiceOf(c.Type)) {
			continue
		}
		switch {
		case q.Failing == nil:
			total += c.Total
		case *q.Failing:
			total += c.Failing
		default:
			total += c.Total - c.Failing
		}
	}
	return total, true, nil
}

func (s *Server) resourceCounts(ctx context.Context, accounts []string) ([]store.ResourceCount, error) {
	if len(accounts) == 0 {
		accounts = []string{""}
	}
	var all []store.ResourceCount
	for _, account := range accounts {
		counts, err := s.store.CountResources(ctx, account)
		if err != nil {
			return nil, fmt.Errorf("count resources: %w", err)
		}
		all = append(all, counts...)
	}
	return all, nil
}

// ResourceDetail is a resource with everything that one page shows of it.
type ResourceDetail struct {
	Resource
	Configuration json.RawMessage `json:"configuration" doc:"What AWS answers, under its own names; {} once it is deleted"`
	Version       int64           `json:"version"`
	Cause         qrie.Cause      `json:"cause" doc:"Of the last change"`
	Verdicts      []Verdict       `json:"verdicts" doc:"Of every policy that judged it, the worst first"`
	Findings      []Finding       `json:"findings" doc:"Active and resolved"`
	Versions      []Version       `json:"versions" doc:"The newest versions, newest first"`
}

// Verdict is what a policy last said of a resource.
type Verdict struct {
	Policy        string        `json:"policy"`
	PolicyTitle   string        `json:"policy_title"`
	Outcome       qrie.Outcome  `json:"outcome" enum:"pass,fail,skip,unknown"`
	Severity      qrie.Severity `json:"severity"`
	SeverityLabel qrie.Band     `json:"severity_label" enum:"critical,high,medium,low,informational"`
	Reason        string        `json:"reason,omitempty" doc:"Why it is skipped or unknown"`
	FindingID     string        `json:"finding_id,omitempty" doc:"The active finding"`
}

func (s *Server) getResource(ctx context.Context, in *idIn) (*body[ResourceDetail], error) {
	r, err := s.store.Resource(ctx, in.ID)
	if err != nil {
		return nil, missing(err, "resource", in.ID)
	}
	d, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	detail := ResourceDetail{
		Resource: d.resource(r), Configuration: document(r.Document), Version: r.Version,
		Cause: causeOf(r.Cause), Verdicts: d.verdicts(r),
	}
	findings, err := s.store.ListFindings(ctx, store.FindingQuery{Resource: in.ID}, store.PageRequest{Size: detailRows})
	if err != nil {
		return nil, fmt.Errorf("list the findings of resource %s: %w", in.ID, err)
	}
	detail.Findings = d.findings(findings.Items)
	versions, err := s.store.ListVersions(ctx, in.ID, store.PageRequest{Size: detailRows})
	if err != nil {
		return nil, fmt.Errorf("list the versions of resource %s: %w", in.ID, err)
	}
	detail.Versions = versionsOf(versions.Items)
	return &body[ResourceDetail]{Body: detail}, nil
}

func (d *directory) verdicts(r store.Resource) []Verdict {
	verdicts := make([]Verdict, 0, len(r.Heads))
	for policy, head := range r.Heads {
		v := Verdict{
			Policy: policy, PolicyTitle: d.policyTitle(policy), Outcome: head.Outcome,
			Severity: head.Severity, SeverityLabel: head.Severity.Band(), Reason: head.Reason,
		}
		if head.Open {
			v.FindingID = r.Ref.FindingID(policy)
		}
		verdicts = append(verdicts, v)
	}
	slices.SortFunc(verdicts, func(a, b Verdict) int {
		return cmp.Or(
			cmp.Compare(outcomeRank(a.Outcome), outcomeRank(b.Outcome)),
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.Policy, b.Policy),
		)
	})
	return verdicts
}

// outcomeRank puts first what needs looking at.
func outcomeRank(o qrie.Outcome) int {
	return slices.Index([]qrie.Outcome{qrie.Fail, qrie.Unknown, qrie.Pass, qrie.Skip}, o)
}
