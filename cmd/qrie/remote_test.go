//go:build !noaws

package main

import (
	"context"
	"crypto/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// remoteSites are the pairs of adapters of which at least one is AWS's, on
// servers of the tests.
var remoteSites = map[string]func(*testing.T) site{
	"kinesis":            func(t *testing.T) site { return append(onDiskSite(t), kinesisFlags(t)...) },
	"dynamo":             func(t *testing.T) site { return append(onDiskSite(t), dynamoFlags(t)...) },
	"kinesis and dynamo": func(t *testing.T) site { return slices.Concat(onDiskSite(t), kinesisFlags(t), dynamoFlags(t)) },
}

// server is the address of a server, or skips the test where it does not run.
func server(t *testing.T, variable string) string {
	t.Helper()
	address := os.Getenv(variable)
	if address == "" {
		t.Skipf("NOT TESTED: no server in %s; run `make test-go`", variable)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return address
}

// kinesisFlags make a stream that is deleted with t, and leases of its own.
func kinesisFlags(t *testing.T) site {
	t.Helper()
	endpoint, leases := server(t, "QRIE_TEST_KINESIS"), server(t, "QRIE_TEST_DYNAMODB")
	name := "qrie-" + strings.ToLower(rand.Text()[:10])
	client := kinesis.New(kinesis.Options{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(4)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteStream(context.Background(), &kinesis.DeleteStreamInput{StreamName: &name}); err != nil {
			t.Error(err)
		}
	})
	eventually(t, 10*time.Second, "the stream is active", func() bool {
		out, err := client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &name})
		return err == nil && out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
	return site{"--stream", "kinesis", "--stream-name", name, "--endpoint", endpoint, "--dynamodb-endpoint", leases, "--lease-table", "qrie_leases_cmd_test"}
}

// dynamoFlags make the tables of a store with a prefix of its own, as a person
// does. The server is in memory and ends with the tests.
func dynamoFlags(t *testing.T) site {
	t.Helper()
	at := site{"--table-prefix", "cmd_" + strings.ToLower(rand.Text()[:10]) + "_", "--dynamodb-endpoint", server(t, "QRIE_TEST_DYNAMODB")}
	for _, made := range []string{"created", "stood"} {
		code, out, errOut := call(t, "", slices.Concat([]string{"migrate"}, at)...)
		if code != 0 || !strings.Contains(out, made+"    ") {
			t.Fatalf("migrate: exit %d\n%s%s", code, out, errOut)
		}
	}
	return append(at, "--store", "dynamo")
}
