package scanners

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/qrie-sec/qrie"
)

// Of the account that the tests read.
const (
	testAccount    = "111122223333"
	testExternalID = "4c1d-external-id"
	testToken      = "FwoGsession-token"
)

var testTime = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

// newTestScanner returns a scanner of testAccount whose requests all go to
// client, whose clock stands still and which tries twice without waiting.
func newTestScanner(client aws.HTTPClient, change ...func(*Options)) *Scanner {
	o := Options{
		Config: aws.Config{
			Region:      "us-east-1",
			Credentials: credentials.NewStaticCredentialsProvider("AKIAOWN", "own-secret", ""),
			Retryer: func() aws.Retryer {
				return retry.NewStandard(func(o *retry.StandardOptions) {
					o.MaxAttempts = maxAttempts
					o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
				})
			},
		},
		Accounts: func(_ context.Context, id string) (qrie.Account, error) {
			if id != testAccount {
				return qrie.Account{}, qrie.ErrNotFound
			}
			return qrie.Account{ID: id, RoleARN: "arn:aws:iam::" + id + ":role/qrie", ExternalID: testExternalID}, nil
		},
		HTTPClient: client,
		Now:        func() time.Time { return testTime },
		Sleep:      func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	for _, f := range change {
		f(&o)
	}
	return New(o)
}

// wireRequest is an AWS request read back from the wire.
type wireRequest struct {
	service   string // as signed, except that S3 Control is told from S3
	operation string
	params    map[string]string // form or query parameters, and Region, Bucket, Owner
}

func (r wireRequest) String() string {
	keys := make([]string, 0, len(r.params))
	for k, v := range r.params {
		keys = append(keys, k+"="+v)
	}
	slices.Sort(keys)
	return r.service + " " + r.operation + " " + strings.Join(keys, " ")
}

// subresources are S3's operations by the query parameter that names them.
var subresources = map[string]string{
	"location": "GetBucketLocation", "publicAccessBlock": "GetPublicAccessBlock", "policyStatus": "GetBucketPolicyStatus",
	"policy": "GetBucketPolicy", "acl": "GetBucketAcl", "ownershipControls": "GetBucketOwnershipControls",
	"versioning": "GetBucketVersioning", "encryption": "GetBucketEncryption", "logging": "GetBucketLogging", "tagging": "GetBucketTagging",
}

var credentialScope = regexp.MustCompile(`Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request`)

func readWire(req *http.Request) (wireRequest, error) {
	scope := credentialScope.FindStringSubmatch(req.Header.Get("Authorization"))
	if scope == nil {
		return wireRequest{}, fmt.Errorf("request to %s is not signed", req.URL)
	}
	r := wireRequest{service: scope[2], params: map[string]string{"Region": scope[1]}}
	if r.service != "s3" {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return r, err
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return r, err
		}
		for k := range form {
			r.params[k] = form.Get(k)
		}
		r.operation = form.Get("Action")
		return r, nil
	}
	if owner := req.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" {
		r.params["Owner"] = owner
	}
	query := req.URL.Query()
	for k := range query {
		r.params[k] = query.Get(k)
		if operation, ok := subresources[k]; ok {
			r.operation = operation
			r.params["Bucket"], _, _ = strings.Cut(req.URL.Host, ".s3.")
		}
	}
	switch {
	case strings.HasPrefix(req.URL.Path, "/v20180820/configuration/publicAccessBlock"):
		r.service, r.operation = "s3control", "GetPublicAccessBlock"
		r.params["AccountId"] = req.Header.Get("X-Amz-Account-Id")
	case r.operation == "" && req.URL.Path == "/":
		r.operation = "ListBuckets"
	}
	return r, nil
}

// reply is one answer of the replay, given to the requests it fits.
type reply struct {
	name   string // service, operation, and the parameters that must be equal
	status int
	header http.Header
	body   []byte
	used   int
}

func (p *reply) fits(r wireRequest) bool {
	fields := strings.Fields(p.name)
	if len(fields) < 2 || fields[0] != r.service || fields[1] != r.operation {
		return false
	}
	for _, field := range fields[2:] {
		key, value, _ := strings.Cut(field, "=")
		if r.params[key] != value {
			return false
		}
	}
	return true
}

// replay is an HTTP client that answers from recorded replies: the first that
// fits and was not used; if all were, the last of those that name the most
// parameters. It is safe for concurrent use.
type replay struct {
	t       testing.TB
	mu      sync.Mutex
	replies []*reply
	seen    []wireRequest
}

func (p *replay) Do(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	r, err := readWire(req)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, r)
	var found *reply
	for _, candidate := range p.replies {
		if !candidate.fits(r) {
			continue
		}
		if candidate.used == 0 {
			found = candidate
			break
		}
		if found == nil || len(strings.Fields(candidate.name)) >= len(strings.Fields(found.name)) {
			found = candidate
		}
	}
	if found == nil && r.service == "sts" && r.operation == "AssumeRole" {
		found = &reply{status: 200, body: assumeRoleAnswer(testTime.AddDate(100, 0, 0))}
	}
	if found == nil {
		p.t.Errorf("no reply for the request %s", r)
		return nil, fmt.Errorf("no reply for the request %s", r)
	}
	found.used++
	return &http.Response{
		StatusCode: found.status, Status: strconv.Itoa(found.status), Header: found.header.Clone(),
		Body: io.NopCloser(bytes.NewReader(found.body)), ContentLength: int64(len(found.body)), Request: req,
	}, nil
}

// count returns how many requests of an operation were made.
func (p *replay) count(operation string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.seen {
		if r.operation == operation {
			n++
		}
	}
	return n
}

func (p *replay) unused() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, r := range p.replies {
		if r.used == 0 {
			names = append(names, r.name)
		}
	}
	return names
}

func assumeRoleAnswer(expires time.Time) []byte {
	return fmt.Appendf(nil, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>ASIATEST</AccessKeyId><SecretAccessKey>assumed-secret</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials>
<AssumedRoleUser><AssumedRoleId>AROATEST:qrie</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/qrie/qrie</Arn></AssumedRoleUser>
</AssumeRoleResult></AssumeRoleResponse>`, testToken, expires.UTC().Format(time.RFC3339))
}

// archive is a test case in one file: a comment, then sections that begin with
// "-- name --".
type archive struct {
	comment  string
	sections []section
}

type section struct{ name, data string }

func readArchive(t *testing.T, file string) archive {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var a archive
	for line := range strings.Lines(string(data)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if ok {
			if name, ok = strings.CutSuffix(name, " --"); ok {
				a.sections = append(a.sections, section{name: name})
				continue
			}
		}
		if len(a.sections) == 0 {
			a.comment += line
		} else {
			a.sections[len(a.sections)-1].data += line
		}
	}
	return a
}

func (a archive) section(name string) (string, bool) {
	for _, s := range a.sections {
		if s.name == name {
			return s.data, true
		}
	}
	return "", false
}

func (a archive) write(t *testing.T, file string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(a.comment)
	for _, s := range a.sections {
		fmt.Fprintf(&b, "-- %s --\n%s", s.name, s.data)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replies reads the sections whose names begin with a service: a status, then
// headers, an empty line and the body.
func (a archive) replies(t *testing.T) []*reply {
	t.Helper()
	var all []*reply
	for _, s := range a.sections {
		service, _, _ := strings.Cut(s.name, " ")
		if !slices.Contains([]string{"s3", "s3control", "iam", "ec2", "rds", "sts"}, service) {
			continue
		}
		r := bufio.NewReader(strings.NewReader(s.data))
		first, _ := r.ReadString('\n')
		status, err := strconv.Atoi(strings.TrimSpace(first))
		if err != nil {
			t.Fatalf("section %q does not begin with a status", s.name)
		}
		header, err := textproto.NewReader(r).ReadMIMEHeader()
		if err != nil && err != io.EOF {
			t.Fatalf("section %q: %v", s.name, err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &reply{name: s.name, status: status, header: http.Header(header), body: body})
	}
	return all
}
