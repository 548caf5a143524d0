//go:build !noaws

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The whole product on an AWS emulator: log in, launch a policy, see the
// finding, mend the bucket, replay its event, see the finding resolved by who
// did it.
func TestRealAccount(t *testing.T) {
	buckets, accounts := openAccount(t)
	at := onDiskSite(t)
	p := launch(t, slices.Concat([]string{"up", "--log-level", "info", "--accounts", accounts, "--listen", "127.0.0.1:0"}, at)...)
	p.login()
	mendedBucketResolvesItsFinding(t, p, at, buckets)
	p.stop()
}

// emulatedAccount is the emulator's own account.
const emulatedAccount = "123456789012"

// openAccount starts the emulator with a bucket, payroll, and writes the file
// of accounts.
func openAccount(t *testing.T) (buckets *s3.Client, accounts string) {
	t.Helper()
	endpoint := emulator(t)
	t.Setenv("AWS_ENDPOINT_URL", endpoint)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAOWN")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	buckets = s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAOWN", "secret", "")})
	if _, err := buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("payroll")}); err != nil {
		t.Fatal(err)
	}
	accounts = filepath.Join(t.TempDir(), "accounts.yaml")
	if err := os.WriteFile(accounts, []byte("accounts:\n  - id: \""+emulatedAccount+"\"\n    name: own\n    regions: [us-east-1]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return buckets, accounts
}

// login uses the link that the process printed.
func (p *process) login() {
	p.t.Helper()
	base, code, ok := strings.Cut(p.base, "/login?code=")
	if !ok {
		p.t.Fatalf("qrie printed no login link but %s", p.base)
	}
	p.base = base
	if status := p.do("GET", "/api/v1/findings", nil, nil); status != 401 {
		p.t.Errorf("without a login: status %d, want 401", status)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.client = &http.Client{Jar: jar}
	if status := p.do("POST", "/api/v1/login", map[string]string{"code": code}, nil); status != 204 {
		p.t.Fatalf("login: status %d", status)
	}
}

// mendedBucketResolvesItsFinding launches a policy, sees the finding of the
// bucket, mends it, replays the event, and sees who resolved the finding.
func mendedBucketResolvesItsFinding(t *testing.T, p *process, at site, buckets *s3.Client) {
	t.Helper()
	const account = emulatedAccount
	if status := p.do("POST", "/api/v1/policies", map[string]string{"policy_id": "S3BucketVersioningDisabled"}, nil); status != 201 {
		t.Fatalf("launch: status %d", status)
	}
	var list struct {
		Findings []findingAnswer `json:"findings"`
	}
	eventually(t, 30*time.Second, "the inventory finds the bucket", func() bool {
		p.do("GET", "/api/v1/findings?state=ACTIVE&account="+account, nil, &list)
		return len(list.Findings) == 1
	})
	finding := list.Findings[0].ID

	_, err := buckets.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: aws.String("payroll"),
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}})
	if err != nil {
		t.Fatal(err)
	}
	trail := filepath.Join(t.TempDir(), "trail.json")
	record := fmt.Sprintf(`{"Records":[{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","userName":"ann","arn":"arn:aws:iam::%[1]s:user/ann","accountId":%[1]q},"eventTime":%[2]q,"eventSource":"s3.amazonaws.com","eventName":"PutBucketVersioning","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.15","requestParameters":{"bucketName":"payroll"},"responseElements":null,"readOnly":false,"eventID":"11111111-2222-3333-4444-555555555555","eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":%[1]q}]}`,
		account, time.Now().UTC().Format(time.RFC3339))
	if err := os.WriteFile(trail, []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	if code := run(t.Context(), slices.Concat([]string{"replay", trail}, at), nil, &out, &errOut); code != 0 {
		t.Fatalf("replay: exit %d, %s", code, errOut.String())
	}
	var detail struct {
		findingAnswer
		ResolvedCause struct {
			Attribution string `json:"attribution"`
			Events      []struct {
				Actor struct {
					Name string `json:"name"`
				} `json:"actor"`
			} `json:"events"`
		} `json:"resolved_cause"`
	}
	eventually(t, 20*time.Second, "the finding is resolved", func() bool {
		p.do("GET", "/api/v1/findings/"+finding, nil, &detail)
		return detail.State == "RESOLVED"
	})
	if c := detail.ResolvedCause; c.Attribution != "exact" || len(c.Events) != 1 || c.Events[0].Actor.Name != "ann" {
		t.Errorf("resolved by %+v, want ann, exactly", c)
	}
}

// emulator starts moto_server, or skips the test where there is none.
func emulator(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("SKIPPED: no moto_server on PATH (pip install 'moto[server]'): the product was not tried on an AWS emulator")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "-H", "127.0.0.1", "-p", port)
	if err := cmd.Start(); err != nil {
		t.Skipf("SKIPPED: moto_server does not start: %v", err)
	}
	t.Cleanup(func() { cancel(); cmd.Wait() })
	endpoint := "http://127.0.0.1:" + port
	deadline := time.Now().Add(30 * time.Second)
	for {
		resp, err := http.Get(endpoint + "/moto-api/")
		if err == nil {
			resp.Body.Close()
			return endpoint
		}
		if time.Now().After(deadline) {
			t.Skipf("SKIPPED: moto_server does not answer: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
