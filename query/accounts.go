package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Account is one AWS account that is watched.
type Account struct {
	AccountID    string            `json:"account_id"`
	Name         string            `json:"name"`
	OU           string            `json:"ou" doc:"Path such as /Workloads/Prod; empty if unknown"`
	Tags         map[string]string `json:"tags"`
	Regions      []string          `json:"regions"`
	Health       string            `json:"health" enum:"ok,role_denied,mass_delete,denied,throttled" doc:"The worst of the conditions"`
	Conditions   []Condition       `json:"conditions" doc:"What is wrong with reading the account"`
	OpenFindings int64             `json:"open_findings"`
	Resources    int64             `json:"resources"`
}

// accountCounts are the counters broken down by account.
type accountCounts struct {
	findings  []store.FindingCount
	resources []store.ResourceCount
}

func (s *Server) readAccountCounts(ctx context.Context) (counts accountCounts, err error) {
	if counts.findings, err = s.store.CountFindings(ctx, store.EachAccount); err != nil {
		return counts, fmt.Errorf("count findings by account: %w", err)
	}
	if counts.resources, err = s.store.CountResources(ctx, store.EachAccount); err != nil {
		return counts, fmt.Errorf("count resources by account: %w", err)
	}
	return counts, nil
}

func (s *Server) listAccounts(ctx context.Context, _ *struct{}) (*body[[]Account], error) {
	accounts, err := s.accounts.get(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := s.byAccount.get(ctx)
	if err != nil {
		return nil, err
	}
	health, err := s.health.get(ctx)
	if err != nil {
		return nil, err
	}
	open, stored := map[string]int64{}, map[string]int64{}
	for _, c := range counts.findings {
		if c.State == qrie.Active {
			open[c.Account] += c.Count
		}
	}
	for _, c := range counts.resources {
		stored[c.Account] += c.Total
	}
	list := make([]Account, 0, len(accounts))
	for _, a := range accounts {
		conditions := make([]Condition, 0, len(health[a.ID]))
		for _, c := range health[a.ID] {
			conditions = append(conditions, conditionOf(c))
		}
		list = append(list, Account{
			Health: healthOf(health[a.ID]), Conditions: conditions,
			AccountID: a.ID, Name: a.Name, OU: a.OU, Tags: notNilMap(a.Tags), Regions: notNil(a.Regions),
			OpenFindings: open[a.ID], Resources: stored[a.ID],
		})
	}
	slices.SortFunc(list, func(a, b Account) int { return cmp.Compare(a.AccountID, b.AccountID) })
	return &body[[]Account]{Body: list}, nil
}
