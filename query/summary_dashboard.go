package query

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Dashboard is the numbers of the first page.
type Dashboard struct {
	TotalOpenFindings         int64        `json:"total_open_findings"`
	CriticalOpenFindings      int64        `json:"critical_open_findings"`
	HighOpenFindings          int64        `json:"high_open_findings"`
	ResolvedThisMonth         int64        `json:"resolved_this_month" doc:"Since the first of the month, UTC"`
	ActivePolicies            int64        `json:"active_policies"`
	PoliciesLaunchedThisMonth int64        `json:"policies_launched_this_month"`
	Resources                 int64        `json:"resources"`
	Accounts                  int64        `json:"accounts" doc:"Accounts that are watched"`
	FindingsWeekly            []Week       `json:"findings_weekly" doc:"Eight weeks, the oldest first"`
	TopPolicies               []TopPolicy  `json:"top_policies" doc:"At most ten, by open findings"`
	AntiEntropy               AntiEntropy  `json:"anti_entropy"`
	OpenBySeverity            []OpenBand   `json:"open_by_severity" doc:"From the worst down"`
	TopAccounts               []TopAccount `json:"top_accounts" doc:"At most ten, by open findings weighted by severity"`
	Coverage                  Coverage     `json:"coverage"`
	Score                     Score        `json:"score"`
}

// OpenBand is how many findings of a band are open.
type OpenBand struct {
	Label qrie.Band `json:"label" enum:"critical,high,medium,low,informational"`
	Open  int64     `json:"open"`
}

// TopPolicy is a policy with many open findings.
type TopPolicy struct {
	PolicyID      string        `json:"policy_id"`
	Title         string        `json:"title"`
	OpenFindings  int64         `json:"open_findings"`
	Severity      qrie.Severity `json:"severity"`
	SeverityLabel qrie.Band     `json:"severity_label" enum:"critical,high,medium,low,informational"`
}

// TopAccount is an account with many or grave open findings.
type TopAccount struct {
	AccountID    string `json:"account_id"`
	AccountName  string `json:"account_name"`
	OpenFindings int64  `json:"open_findings"`
	Critical     int64  `json:"critical"`
	High         int64  `json:"high"`
	weighted     float64
}

// DashboardAnswer is the dashboard with its age.
type DashboardAnswer struct {
	Dashboard
	GeneratedAt time.Time `json:"generated_at"`
	AgeSeconds  int64     `json:"age_seconds"`
	Stale       bool      `json:"stale" doc:"A newer one is being computed"`
}

const (
	// dashboardKey names the shape as well: a server of another version does
	// not read this one's entry.
	dashboardKey   = "dashboard/1"
	dashboardFresh = time.Hour
	topRows        = 10
)

type dashboardIn struct {
	Date string `query:"date" format:"date" doc:"Today (UTC): the first edition of the API asked for it. Other days are not kept"`
}

func (s *Server) summaryDashboard(ctx context.Context, in *dashboardIn) (*body[DashboardAnswer], error) {
	if err := checkToday(in.Date, s.now()); err != nil {
		return nil, err
	}
	have, err := s.dashboard.get(ctx)
	if err != nil {
		return nil, err
	}
	answer := DashboardAnswer{GeneratedAt: have.computedAt, AgeSeconds: int64(have.age / time.Second), Stale: have.stale}
	if err := json.Unmarshal(have.data, &answer.Dashboard); err != nil {
		return nil, fmt.Errorf("read the stored dashboard: %w", err)
	}
	return &body[DashboardAnswer]{Body: answer}, nil
}

// checkToday admits the days that are today somewhere on Earth.
func checkToday(date string, now time.Time) error {
	if date == "" {
		return nil
	}
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return invalid("query.date", date, "%q is no date such as 2006-01-02", date)
	}
	if d := now.Sub(day.Add(12 * time.Hour)); d < -36*time.Hour || d > 36*time.Hour {
		return invalid("query.date", date, "the dashboard tells of now (%s) and of no other day", now.Format(time.DateOnly))
	}
	return nil
}

// dashboardStamp changes with every change of a launch, and when a job begins
// or ends: the numbers of an hour ago are then of another world.
func (s *Server) dashboardStamp(ctx context.Context) (string, error) {
	set, err := s.store.LaunchSet(ctx)
	if err != nil {
		return "", fmt.Errorf("read the launches: %w", err)
	}
	jobs, err := s.store.ListJobs(ctx, "", 5)
	if err != nil {
		return "", fmt.Errorf("list jobs: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "g%d", set.Generation)
	for _, j := range jobs {
		fmt.Fprintf(&b, " %s=%s", j.ID, j.State)
	}
	return b.String(), nil
}

// computeDashboard reads counters, launches and jobs, and no list.
func (s *Server) computeDashboard(ctx context.Context) (any, error) {
	now := s.now()
	d, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	findings, err := s.findingCounts(ctx, nil)
	if err != nil {
		return nil, err
	}
	verdicts, err := s.store.CountVerdicts(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("count verdicts: %w", err)
	}
	byAccount, err := s.readAccountCounts(ctx)
	if err != nil {
		return nil, err
	}
	days, err := s.store.CountDays(ctx, firstWeek(now).Format(time.DateOnly))
	if err != nil {
		return nil, fmt.Errorf("count days: %w", err)
	}
	antiEntropy, err := s.antiEntropy(ctx, d, now)
	if err != nil {
		return nil, err
	}
	dash := Dashboard{
		Accounts:       int64(len(d.accounts)),
		OpenBySeverity: openBySeverity(findings),
		TopPolicies:    d.topPolicies(findings),
		TopAccounts:    d.topAccounts(byAccount.findings),
		AntiEntropy:    antiEntropy,
		Coverage:       coverageOf(byAccount.resources, verdicts),
		Score:          scoreOf(d, verdicts),
	}
	dash.Resources = dash.Coverage.Resources
	var resolved int64
	for _, c := range findings {
		if c.State == qrie.Resolved {
			resolved += c.Count
		}
	}
	for _, b := range dash.OpenBySeverity {
		dash.TotalOpenFindings += b.Open
		switch b.Label {
		case qrie.Critical:
			dash.CriticalOpenFindings = b.Open
		case qrie.High:
			dash.HighOpenFindings = b.Open
		}
	}
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for _, day := range days {
		if day.Day >= month.Format(time.DateOnly) {
			dash.ResolvedThisMonth += day.Resolved
		}
	}
	for _, l := range d.launches {
		if l.Status == qrie.LaunchActive {
			dash.ActivePolicies++
		}
		if !l.CreatedAt.Before(month) {
			dash.PoliciesLaunchedThisMonth++
		}
	}
	dash.FindingsWeekly = weekly(now, days, dash.TotalOpenFindings, dash.TotalOpenFindings+resolved)
	return dash, nil
}

func openBySeverity(counts []store.FindingCount) []OpenBand {
	open := map[qrie.Band]int64{}
	for _, c := range counts {
		if c.State == qrie.Active {
			open[c.Severity.Band()] += c.Count
		}
	}
	bands := make([]OpenBand, 0, len(qrie.Bands))
	for _, b := range qrie.Bands {
		bands = append(bands, OpenBand{Label: b, Open: open[b]})
	}
	return bands
}

func (d *directory) topPolicies(counts []store.FindingCount) []TopPolicy {
	byID := map[string]*TopPolicy{}
	for _, c := range counts {
		if c.State != qrie.Active || c.Count == 0 {
			continue
		}
		top := byID[c.Policy]
		if top == nil {
			top = &TopPolicy{PolicyID: c.Policy, Title: d.policyTitle(c.Policy)}
			byID[c.Policy] = top
		}
		top.OpenFindings += c.Count
		top.Severity = max(top.Severity, c.Severity)
	}
	list := make([]TopPolicy, 0, len(byID))
	for id, top := range byID {
		if severity, ok := d.severity(id); ok {
			top.Severity = severity
		}
		top.SeverityLabel = top.Severity.Band()
		list = append(list, *top)
	}
	slices.SortFunc(list, func(a, b TopPolicy) int {
		return cmp.Or(cmp.Compare(b.OpenFindings, a.OpenFindings), cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.PolicyID, b.PolicyID))
	})
	return list[:min(len(list), topRows)]
}

func (d *directory) topAccounts(counts []store.FindingCount) []TopAccount {
	byID := map[string]*TopAccount{}
	for _, c := range counts {
		if c.State != qrie.Active || c.Count == 0 {
			continue
		}
		top := byID[c.Account]
		if top == nil {
			top = &TopAccount{AccountID: c.Account, AccountName: d.accountName(c.Account)}
			byID[c.Account] = top
		}
		top.OpenFindings += c.Count
		top.weighted += weight(c.Severity) * float64(c.Count)
		switch c.Severity.Band() {
		case qrie.Critical:
			top.Critical += c.Count
		case qrie.High:
			top.High += c.Count
		}
	}
	list := make([]TopAccount, 0, len(byID))
	for _, top := range byID {
		list = append(list, *top)
	}
	slices.SortFunc(list, func(a, b TopAccount) int {
		return cmp.Or(cmp.Compare(b.weighted, a.weighted), cmp.Compare(b.OpenFindings, a.OpenFindings), cmp.Compare(a.AccountID, b.AccountID))
	})
	return list[:min(len(list), topRows)]
}

func coverageOf(byAccount []store.ResourceCount, verdicts []store.VerdictCount) Coverage {
	var c Coverage
	accounts := map[string]bool{}
	for _, r := range byAccount {
		c.Resources += r.Total
		if r.Total > 0 {
			accounts[r.Account] = true
		}
	}
	c.Accounts = int64(len(accounts))
	for _, v := range verdicts {
		switch v.Outcome {
		case qrie.Pass, qrie.Fail:
			c.Evaluated += v.Count
		case qrie.Unknown:
			c.Unknown += v.Count
		}
	}
	return c
}
