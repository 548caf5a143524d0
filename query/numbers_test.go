package query

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

func TestMonday(t *testing.T) {
	for _, tc := range []struct{ day, want string }{
		{"2026-03-16T00:00:00Z", "2026-03-16"}, {"2026-03-18T10:30:00Z", "2026-03-16"},
		{"2026-03-22T23:59:59Z", "2026-03-16"}, {"2026-03-23T00:00:00Z", "2026-03-23"}, {"2027-01-01T12:00:00Z", "2026-12-28"},
	} {
		at, err := time.Parse(time.RFC3339, tc.day)
		must(t, err)
		if got := monday(at).Format(time.DateOnly); got != tc.want {
			t.Errorf("monday(%s) = %s, want %s", tc.day, got, tc.want)
		}
		if firstWeek(at).AddDate(0, 0, 7*(weeks-1)) != monday(at) {
			t.Errorf("the eight weeks of %s do not end with its own", tc.day)
		}
	}
}

// TestWeeklyAgreesWithASimulation opens and resolves findings at random over
// a hundred days and compares what is counted back with what was.
func TestWeeklyAgreesWithASimulation(t *testing.T) {
	for range 200 {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		now := start.AddDate(0, 0, random.IntN(14))
		first := firstWeek(now)
		var days []store.DayCount
		var open, total int64
		want := make([]Week, weeks)
		for i := range want {
			want[i] = Week{WeekStart: first.AddDate(0, 0, 7*i).Format(time.DateOnly), IsCurrent: i == weeks-1}
		}
		for day := now.AddDate(0, 0, -100); !day.After(now); day = day.AddDate(0, 0, 1) {
			for _, band := range []qrie.Band{qrie.Critical, qrie.Low} {
				opened := int64(random.IntN(5))
				resolved := int64(random.IntN(int(min(open+opened, 4)) + 1))
				open, total = open+opened-resolved, total+opened
				if day.Before(first) {
					continue
				}
				days = append(days, store.DayCount{Day: day.Format(time.DateOnly), Band: band, Opened: opened, Resolved: resolved})
				w := &want[int(day.Sub(first)/(7*24*time.Hour))]
				w.NewFindings, w.ClosedFindings = w.NewFindings+opened, w.ClosedFindings+resolved
				w.OpenFindings, w.TotalFindings = open, total
				if band == qrie.Critical {
					w.CriticalNew += opened
				}
			}
		}
		if diff := cmp.Diff(want, weekly(now, days, open, total)); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

func TestWeeklyStaysSane(t *testing.T) {
	// Trimmed findings make the past look emptier than it was; a clock that is
	// ahead writes tomorrow.
	list := weekly(start, []store.DayCount{
		{Day: "2026-03-10", Band: qrie.High, Opened: 50}, {Day: "2026-03-30", Band: qrie.High, Resolved: 1}, {Day: "not a day", Opened: 9},
	}, 3, 4)
	for _, w := range list {
		if w.OpenFindings < 0 || w.TotalFindings < w.OpenFindings {
			t.Errorf("week %s: %d open of %d", w.WeekStart, w.OpenFindings, w.TotalFindings)
		}
	}
	if last := list[weeks-1]; last.OpenFindings != 3 || last.TotalFindings != 4 || last.ClosedFindings != 1 {
		t.Errorf("the last week is %+v", last)
	}
}

func TestScore(t *testing.T) {
	set := testPolicies(t)
	medium, none := qrie.Severity(45), qrie.Severity(0)
	launched := func(ls ...qrie.Launch) *directory {
		d := &directory{policies: set, launches: map[string]qrie.Launch{}}
		for _, l := range ls {
			if l.Status == "" {
				l.Status = qrie.LaunchActive
			}
			d.launches[l.Policy] = l
		}
		return d
	}
	count := func(policy string, outcome qrie.Outcome, n int64) store.VerdictCount {
		return store.VerdictCount{Policy: policy, Outcome: outcome, Count: n}
	}
	const listed, off = "S3BucketListed", "S3BucketVersioningOff"
	critical, low := qrie.Launch{Policy: listed}, qrie.Launch{Policy: off, Severity: &medium}
	for _, tc := range []struct {
		name     string
		d        *directory
		verdicts []store.VerdictCount
		want     float64 // NaN: none
	}{
		{"nothing launched", launched(), nil, math.NaN()},
		{"launched and nothing judged", launched(critical), nil, math.NaN()},
		{"all pass", launched(critical), []store.VerdictCount{count(listed, qrie.Pass, 7)}, 100},
		{"all fail", launched(critical), []store.VerdictCount{count(listed, qrie.Fail, 7)}, 0},
		{"unknown is no pass", launched(critical), []store.VerdictCount{count(listed, qrie.Unknown, 7)}, math.NaN()},
		{"unknown is not counted", launched(critical), []store.VerdictCount{count(listed, qrie.Unknown, 98), count(listed, qrie.Pass, 1), count(listed, qrie.Fail, 1)}, 50},
		{"weights 10 and 2", launched(critical, low), []store.VerdictCount{count(listed, qrie.Fail, 1), count(off, qrie.Pass, 1)}, 16.7},
		{"a large fleet does not drown a small one", launched(critical, low), []store.VerdictCount{count(listed, qrie.Fail, 1), count(off, qrie.Pass, 100000)}, 16.7},
		{"suspended is left out", launched(critical, qrie.Launch{Policy: off, Status: qrie.LaunchSuspended}), []store.VerdictCount{count(listed, qrie.Pass, 1), count(off, qrie.Fail, 9)}, 100},
		{"informational weighs nothing", launched(qrie.Launch{Policy: listed, Severity: &none}), []store.VerdictCount{count(listed, qrie.Fail, 1)}, math.NaN()},
		{"skipped is not counted", launched(critical), []store.VerdictCount{count(listed, qrie.Skip, 9), count(listed, qrie.Pass, 1)}, 100},
	} {
		got := scoreOf(tc.d, tc.verdicts)
		switch {
		case got.Note == "":
			t.Errorf("%s: no note", tc.name)
		case math.IsNaN(tc.want) && got.Value != nil:
			t.Errorf("%s: %v, want none", tc.name, *got.Value)
		case !math.IsNaN(tc.want) && (got.Value == nil || *got.Value != tc.want):
			t.Errorf("%s: %v, want %v", tc.name, got.Value, tc.want)
		}
	}
}

func TestScansThatAreOverdue(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(*rig)
		drift   bool
	}{
		{"no account", func(*rig) {}, false},
		{"an account and no scan", func(r *rig) { r.account() }, true},
		{"the first scan is running", func(r *rig) {
			r.account()
			must(r.t, r.store.PutJob(r.t.Context(), store.Job{ID: "1", Kind: "inventory", Reason: "bootstrap", Started: start}.Begin("1")))
		}, false},
		{"a scan of last week", func(r *rig) {
			r.account()
			r.job("1", "inventory", "scheduled", start.AddDate(0, 0, -7), time.Minute, 1)
		}, false},
		{"a scan of nine days ago", func(r *rig) {
			r.account()
			r.job("1", "inventory", "scheduled", start.AddDate(0, 0, -9), time.Minute, 1)
		}, true},
		{"a person's scan hides nothing", func(r *rig) {
			r.account()
			r.job("1", "inventory", "scheduled", start.AddDate(0, 0, -9), time.Minute, 1)
			r.job("2", "inventory", "request", start, time.Minute, 1)
		}, true},
		{"policies were never judged by time", func(r *rig) {
			r.account()
			r.job("1", "inventory", "scheduled", start, time.Minute, 1)
			r.launch("S3BucketListed", nil)
		}, true},
		{"policies were judged yesterday", func(r *rig) {
			r.account()
			r.job("1", "inventory", "scheduled", start, time.Minute, 1)
			r.job("2", "policy", "scheduled", start.AddDate(0, 0, -1), time.Minute, 1)
			r.launch("S3BucketListed", nil)
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			tc.prepare(r)
			d, err := r.server.directory(t.Context())
			must(t, err)
			got, err := r.server.antiEntropy(t.Context(), d, start)
			must(t, err)
			if got.DriftDetected != tc.drift {
				t.Errorf("drift_detected = %v, want %v: %+v", got.DriftDetected, tc.drift, got)
			}
		})
	}
}

func (r *rig) account() {
	r.t.Helper()
	must(r.t, r.store.PutAccount(r.t.Context(), qrie.Account{ID: prod, Name: "prod"}))
}

// TestNumbersAgree walks the lists of random filters and compares them with
// the totals beside them, the summary and the dashboard.
func TestNumbersAgree(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	r := newWorld(t)
	r.run(r.server)
	documents := []string{openBucket, closedBucket, blindBucket}
	for i := range 60 {
		account := []string{prod, staging, idle}[random.IntN(3)]
		ref := refOf(t, "AWS::S3::Bucket", account, "eu-west-1", fmt.Sprintf("bucket-%02d", i))
		for at := start.Add(-time.Hour); at.Before(start) && random.IntN(4) > 0; at = at.Add(time.Minute) {
			r.observe(ref, at, documents[random.IntN(3)], qrie.Cause{})
		}
	}
	pick := func(values ...string) string {
		var chosen []string
		for _, v := range values {
			if random.IntN(3) == 0 {
				chosen = append(chosen, v)
			}
		}
		return strings.Join(chosen, ",")
	}
	walk := func(filter string) (n int64) {
		for token := ""; ; {
			page := get[FindingList](r, "/api/v1/findings?page_size=7&"+filter+"&next_token="+url.QueryEscape(token))
			n += int64(len(page.Findings))
			if token = page.NextToken; token == "" {
				return n
			}
		}
	}
	for range 60 {
		shared := fmt.Sprintf("state=%s&account=%s&service=%s&severity=%s",
			pick("ACTIVE", "RESOLVED"), pick(prod, staging, idle), pick("s3", "ec2", "iam"), pick("critical", "high", "medium", "low"))
		page := get[FindingList](r, "/api/v1/findings?page_size=1&"+shared)
		n := walk(shared)
		if page.Meta.Total == nil || *page.Meta.Total != n || !page.Meta.TotalExact {
			t.Errorf("seed %d: findings?%s: total %v, walked %d", seed, shared, page.Meta.Total, n)
		}
		summary := get[FindingsSummary](r, "/api/v1/summary/findings?"+shared)
		var sum int64
		for _, p := range summary.Policies {
			sum += p.TotalFindings
			if p.TotalFindings != p.OpenFindings+p.ResolvedFindings {
				t.Errorf("seed %d: %s: %s: %d is not %d + %d", seed, shared, p.Policy, p.TotalFindings, p.OpenFindings, p.ResolvedFindings)
			}
		}
		if sum != n || summary.TotalFindings != n {
			t.Errorf("seed %d: summary?%s: %d in groups, %d in total, walked %d", seed, shared, sum, summary.TotalFindings, n)
		}
	}
	dash := get[DashboardAnswer](r, "/api/v1/summary/dashboard")
	if n := walk("state=ACTIVE"); dash.TotalOpenFindings != n {
		t.Errorf("seed %d: the dashboard has %d open findings, the list %d", seed, dash.TotalOpenFindings, n)
	}
	for _, b := range dash.OpenBySeverity {
		if n := walk("state=ACTIVE&severity=" + string(b.Label)); n != b.Open {
			t.Errorf("seed %d: the dashboard has %d %s findings, the list %d", seed, b.Open, b.Label, n)
		}
	}
	for _, failing := range []string{"", "true", "false"} {
		list := get[ResourceList](r, "/api/v1/resources?page_size=500&failing="+failing)
		if list.Meta.Total == nil || *list.Meta.Total != int64(len(list.Resources)) {
			t.Errorf("seed %d: resources?failing=%s: total %v, listed %d", seed, failing, list.Meta.Total, len(list.Resources))
		}
	}
}

func TestTotalsThatCountersCannotTell(t *testing.T) {
	r := newWorld(t)
	for _, query := range []string{"q=billing", "type=AWS::S3::Bucket", "region=eu-west-1", "opened_since=24h", "resource=r_idnwxauqxj5slmuo"} {
		list := get[FindingList](r, "/api/v1/findings?"+query)
		if list.Meta.Total != nil || list.Meta.TotalExact || len(list.Findings) == 0 {
			t.Errorf("%s: total %v, exact %v, %d findings", query, list.Meta.Total, list.Meta.TotalExact, len(list.Findings))
		}
	}
}

func TestFilters(t *testing.T) {
	r := newWorld(t)
	for _, tc := range []struct {
		query string
		want  int
	}{
		{"", 5}, {"state=active", 3}, {"state=ACTIVE,RESOLVED", 5}, {"severity=critical", 2}, {"severity=high,medium", 3},
		{"severity=high&severity=medium", 3}, {"account=" + prod, 3}, {"account=" + prod + "," + staging, 5}, {"account=" + idle, 0},
		{"service=ec2", 1}, {"service=S3", 4}, {"type=s3", 4}, {"type=aws::s3::bucket", 4}, {"type=AWS::S3::Bucket,ec2", 5},
		{"policy=S3BucketListed", 2}, {"policy=S3BucketReadable", 2}, {"policy=Unheard", 0}, {"q=BILLING", 2}, {"q=admits", 1},
		{"opened_since=1h", 2}, {"opened_since=10d", 3}, {"opened_since=10d&state=RESOLVED", 0}, {"region=us-east-1", 0}, {"state=,ACTIVE,", 3},
	} {
		if got := len(get[FindingList](r, "/api/v1/findings?"+tc.query).Findings); got != tc.want {
			t.Errorf("findings?%s: %d, want %d", tc.query, got, tc.want)
		}
	}
	for _, tc := range []struct {
		query string
		want  int
	}{
		{"", 4}, {"failing=true", 2}, {"failing=false", 2}, {"type=s3", 3}, {"service=ec2", 1}, {"account=" + staging, 2}, {"q=WHO", 1}, {"deleted=true", 4},
	} {
		if got := len(get[ResourceList](r, "/api/v1/resources?"+tc.query).Resources); got != tc.want {
			t.Errorf("resources?%s: %d, want %d", tc.query, got, tc.want)
		}
	}
}

func TestParseAge(t *testing.T) {
	for _, tc := range []struct {
		text string
		want time.Duration // 0: refused
	}{
		{"30m", 30 * time.Minute}, {"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"90s", 90 * time.Second}, {"1h30m", 90 * time.Minute},
		{"0h", 0}, {"-1h", 0}, {"d", 0}, {"1.5d", 0}, {"7d7d", 0}, {"99999d", 0}, {"week", 0}, {"24", 0}, {" 1d", 0},
	} {
		got, err := parseAge(tc.text)
		if got != tc.want || (err == nil) != (tc.want > 0) {
			t.Errorf("parseAge(%q) = %v, %v; want %v", tc.text, got, err, tc.want)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, tc := range []struct{ word, want string }{{"acount", "account"}, {"SEVERTY", "severity"}, {"x", "q"}, {"page", "page_size"}} {
		if got := nearest(tc.word, []string{"account", "page_size", "q", "severity"}); got != tc.want {
			t.Errorf("nearest(%q) = %q, want %q", tc.word, got, tc.want)
		}
	}
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"abc", "abc", 0}} {
		if got := editDistance(tc.a, tc.b); got != tc.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestConsoleURL(t *testing.T) {
	for _, tc := range []struct{ arn, want string }{
		{"", ""}, {"not an arn", ""},
		{"arn:aws:s3:::a", "https://console.aws.amazon.com/go/view?arn=arn%3Aaws%3As3%3A%3A%3Aa"},
		{"arn:aws-cn:s3:::a", "https://console.amazonaws.cn/go/view?arn=arn%3Aaws-cn%3As3%3A%3A%3Aa"},
		{"arn:aws-us-gov:s3:::a", "https://console.amazonaws-us-gov.com/go/view?arn=arn%3Aaws-us-gov%3As3%3A%3A%3Aa"},
	} {
		if got := consoleURL(qrie.Ref{ARN: tc.arn}); got != tc.want {
			t.Errorf("consoleURL(%q) = %q, want %q", tc.arn, got, tc.want)
		}
	}
}
