package kinesis

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

func testDynamo() *dynamodb.Client {
	return dynamodb.NewFromConfig(testConfig(), func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(dynamodbAddress) })
}

// testTable is a lease table for a stream of its own.
func testTable(t *testing.T) *dynamoTable {
	t.Helper()
	db := testDynamo()
	if err := createTable(t.Context(), db, "qrie_leases_test"); err != nil {
		t.Fatal(err)
	}
	return &dynamoTable{db: db, table: "qrie_leases_test", stream: rand.Text()}
}

func TestCreateTable(t *testing.T) {
	needServers(t)
	name := "leases_" + rand.Text()[:8]
	for range 2 { // the second time it exists
		if err := createTable(t.Context(), testDynamo(), name); err != nil {
			t.Fatal(err)
		}
	}
	out, err := testDynamo().DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	if out.Table.BillingModeSummary == nil || out.Table.BillingModeSummary.BillingMode != types.BillingModePayPerRequest {
		t.Errorf("billing %+v, want on demand", out.Table.BillingModeSummary)
	}
}

var noon = time.UnixMilli(1_773_489_600_000) // 14 March 2026, 12:00 UTC

// Workers come, go and die, and ended leases are removed; everything else
// stays. Both tables do the same.
func TestWorkersAndEndedLeases(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) leaseTable{
		"memory":   func(*testing.T) leaseTable { return newMemTable() },
		"dynamodb": func(t *testing.T) leaseTable { needServers(t); return testTable(t) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, table := t.Context(), open(t)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, w := range []string{"a", "b", "b", "c"} {
				must(table.beat(ctx, w))
			}
			must(table.leave(ctx, "a"))
			must(table.leave(ctx, "a"))
			must(table.bury(ctx, "b", 1)) // it lives: it has beaten since
			must(table.bury(ctx, "c", 1))
			for _, shard := range []string{"open", "ended"} {
				won, err := table.claim(ctx, row{shard: shard}, "b")
				must(err)
				must(table.renew(ctx, won, row{checkpoint: "7", caughtUp: noon, ended: shard == "ended"}))
			}
			rows, workers, err := table.read(ctx)
			must(err)
			if diff := cmp.Diff(map[string]int64{"b": 2}, workers); diff != "" || len(rows) != 2 {
				t.Errorf("%d leases, workers (-want +got):\n%s", len(rows), diff)
			}
			must(table.remove(ctx, "open"))
			must(table.remove(ctx, "ended"))
			rows, _, err = table.read(ctx)
			must(err)
			if diff := cmp.Diff([]row{{shard: "open", epoch: 1, counter: 2, checkpoint: "7", caughtUp: noon}}, rows, cmp.AllowUnexported(row{})); diff != "" {
				t.Errorf("leases (-want +got):\n%s", diff)
			}
		})
	}
}
