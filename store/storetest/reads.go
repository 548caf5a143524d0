package storetest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// LargeVariable asks for reads at 1,000,000 findings too, which take minutes to
// load and gigabytes to keep.
const LargeVariable = "QRIE_BENCH_LARGE"

// BenchmarkReads reads pages of 50 through each index, counters, and what the
// dashboard asks for, at 100,000 findings and, if LargeVariable is set, at
// 1,000,000. open returns a store that was filled with that many by Populate.
// Each turn begins with another account, policy or resource and pages on up to
// ten times. The sizes take turns, so that their ratio is that of the store and
// not of what else the machine does.
func BenchmarkReads(b *testing.B, open func(b *testing.B, findings int) store.Store) {
	sizes := []int{100_000}
	if os.Getenv(LargeVariable) != "" {
		sizes = append(sizes, 1_000_000)
	}
	var all [][]read
	for _, size := range sizes {
		start := time.Now()
		s := open(b, size)
		b.Cleanup(func() {
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
		b.Logf("%d findings in %s", size, time.Since(start).Round(time.Second))
		all = append(all, reads(s))
	}
	for i, r := range all[0] {
		b.Run(r.name, func(b *testing.B) {
			var at []*turns // by size
			for n := range sizes {
				at = append(at, &turns{page: all[n][i].page})
			}
			for b.Loop() {
				for _, t := range at {
					t.next(b)
				}
			}
			for n, size := range sizes {
				b.ReportMetric(at[n].quantile(50), fmt.Sprintf("p50-ms-at-%d", size))
				b.ReportMetric(at[n].quantile(99), fmt.Sprintf("p99-ms-at-%d", size))
			}
			if len(sizes) > 1 {
				b.ReportMetric(at[1].quantile(50)/at[0].quantile(50), "times")
			}
		})
	}
}

// read is one request: a page of the i-th list, or all of what has no pages.
type read struct {
	name string
	page func(ctx context.Context, i int, token string) (next string, err error)
}

func reads(s store.Store) (out []read) {
	for _, l := range findingLists {
		out = append(out, read{"findings/" + l.name, func(ctx context.Context, i int, token string) (string, error) {
			page, err := s.ListFindings(ctx, l.query(i), store.PageRequest{Token: token})
			return page.Next, err
		}})
	}
	for _, l := range resourceLists {
		out = append(out, read{"resources/" + l.name, func(ctx context.Context, i int, token string) (string, error) {
			page, err := s.ListResources(ctx, l.query(i), store.PageRequest{Token: token})
			return page.Next, err
		}})
	}
	return append(out,
		read{"counts/account", func(ctx context.Context, i int, _ string) (string, error) {
			_, err := s.CountFindings(ctx, populationAccount(i))
			return "", err
		}},
		read{"counts/totals", func(ctx context.Context, _ int, _ string) (string, error) {
			_, err := s.CountFindings(ctx, "")
			return "", err
		}},
		read{"counts/each-account", func(ctx context.Context, _ int, _ string) (string, error) {
			_, err := s.CountFindings(ctx, store.EachAccount)
			return "", err
		}},
		read{"dashboard", func(ctx context.Context, _ int, _ string) (string, error) { return "", dashboard(ctx, s) }})
}

// dashboard reads what the summary is computed from.
func dashboard(ctx context.Context, s store.Store) error {
	if _, err := s.ListAccounts(ctx); err != nil {
		return err
	}
	if _, err := s.LaunchSet(ctx); err != nil {
		return err
	}
	for _, account := range []string{"", store.EachAccount} {
		if _, err := s.CountFindings(ctx, account); err != nil {
			return err
		}
	}
	if _, err := s.CountVerdicts(ctx, ""); err != nil {
		return err
	}
	if _, err := s.CountResources(ctx, store.EachAccount); err != nil {
		return err
	}
	_, err := s.CountDays(ctx, "2026-01-01")
	return err
}

var active = []qrie.State{qrie.Active}

var findingLists = []struct {
	name  string
	query func(i int) store.FindingQuery
}{
	{"all", func(int) store.FindingQuery { return store.FindingQuery{States: active} }},
	{"both-states", func(int) store.FindingQuery { return store.FindingQuery{} }},
	{"policy", func(i int) store.FindingQuery {
		p, _ := populationPolicy(i % 20)
		return store.FindingQuery{States: active, Policies: []string{p}}
	}},
	{"service", func(i int) store.FindingQuery {
		return store.FindingQuery{States: active, Services: []string{qrie.ServiceOf(populationTypes[i%4])}}
	}},
	{"account", func(i int) store.FindingQuery {
		return store.FindingQuery{States: active, Accounts: []string{populationAccount(i)}}
	}},
	{"account-service", func(i int) store.FindingQuery {
		return store.FindingQuery{States: active, Accounts: []string{populationAccount(i)}, Services: []string{"s3"}}
	}},
	{"5-accounts-2-bands", func(i int) store.FindingQuery {
		q := store.FindingQuery{States: active, Bands: []qrie.Band{qrie.High, qrie.Low}}
		for k := range 5 {
			q.Accounts = append(q.Accounts, populationAccount(i*5+k))
		}
		return q
	}},
	{"resource", func(i int) store.FindingQuery {
		return store.FindingQuery{Resource: populationRef(i).ResourceID()}
	}},
	{"region", func(int) store.FindingQuery {
		return store.FindingQuery{States: active, Regions: []string{"us-east-1"}}
	}},
}

var resourceLists = []struct {
	name  string
	query func(i int) store.ResourceQuery
}{
	{"type", func(i int) store.ResourceQuery { return store.ResourceQuery{Types: []string{populationTypes[i%4]}} }},
	{"account", func(i int) store.ResourceQuery {
		return store.ResourceQuery{Accounts: []string{populationAccount(i)}}
	}},
	{"failing", func(int) store.ResourceQuery { return store.ResourceQuery{Failing: &yes} }},
}

// turns are single reads of one sort, timed.
type turns struct {
	page  func(ctx context.Context, i int, token string) (string, error)
	token string
	turn  int
	took  []time.Duration
}

func (t *turns) next(b *testing.B) {
	if len(t.took)%10 == 0 || t.token == "" {
		t.token = ""
		t.turn++
	}
	start := time.Now()
	token, err := t.page(b.Context(), t.turn, t.token)
	t.took = append(t.took, time.Since(start))
	if err != nil {
		b.Fatal(err)
	}
	t.token = token
}

// quantile is in milliseconds.
func (t *turns) quantile(percent int) float64 {
	slices.Sort(t.took)
	return t.took[len(t.took)*percent/100].Seconds() * 1000
}
