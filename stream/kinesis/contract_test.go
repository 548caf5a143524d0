package kinesis

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/qrie-sec/qrie/stream"
	"github.com/qrie-sec/qrie/stream/streamtest"
)

// The servers, in processes of their own. kinesalite is the first, kinesis-local
// the second: it knows what the first does not, and is slow.
var (
	kinesisAddress  = os.Getenv("QRIE_TEST_KINESIS")
	secondAddress   = os.Getenv("QRIE_TEST_KINESIS_LOCAL")
	dynamodbAddress = os.Getenv("QRIE_TEST_DYNAMODB")
)

// onSecond begins the names of streams on the second server.
const onSecond = "second-"

func endpointOf(stream string) string {
	if strings.HasPrefix(stream, onSecond) {
		return secondAddress
	}
	return kinesisAddress
}

// needServers skips where the servers do not run.
func needServers(t testing.TB) {
	t.Helper()
	if kinesisAddress == "" || dynamodbAddress == "" {
		t.Skip("NOT TESTED: no Kinesis and DynamoDB servers in QRIE_TEST_KINESIS and QRIE_TEST_DYNAMODB; run `make test-kinesis`")
	}
}

// needSecond skips where the second server does not run.
func needSecond(t testing.TB) {
	t.Helper()
	if secondAddress == "" || dynamodbAddress == "" {
		t.Skip("NOT TESTED: no second Kinesis server in QRIE_TEST_KINESIS_LOCAL; run `make test-kinesis`")
	}
}

var harness = streamtest.Harness{
	New: func(t *testing.T) string { return newTestStream(t, 2) },
	Open: func(ctx context.Context, address string) (stream.Stream, error) {
		return Open(ctx, testOptions(address))
	},
	LeaseTime:     testLease,
	DrainTimeout:  testDrain,
	MaxUnfinished: testUnfinished,
	Reshard:       reshard,
}

const (
	testLease      = 3 * time.Second
	testDrain      = 3 * time.Second
	secondDrain    = 15 * time.Second
	testUnfinished = 700
)

func TestMain(m *testing.M) {
	if name := os.Getenv(crewStream); name != "" {
		if err := work(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	streamtest.Main(m, harness)
}

func TestContract(t *testing.T) {
	needServers(t)
	streamtest.Run(t, harness)
}

func TestContractOnSecondServer(t *testing.T) {
	needSecond(t)
	if testing.Short() {
		t.Skip("NOT TESTED: the contract on the second Kinesis server, which is slow; run `make test-kinesis`")
	}
	second := harness
	second.DrainTimeout = secondDrain
	second.New = func(t *testing.T) string { return makeStream(t, onSecond+randomName(), 2) }
	streamtest.Run(t, second)
}

func testConfig() aws.Config {
	return aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

func testOptions(name string) Options {
	drain := testDrain
	if strings.HasPrefix(name, onSecond) {
		drain = secondDrain
	}
	return Options{
		AWS: testConfig(), Stream: name, Endpoint: endpointOf(name), DynamoDBEndpoint: dynamodbAddress, LeaseTable: "qrie_leases_test",
		LeaseTime: testLease, DrainTimeout: drain, MaxUnfinished: testUnfinished,
	}
}

func testClient(stream string) *kinesis.Client {
	return kinesis.NewFromConfig(testConfig(), func(o *kinesis.Options) { o.BaseEndpoint = aws.String(endpointOf(stream)) })
}

func randomName() string { return strings.ToLower(rand.Text()[:10]) }

// newTestStream makes a data stream of any name.
func newTestStream(t testing.TB, shards int32) string {
	t.Helper()
	return makeStream(t, "qrie-"+randomName(), shards)
}

// makeStream makes a data stream that is deleted with t.
func makeStream(t testing.TB, name string, shards int32) string {
	t.Helper()
	client := testClient(name)
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String(name), ShardCount: aws.Int32(shards)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteStream(context.Background(), &kinesis.DeleteStreamInput{StreamName: aws.String(name)}); err != nil {
			t.Error(err)
		}
	})
	awaitActive(t, client, name)
	return name
}

func awaitActive(t testing.TB, client *kinesis.Client, name string) {
	t.Helper()
	for range 500 {
		out, err := client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(name)})
		if err != nil {
			t.Fatal(err)
		}
		if out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("stream %s does not become active", name)
}

// openShards are the shards that take records.
func openShards(t testing.TB, name string) (open []types.Shard) {
	t.Helper()
	shards, err := listShards(t.Context(), testClient(name), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards {
		if s.SequenceNumberRange.EndingSequenceNumber == nil {
			open = append(open, s)
		}
	}
	return open
}

// reshard replaces each open shard: two neighbours by the shard they are
// merged to, and that by the two it is split to.
func reshard(t *testing.T, name string) {
	t.Helper()
	open := openShards(t, name)
	if len(open) == 2 {
		merge(t, name, open[0], open[1])
		return
	}
	for _, s := range open {
		split(t, name, s)
	}
}
