package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// FindingsSummary counts findings by policy.
type FindingsSummary struct {
	TotalFindings         int64         `json:"total_findings"`
	OpenFindings          int64         `json:"open_findings"`
	ResolvedFindings      int64         `json:"resolved_findings"`
	CriticalFindings      int64         `json:"critical_findings" doc:"Open ones, as in the other bands"`
	HighFindings          int64         `json:"high_findings"`
	MediumFindings        int64         `json:"medium_findings"`
	LowFindings           int64         `json:"low_findings"`
	InformationalFindings int64         `json:"informational_findings"`
	Policies              []PolicyCount `json:"policies" doc:"By severity, then by open findings"`
	AsOf                  time.Time     `json:"as_of"`
}

// PolicyCount is one policy's part.
type PolicyCount struct {
	Policy           string        `json:"policy"`
	Title            string        `json:"title"`
	Service          string        `json:"service"`
	Severity         qrie.Severity `json:"severity"`
	SeverityLabel    qrie.Band     `json:"severity_label" enum:"critical,high,medium,low,informational"`
	Status           string        `json:"status" enum:"active,suspended,deleted"`
	TotalFindings    int64         `json:"total_findings"`
	OpenFindings     int64         `json:"open_findings"`
	ResolvedFindings int64         `json:"resolved_findings"`
	Failing          int64         `json:"failing" doc:"Resources that fail now"`
	InScope          int64         `json:"in_scope" doc:"Resources that it judges or would judge"`
	Unknown          int64         `json:"unknown" doc:"Resources that it cannot judge"`
	Accounts         int           `json:"accounts" doc:"Accounts with open findings; up to five seconds old"`
	LastOpenedAt     time.Time     `json:"last_opened_at,omitzero"`
}

type findingsSummaryIn struct {
	Account  []string `query:"account" doc:"Account ids"`
	Service  []string `query:"service" doc:"Such as s3"`
	Severity []string `query:"severity" doc:"critical, high, medium, low, informational"`
	State    []string `query:"state" doc:"ACTIVE, RESOLVED"`
}

func (s *Server) summaryFindings(ctx context.Context, in *findingsSummaryIn) (*body[FindingsSummary], error) {
	q, err := (&findingsIn{Account: in.Account, Service: in.Service, Severity: in.Severity, State: in.State}).query(s.now())
	if err != nil {
		return nil, err
	}
	if len(q.Accounts) > maxCountedAccounts {
		return nil, invalid("query.account", nil, "takes up to %d accounts here and got %d", maxCountedAccounts, len(q.Accounts))
	}
	d, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := s.findingCounts(ctx, q.Accounts)
	if err != nil {
		return nil, err
	}
	verdicts, err := s.verdictCounts(ctx, q.Accounts)
	if err != nil {
		return nil, err
	}
	byAccount, err := s.byAccount.get(ctx)
	if err != nil {
		return nil, err
	}
	summary := FindingsSummary{AsOf: s.now()}
	rows := d.policyCounts(q, counts, &summary)
	for _, v := range verdicts {
		row := rows[v.Policy]
		if row == nil {
			continue
		}
		switch v.Outcome {
		case qrie.Fail:
			row.Failing += v.Count
			row.InScope += v.Count
		case qrie.Pass:
			row.InScope += v.Count
		case qrie.Unknown:
			row.Unknown += v.Count
			row.InScope += v.Count
		}
	}
	countAccounts(q, byAccount.findings, rows)
	summary.Policies = make([]PolicyCount, 0, len(rows))
	for _, row := range rows {
		summary.Policies = append(summary.Policies, *row)
	}
	slices.SortFunc(summary.Policies, func(a, b PolicyCount) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.OpenFindings, a.OpenFindings), cmp.Compare(a.Policy, b.Policy))
	})
	return &body[FindingsSummary]{Body: summary}, nil
}

// policyCounts makes a row of every launched policy that q lets pass and of
// every other that has findings, and adds up the totals.
func (d *directory) policyCounts(q store.FindingQuery, counts []store.FindingCount, summary *FindingsSummary) map[string]*PolicyCount {
	rows := map[string]*PolicyCount{}
	row := func(policy string) *PolicyCount {
		if rows[policy] == nil {
			rows[policy] = &PolicyCount{Policy: policy, Title: d.policyTitle(policy), Service: d.service(policy), Status: d.policyStatus(policy)}
		}
		return rows[policy]
	}
	for id := range d.launches {
		if severity, ok := d.severity(id); ok && within(q.Bands, severity.Band()) && within(q.Services, d.service(id)) {
			row(id)
		}
	}
	bands := map[qrie.Band]int64{}
	for _, c := range counts {
		if c.Count == 0 || !within(q.Bands, c.Severity.Band()) || !within(q.States, c.State) || !within(q.Services, d.service(c.Policy)) {
			continue
		}
		r := row(c.Policy)
		r.Severity = max(r.Severity, c.Severity)
		r.TotalFindings += c.Count
		summary.TotalFindings += c.Count
		if c.State != qrie.Active {
			r.ResolvedFindings += c.Count
			summary.ResolvedFindings += c.Count
			continue
		}
		r.OpenFindings += c.Count
		summary.OpenFindings += c.Count
		bands[c.Severity.Band()] += c.Count
		if c.LastAt.After(r.LastOpenedAt) {
			r.LastOpenedAt = c.LastAt.UTC()
		}
	}
	for id, r := range rows {
		if severity, ok := d.severity(id); ok {
			r.Severity = severity
		}
		r.SeverityLabel = r.Severity.Band()
	}
	summary.CriticalFindings, summary.HighFindings = bands[qrie.Critical], bands[qrie.High]
	summary.MediumFindings, summary.LowFindings = bands[qrie.Medium], bands[qrie.Low]
	summary.InformationalFindings = bands[qrie.Informational]
	return rows
}

// countAccounts tells in how many accounts each policy has open findings.
func countAccounts(q store.FindingQuery, counts []store.FindingCount, rows map[string]*PolicyCount) {
	type pair struct{ policy, account string }
	seen := map[pair]bool{}
	for _, c := range counts {
		p := pair{c.Policy, c.Account}
		if rows[c.Policy] == nil || c.State != qrie.Active || c.Count == 0 || seen[p] || !within(q.Accounts, c.Account) || !within(q.Bands, c.Severity.Band()) {
			continue
		}
		seen[p] = true
		rows[c.Policy].Accounts++
	}
}

func (s *Server) verdictCounts(ctx context.Context, accounts []string) ([]store.VerdictCount, error) {
	if len(accounts) == 0 {
		accounts = []string{""}
	}
	var all []store.VerdictCount
	for _, account := range accounts {
		counts, err := s.store.CountVerdicts(ctx, account)
		if err != nil {
			return nil, fmt.Errorf("count verdicts: %w", err)
		}
		all = append(all, counts...)
	}
	return all, nil
}
