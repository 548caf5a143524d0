package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// call runs one command.
func call(t *testing.T, stdin string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

// A mistake gets a message that says what, where and how to mend it, on
// standard error and nowhere else.
func TestMistakesAreExplained(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign")
	if err := os.MkdirAll(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "qrie.db"), []byte("this is no database at all, only text"), 0o600); err != nil {
		t.Fatal(err)
	}
	accounts := filepath.Join(dir, "accounts.yaml")
	if err := os.WriteFile(accounts, []byte("accounts:\n  - id: 12345\n    regions: [us-east-1]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(code int, want string, args ...string) {
		t.Helper()
		got, out, errOut := call(t, "", args...)
		if got != code || !strings.Contains(errOut, want) || out != "" {
			t.Errorf("qrie %s: exit %d, stdout %q, stderr %q; want exit %d and %q", strings.Join(args, " "), got, out, errOut, code, want)
		}
	}
	f(2, "did you mean --demo?", "up", "--demoo")
	f(2, "Try 'qrie up --help'.", "up", "--demoo")
	f(2, `unknown command "upp"`, "upp")
	f(2, "leave --accounts out", "up", "--demo", "--accounts", "x.yaml")
	f(2, "loopback address only", "up", "--demo", "--listen", "0.0.0.0:8080")
	f(2, "give HOST:PORT", "up", "--listen", "8080")
	f(2, "give debug, info, warn or error", "up", "--log-level", "loud")
	f(1, "is not a qrie database", "token", "list", "--data", foreign)
	f(1, "start 'qrie up' once", "replay", "--data", filepath.Join(dir, "nothing"), "x")
	f(2, "one or more files", "replay")
	f(5, "did you mean S3BucketPublic?", "policy", "show", "S3BucketPublik")
	f(2, "give table, json or name", "policy", "list", "-o", "xml")
	f(2, "has no command", "policy", "frobnicate")
	f(1, "no such file", "events", "decode", filepath.Join(dir, "none.json"))
	f(2, "none of viewer, policy-author, admin", "token", "create", "x", "--role", "king", "--data", dir)
	f(2, "up to a year", "token", "create", "x", "--life", "90000h", "--data", dir)
	f(2, "--stream-name", "processor", "--stream", "kinesis")
	f(2, "add --stream kinesis", "processor", "--stream-name", "events")
	f(2, "give local or dynamo", "query", "--store", "mysql")
	f(2, "give local or kinesis", "doctor", "--stream", "kafka")
	f(2, "give text or ndjson", "stream", "tail", "-o", "yaml")
	f(2, "a time span that has passed", "stream", "tail", "--since", "-5m")
	f(1, "is not twelve digits", "up", "--accounts", accounts, "--data", filepath.Join(dir, "d"), "--listen", "127.0.0.1:0")
}

func TestEnvironmentStandsInForFlags(t *testing.T) {
	t.Setenv("QRIE_OUTPUT", "name")
	code, out, _ := call(t, "", "policy", "list")
	if code != 0 || !strings.HasPrefix(out, "EC2SecurityGroupOpenToWorld\n") {
		t.Errorf("exit %d, %q", code, out)
	}
	if code, out, _ = call(t, "", "policy", "list", "-o", "json"); code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("a flag does not win over the environment: exit %d, %q", code, out)
	}
	t.Setenv("QRIE_DEMO_ACCOUNTS", "many")
	if code, _, errOut := call(t, "", "up", "--demo"); code != 2 || !strings.Contains(errOut, "QRIE_DEMO_ACCOUNTS") {
		t.Errorf("exit %d, %q", code, errOut)
	}
}

func TestPrintConfigTellsOrigins(t *testing.T) {
	t.Setenv("QRIE_LOG_LEVEL", "debug")
	code, out, _ := call(t, "", "up", "--print-config", "--listen", "127.0.0.1:1")
	for _, want := range []string{"127.0.0.1:1", "QRIE_LOG_LEVEL", "default", "flag"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q in\n%s", code, want, out)
		}
	}
}

func TestEventsDecode(t *testing.T) {
	records := `{"Records":[
	{"eventVersion":"1.11","userIdentity":{"type":"Root","accountId":"111111111111"},"eventTime":"2026-11-01T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"DeleteBucketPublicAccessBlock","awsRegion":"eu-west-1","requestParameters":{"bucketName":"logs"},"eventID":"a","readOnly":false,"recipientAccountId":"111111111111"},
	{"eventVersion":"1.11","userIdentity":{"type":"Root","accountId":"111111111111"},"eventTime":"2026-11-01T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetBucketAcl","awsRegion":"eu-west-1","eventID":"b","readOnly":true,"recipientAccountId":"111111111111"},
	{"eventVersion":"1.11"}]}`
	code, out, errOut := call(t, records, "events", "decode", "-")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || code != 1 {
		t.Fatalf("exit %d, %d lines\n%s", code, len(lines), out)
	}
	for i, want := range []string{`"arn":"arn:aws:s3:::logs"`, `"dropped":"read_only"`, `"error":"`} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d has no %s: %s", i+1, want, lines[i])
		}
	}
	if !strings.Contains(errOut, "1 bad records, 1 marked, 1 read only") {
		t.Errorf("summary %q", errOut)
	}
}

func TestPolicyEval(t *testing.T) {
	code, out, errOut := call(t, `{"Versioning":{"Status":"Suspended"}}`, "policy", "eval", "S3BucketVersioningDisabled", "-")
	var v struct {
		Outcome  string `json:"outcome"`
		Evidence struct {
			Pointers []string `json:"pointers"`
		} `json:"evidence"`
	}
	if code != 0 || json.Unmarshal([]byte(out), &v) != nil || v.Outcome != "fail" || len(v.Evidence.Pointers) == 0 {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
	code, out, _ = call(t, `{"missing":[{"member":"Versioning","code":"AccessDenied","action":"s3:GetBucketVersioning"}]}`, "policy", "eval", "S3BucketVersioningDisabled", "-")
	if code != 0 || !strings.Contains(out, `"unknown"`) || !strings.Contains(out, "s3:GetBucketVersioning") {
		t.Errorf("exit %d, %s", code, out)
	}
	if code, _, errOut = call(t, `{"Versioning":7}`, "policy", "eval", "S3BucketVersioningDisabled", "-"); code != 1 || !strings.Contains(errOut, "Versioning") {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

func TestPolicyTestAndLint(t *testing.T) {
	code, out, _ := call(t, "", "policy", "test")
	if code != 0 || !strings.Contains(out, " 0 failed") {
		t.Errorf("exit %d, %s", code, out)
	}
	bad := filepath.Join(t.TempDir(), "S3BucketBad.yaml")
	if err := os.WriteFile(bad, []byte("id: S3BucketBad\ntitle: x\nviolations: resource.nmae\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ = call(t, "", "policy", "lint", bad)
	if code != 1 || !strings.Contains(out, "S3BucketBad.yaml:") {
		t.Errorf("exit %d, %s", code, out)
	}
}

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	code, secret, errOut := call(t, "", "token", "create", "grafana", "--data", dir)
	if code != 0 || !strings.HasPrefix(secret, "qrie_") || !strings.Contains(errOut, "role viewer") {
		t.Fatalf("exit %d, %q, %q", code, secret, errOut)
	}
	_, list, _ := call(t, "", "token", "list", "--data", dir)
	if !strings.Contains(list, "grafana") || strings.Contains(list, strings.TrimSpace(secret)) {
		t.Errorf("list %q", list)
	}
	id := strings.Fields(strings.Split(list, "\n")[1])[0]
	if code, _, errOut := call(t, "", "token", "delete", id, "--data", dir); code != 0 {
		t.Errorf("delete: exit %d, %s", code, errOut)
	}
	if code, _, _ := call(t, "", "token", "delete", id, "--data", dir); code != 5 {
		t.Errorf("delete again: exit %d, want 5", code)
	}
}
