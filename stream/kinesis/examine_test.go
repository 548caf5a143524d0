package kinesis

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// found is the check of a name.
func found(t *testing.T, checks []Check, name string) Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Errorf("no check of %s in %+v", name, checks)
	return Check{}
}

func (c Check) must(t *testing.T, level, found, remedy string) {
	t.Helper()
	if c.Level != level || !strings.Contains(c.Found, found) || !strings.Contains(c.Remedy, remedy) || (remedy == "") != (c.Remedy == "") {
		t.Errorf("%s is %s: %q, remedy %q; want %s, %q, %q", c.Name, c.Level, c.Found, c.Remedy, level, found, remedy)
	}
}

func TestExamine(t *testing.T) {
	needServers(t)
	opts := testOptions(newTestStream(t, 2))
	name, client := opts.Stream, testClient(opts.Stream)

	checks := Examine(t.Context(), opts)
	found(t, checks, "stream "+name).must(t, levelOK, "2 open shards", "")
	found(t, checks, "clock").must(t, levelOK, "off by", "")
	found(t, checks, "permission to read").must(t, levelOK, "", "")
	found(t, checks, "retention").must(t, levelWarn, "24 hours", "--retention-period-hours 168")
	found(t, checks, "encryption of the stream").must(t, levelWarn, "not encrypted", "start-stream-encryption")

	if _, err := client.IncreaseStreamRetentionPeriod(t.Context(), &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: &name, RetentionPeriodHours: aws.Int32(168)}); err != nil {
		t.Fatal(err)
	}
	opts.LeaseTable = "leases_" + rand.Text()[:8]
	checks = Examine(t.Context(), opts)
	found(t, checks, "retention").must(t, levelOK, "168 hours", "")
	found(t, checks, "lease table "+opts.LeaseTable).must(t, levelWarn, "there is none yet", "start a worker")
	openTest(t, opts)
	checks = Examine(t.Context(), opts)
	found(t, checks, "lease table "+opts.LeaseTable).must(t, levelOK, "ACTIVE", "")
	found(t, checks, "permission to keep leases").must(t, levelOK, "", "")
	rows, workers, err := (&dynamoTable{db: testDynamo(), table: opts.LeaseTable, stream: name}).read(t.Context())
	if err != nil || len(rows)+len(workers) != 0 {
		t.Errorf("the examination has written %v %v, %v", rows, workers, err)
	}

	opts.Stream = "qrie-nowhere"
	found(t, Examine(t.Context(), opts), "stream qrie-nowhere").must(t, levelFail, "there is none", "aws kinesis create-stream")
	opts.Endpoint = "http://127.0.0.1:1"
	found(t, Examine(t.Context(), opts), "stream qrie-nowhere").must(t, levelFail, "connection refused", "can be reached")
}

// A lease table of somebody else's, or one that is not set up well.
func TestExamineForeignTable(t *testing.T) {
	needServers(t)
	opts, db := testOptions(newTestStream(t, 1)), testDynamo()
	make := func(key string) {
		t.Helper()
		in := &dynamodb.CreateTableInput{TableName: &opts.LeaseTable,
			AttributeDefinitions:  []dynamotypes.AttributeDefinition{{AttributeName: &key, AttributeType: "S"}, {AttributeName: aws.String(keyItem), AttributeType: "S"}},
			KeySchema:             []dynamotypes.KeySchemaElement{{AttributeName: &key, KeyType: "HASH"}, {AttributeName: aws.String(keyItem), KeyType: "RANGE"}},
			ProvisionedThroughput: &dynamotypes.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)},
		}
		if _, err := db.CreateTable(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	opts.LeaseTable = "foreign_" + rand.Text()[:8]
	make("ShardID")
	found(t, Examine(t.Context(), opts), "lease table "+opts.LeaseTable).must(t, levelFail, "another program's", "--lease-table")
	opts.LeaseTable = "provisioned_" + rand.Text()[:8]
	make(keyStream)
	checks := Examine(t.Context(), opts)
	found(t, checks, "capacity of the lease table").must(t, levelWarn, "provisioned", "PAY_PER_REQUEST")
	found(t, checks, "protection of the lease table").must(t, levelWarn, "deleted by mistake", "--deletion-protection-enabled")
}

// Whatever call is refused, the check names the action that lacks.
func TestExamineNamesTheActionThatLacks(t *testing.T) {
	needServers(t)
	name := newTestStream(t, 1)
	openTest(t, testOptions(name)) // makes the lease table
	for action, check := range map[string]string{
		"kinesis:DescribeStreamSummary": "stream " + name,
		"kinesis:ListShards":            "permission to read",
		"kinesis:GetShardIterator":      "permission to read",
		"kinesis:GetRecords":            "permission to read",
		"dynamodb:DescribeTable":        "lease table qrie_leases_test",
		"dynamodb:Query":                "permission to keep leases",
		"dynamodb:UpdateItem":           "permission to keep leases",
		"dynamodb:DeleteItem":           "permission to keep leases",
	} {
		opts := testOptions(name)
		opts.AWS.APIOptions = append(opts.AWS.APIOptions, failing(action, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized", Fault: smithy.FaultClient}))
		found(t, Examine(t.Context(), opts), check).must(t, levelFail, action, "allow "+action)
	}
	for code, remedy := range map[string]string{"KMSAccessDeniedException": "kms:Decrypt", "ExpiredTokenException": "renew the AWS credentials"} {
		opts := testOptions(name)
		opts.AWS.APIOptions = append(opts.AWS.APIOptions, failing("kinesis:GetRecords", &smithy.GenericAPIError{Code: code, Fault: smithy.FaultClient}))
		found(t, Examine(t.Context(), opts), "permission to read").must(t, levelFail, code, remedy)
	}
}

// failing makes one call fail, by the name of its IAM action.
func failing(action string, err error) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("refuse "+action,
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				service := strings.ToLower(awsmiddleware.GetServiceID(ctx))
				if service+":"+awsmiddleware.GetOperationName(ctx) == action {
					return middleware.InitializeOutput{}, middleware.Metadata{}, err
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.After)
	}
}

func TestClock(t *testing.T) {
	for off, want := range map[time.Duration]string{0: levelOK, goodSkew - 1: levelOK, goodSkew: levelWarn, worstSkew - 1: levelWarn, worstSkew: levelFail, time.Hour: levelFail} {
		if c := clock(off); c.Level != want || (want == levelOK) != (c.Remedy == "") {
			t.Errorf("off by %v: %+v, want %s", off, c, want)
		}
	}
}
