package local

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// largeVariable asks for pages at 1,000,000 findings too: some minutes and 2 GB
// of disk.
const largeVariable = "QRIE_BENCH_LARGE"

const (
	benchAccounts = 100
	perResource   = 5
)

var benchTypes = []string{"AWS::S3::Bucket", "AWS::IAM::User", "AWS::EC2::SecurityGroup", "AWS::RDS::DBInstance"}

func benchPolicy(kind int) (policy, resourceType string) {
	resourceType = benchTypes[kind%len(benchTypes)]
	return fmt.Sprintf("%sPolicy%d", qrie.ServiceOf(resourceType), kind), resourceType
}

// fill writes findings and their resources past Apply: no history, no
// counters, a thousand findings in each transaction, and the indexes of lists
// at the end, which sorts them.
func fill(b *testing.B, s *Store, findings int) {
	b.Helper()
	ctx := context.Background()
	r := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range benchAccounts {
		for _, sort := range []name{{accountName, benchAccount(i)}, {regionName, "eu-west-1"}, {regionName, "us-east-1"}} {
			must(b, s.names.know(ctx, s.db, sort))
		}
	}
	for k := range len(benchTypes) * perResource {
		policy, resourceType := benchPolicy(k)
		must(b, s.names.know(ctx, s.db, kindOf(policy, resourceType), name{serviceName, qrie.ServiceOf(resourceType)}, name{typeName, resourceType}))
	}
	rows, err := s.db.Query(ctx, "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'qrie_findings' AND sql IS NOT NULL")
	indexes, err := collect(rows, err, func(r *sql.Rows) (v [2]string, err error) { return v, r.Scan(&v[0], &v[1]) })
	must(b, err)
	for _, index := range indexes {
		must(b, s.db.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec("DROP INDEX " + index[0])
			return err
		}))
	}
	const chunk = 200
	for at := 0; at < findings/perResource; at += chunk {
		must(b, s.db.Write(ctx, func(tx *sqlite.Tx) error {
			for n := at; n < at+chunk; n++ {
				if err := fillOne(tx, s, r, start, n); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for _, index := range indexes {
		must(b, s.db.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec(index[1])
			return err
		}))
	}
}

func benchAccount(i int) string { return fmt.Sprintf("1111222%05d", i) }

func fillOne(tx *sqlite.Tx, s *Store, r *rand.Rand, start time.Time, n int) error {
	resourceType := benchTypes[n%len(benchTypes)]
	ref := qrie.Ref{Account: benchAccount(r.IntN(benchAccounts)), Region: []string{"eu-west-1", "us-east-1"}[n/2%2], Type: resourceType,
		ID: fmt.Sprintf("resource-%d", n), ARN: fmt.Sprintf("arn:aws:service:eu-west-1:account:thing/resource-%d", n)}
	rid, _ := pack(resourcePrefix, ref.ResourceID())
	heads := map[string]store.Head{}
	for i := range perResource {
		policy, _ := benchPolicy(n%len(benchTypes) + i*len(benchTypes))
		at := start.Add(time.Duration(r.Int64N(int64(30 * 24 * time.Hour))))
		f := qrie.Finding{ID: ref.FindingID(policy), Ref: ref, Policy: policy, Name: ref.ID, Severity: qrie.Severity(r.IntN(101)), State: qrie.Active,
			Summary: "anyone on the internet can read the objects of this bucket", FirstSeen: at, OpenedAt: at, ChangedAt: at, Cause: benchCause(n, at), Generation: 3, Version: 1}
		if r.IntN(5) == 0 {
			f.State, f.Resolution, f.ResolvedAt = qrie.Resolved, qrie.ResolvedFixed, at
		}
		heads[policy] = store.Head{Outcome: qrie.Fail, Severity: f.Severity, Open: f.State == qrie.Active, Hash: "0123456789abcdef", Generation: 3}
		fid, _ := pack(findingPrefix, f.ID)
		if err := s.writeFinding(tx, f, 0, fid, rid, qrie.Transition{Kind: qrie.Opened}); err != nil {
			return err
		}
	}
	encoded, err := encode("heads", heads)
	if err != nil {
		return err
	}
	d, err := encode("detail", detail{ARN: ref.ARN, Name: ref.ID, Tags: map[string]string{"team": "blue"}, Cause: benchCause(n, start)})
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO qrie_resources (rid, version, observed_at, listed_at, generation, changed_at, first_seen, due_at,
		deleted, open, history, document, type, account, region, id, global, hash, heads, haystack, detail)
		VALUES (?, 1, ?, 1, 3, 1, 1, ?, 0, ?, 0, 0, ?, ?, ?, ?, 0, '0123456789abcdef01234567', ?, ?, ?)`,
		rid, nanos(start), int64(n%10/9), int64(n%3/2), ref.Type, ref.Account, ref.Region, ref.ID, encoded, store.Haystack(ref.ID, ref.ID, ref.ARN), d)
	return err
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkPage reads pages of 50 through each index at 100,000 findings, and
// if QRIE_BENCH_LARGE is set at 1,000,000. Each turn begins with another account, policy or
// resource and pages on up to ten times.
func BenchmarkPage(b *testing.B) {
	sizes := []int{100_000}
	if os.Getenv(largeVariable) != "" {
		sizes = append(sizes, 1_000_000)
	}
	active := []qrie.State{qrie.Active}
	lists := []struct {
		name  string
		query func(i int) store.FindingQuery
	}{
		{"all", func(int) store.FindingQuery { return store.FindingQuery{States: active} }},
		{"both-states", func(int) store.FindingQuery { return store.FindingQuery{} }},
		{"policy", func(i int) store.FindingQuery {
			p, _ := benchPolicy(i % 20)
			return store.FindingQuery{States: active, Policies: []string{p}}
		}},
		{"service", func(i int) store.FindingQuery {
			return store.FindingQuery{States: active, Services: []string{qrie.ServiceOf(benchTypes[i%4])}}
		}},
		{"account", func(i int) store.FindingQuery {
			return store.FindingQuery{States: active, Accounts: []string{benchAccount(i % benchAccounts)}}
		}},
		{"account-service", func(i int) store.FindingQuery {
			return store.FindingQuery{States: active, Accounts: []string{benchAccount(i % benchAccounts)}, Services: []string{"s3"}}
		}},
		{"5-accounts-2-bands", func(i int) store.FindingQuery {
			q := store.FindingQuery{States: active, Bands: []qrie.Band{qrie.High, qrie.Low}}
			for k := range 5 {
				q.Accounts = append(q.Accounts, benchAccount((i*5+k)%benchAccounts))
			}
			return q
		}},
		{"resource", func(i int) store.FindingQuery {
			ref := qrie.Ref{Account: benchAccount(i % benchAccounts), Region: "eu-west-1", Type: benchTypes[0], ID: fmt.Sprintf("resource-%d", i*4)}
			return store.FindingQuery{Resource: ref.ResourceID()}
		}},
		{"region", func(int) store.FindingQuery {
			return store.FindingQuery{States: active, Regions: []string{"us-east-1"}}
		}},
	}
	for _, size := range sizes {
		s := open(b, b.TempDir())
		start := time.Now()
		fill(b, s.Store, size)
		b.Logf("%d findings in %s", size, time.Since(start).Round(time.Second))
		for _, l := range lists {
			b.Run(fmt.Sprintf("%d/findings/%s", size, l.name), func(b *testing.B) {
				measure(b, func(i int, token string) (string, error) {
					page, err := s.ListFindings(b.Context(), l.query(i), store.PageRequest{Token: token})
					return page.Next, err
				})
			})
		}
		failing := true
		for name, q := range map[string]func(i int) store.ResourceQuery{
			"type": func(i int) store.ResourceQuery { return store.ResourceQuery{Types: []string{benchTypes[i%4]}} },
			"account": func(i int) store.ResourceQuery {
				return store.ResourceQuery{Accounts: []string{benchAccount(i % benchAccounts)}}
			},
			"failing": func(i int) store.ResourceQuery { return store.ResourceQuery{Failing: &failing} },
		} {
			b.Run(fmt.Sprintf("%d/resources/%s", size, name), func(b *testing.B) {
				measure(b, func(i int, token string) (string, error) {
					page, err := s.ListResources(b.Context(), q(i), store.PageRequest{Token: token})
					return page.Next, err
				})
			})
		}
		must(b, s.Close())
	}
}

// measure reports the quantiles of single pages.
func measure(b *testing.B, page func(i int, token string) (string, error)) {
	took := make([]time.Duration, 0, b.N)
	token, turn := "", 0
	b.ReportAllocs()
	before := cpuTime()
	for i := range b.N {
		if i%10 == 0 || token == "" {
			token = ""
			turn++
		}
		start := time.Now()
		next, err := page(turn, token)
		took = append(took, time.Since(start))
		must(b, err)
		token = next
	}
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-us/op")
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
}
