package query

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
)

// ResourcesSummary counts resources by type.
type ResourcesSummary struct {
	TotalResources   int64       `json:"total_resources"`
	TotalAccounts    int64       `json:"total_accounts"`
	TotalFindings    int64       `json:"total_findings" doc:"Open ones"`
	CriticalFindings int64       `json:"critical_findings" doc:"Open ones"`
	HighFindings     int64       `json:"high_findings" doc:"Open ones"`
	ResourceTypes    []TypeCount `json:"resource_types" doc:"By type"`
	AsOf             time.Time   `json:"as_of"`
}

// TypeCount is one type's part.
type TypeCount struct {
	ResourceType string `json:"resource_type" example:"AWS::S3::Bucket"`
	Title        string `json:"title"`
	AllResources int64  `json:"all_resources"`
	NonCompliant int64  `json:"non_compliant" doc:"With an open finding"`
}

type resourcesSummaryIn struct {
	Account []string `query:"account" doc:"Account ids"`
}

func (s *Server) summaryResources(ctx context.Context, in *resourcesSummaryIn) (*body[ResourcesSummary], error) {
	accounts, err := accountIDs("query.account", in.Account)
	if err != nil {
		return nil, err
	}
	if len(accounts) > maxCountedAccounts {
		return nil, invalid("query.account", nil, "takes up to %d accounts here and got %d", maxCountedAccounts, len(accounts))
	}
	known, err := s.accounts.get(ctx)
	if err != nil {
		return nil, err
	}
	findings, err := s.findingCounts(ctx, accounts)
	if err != nil {
		return nil, err
	}
	counts, err := s.resourceCounts(ctx, accounts)
	if err != nil {
		return nil, err
	}
	summary := ResourcesSummary{AsOf: s.now(), TotalAccounts: int64(len(known))}
	if len(accounts) > 0 {
		summary.TotalAccounts = 0
		for _, id := range accounts {
			if _, ok := known[id]; ok {
				summary.TotalAccounts++
			}
		}
	}
	for _, b := range openBySeverity(findings) {
		summary.TotalFindings += b.Open
		switch b.Label {
		case qrie.Critical:
			summary.CriticalFindings = b.Open
		case qrie.High:
			summary.HighFindings = b.Open
		}
	}
	types := map[string]*TypeCount{}
	for _, c := range counts {
		t := types[c.Type]
		if t == nil {
			t = &TypeCount{ResourceType: c.Type, Title: typeTitle(c.Type)}
			types[c.Type] = t
		}
		t.AllResources += c.Total
		t.NonCompliant += c.Failing
		summary.TotalResources += c.Total
	}
	summary.ResourceTypes = make([]TypeCount, 0, len(types))
	for _, t := range types {
		summary.ResourceTypes = append(summary.ResourceTypes, *t)
	}
	slices.SortFunc(summary.ResourceTypes, func(a, b TypeCount) int { return cmp.Compare(a.ResourceType, b.ResourceType) })
	return &body[ResourcesSummary]{Body: summary}, nil
}
