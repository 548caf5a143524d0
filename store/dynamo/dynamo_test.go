package dynamo

import (
	"context"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"os"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/middleware"
	"go.uber.org/goleak"

	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/store/storetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(scanless{m}, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// server is the address of DynamoDB Local. Tests that need it say loudly that
// they were not run.
func server(t testing.TB) string {
	t.Helper()
	address := os.Getenv("QRIE_TEST_DYNAMODB")
	if address == "" {
		t.Skip("NOT RUN: it needs DynamoDB Local. Run `make test-dynamo`, or: scripts/emulators.sh run dynamodb go test ./store/dynamo")
	}
	return address
}

// options are those of a store at a place, a new prefix for each.
func options(t testing.TB, place string, with ...func(*middleware.Stack) error) Options {
	h := fnv.New64a()
	_, _ = h.Write([]byte(place))
	return Options{
		Endpoint: server(t),
		Prefix:   "t" + hex.EncodeToString(h.Sum(nil)) + "_",
		Config: aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
			APIOptions: append([]func(*middleware.Stack) error{countScans}, with...)},
	}
}

// scanless fails the tests if anything made a Scan request.
type scanless struct{ *testing.M }

func (m scanless) Run() int {
	code := m.M.Run()
	if n := scans.Load(); n > 0 {
		fmt.Printf("FAIL: tables were scanned %d times\n", n)
		return max(code, 1)
	}
	return code
}

// scans counts the Scan requests of all tests.
var scans atomic.Int64

func countScans(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("scans", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		if middleware.GetOperationName(ctx) == "Scan" {
			scans.Add(1)
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	if err := Migrate(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func skew(t *testing.T, s *Store, c store.Counter, by int64) {
	// No row of counters is there before the name of its account is.
	if c.Account != "" {
		if err := s.know(t.Context(), name{accountName, c.Account}); err != nil {
			t.Fatal(err)
		}
	}
	at := cellOf(c, "AWS::S3::Bucket")
	_, err := s.update(t.Context(), countersTable, at.row.pk, at.row.sk, change{update: "ADD #Counter :n",
		values: item{":n": number(by)}, names: map[string]string{"#Counter": at.attribute}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	server(t)
	t.Parallel()
	storetest.Run(t, storetest.Adapter{
		Open: func(t *testing.T, place string) store.Store { return open(t, options(t, place)) },
		Skew: func(t *testing.T, s store.Store, c store.Counter, by int64) { skew(t, s.(*Store), c, by) },
	})
}
