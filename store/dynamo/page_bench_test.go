package dynamo

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// BenchmarkPage reads pages of 50 by each index. QRIE_BENCH_FINDINGS says how
// many findings there are; the cost of a page must not grow with them.
func BenchmarkPage(b *testing.B) {
	count := 5000
	if text := os.Getenv("QRIE_BENCH_FINDINGS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	s := open(b, options(b, b.TempDir()))
	account := func(i int) string { return fmt.Sprintf("%012d", 100000000000+i%40) }
	for i := range 40 {
		if err := s.know(b.Context(), name{accountName, account(i)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.know(b.Context(), kindOf(public, "AWS::S3::Bucket"), kindOf(unsafely, "AWS::S3::Bucket")); err != nil {
		b.Fatal(err)
	}
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(4)
	const chunk = 500
	for from := 0; from < count; from += chunk {
		group.Go(func() error {
			var rows []item
			for i := from; i < min(from+chunk, count); i++ {
				ref := bucket(fmt.Sprintf("bucket-%07d", i))
				ref.Account = account(i)
				f := qrie.Finding{Ref: ref, Policy: []string{public, unsafely}[i%2], Name: ref.ID, Severity: qrie.Severity(i * 7 % 101), State: qrie.Active,
					Summary: "Everyone may read " + ref.ID, FirstSeen: start, OpenedAt: start, ChangedAt: start.Add(time.Duration(i) * time.Second)}
				f.ID = ref.FindingID(f.Policy)
				row, err := s.findingRow(f, 1, 1)
				if err != nil {
					return err
				}
				rows = append(rows, row)
			}
			return s.writeAll(ctx, findingsTable, rows, nil)
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	for what, q := range map[string]store.FindingQuery{
		"everything": {States: []qrie.State{qrie.Active}},
		"policy":     {States: []qrie.State{qrie.Active}, Policies: []string{public}},
		"account":    {States: []qrie.State{qrie.Active}, Accounts: []string{account(7)}},
		"band":       {Bands: []qrie.Band{qrie.High}},
	} {
		b.Run(what, func(b *testing.B) {
			before, token := readUnits(b, s), ""
			for range b.N {
				page, err := s.ListFindings(b.Context(), q, store.PageRequest{Token: token})
				if err != nil || len(page.Items) == 0 && page.Next != "" {
					b.Fatalf("%d findings, %v", len(page.Items), err)
				}
				token = page.Next
			}
			b.ReportMetric((readUnits(b, s)-before)/float64(b.N), "read-units/page")
		})
	}
}
