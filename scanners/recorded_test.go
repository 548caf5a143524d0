package scanners

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
)

// recorded is one answer of AWS to a call, as the field names of its API.
type recorded struct {
	Service   string          `json:"service"`
	Operation string          `json:"operation"`
	Status    int             `json:"status"`
	Response  json.RawMessage `json:"response"`
	Error     *struct {
		Code    string `json:"Code"`
		Message string `json:"Message"`
	} `json:"error"`
}

// outputs are the SDK's types for the answers that documents are made of.
var outputs = map[string]func() any{
	"s3 GetBucketLocation":           func() any { return new(s3.GetBucketLocationOutput) },
	"s3 GetPublicAccessBlock":        func() any { return new(s3.GetPublicAccessBlockOutput) },
	"s3 GetBucketPolicyStatus":       func() any { return new(s3.GetBucketPolicyStatusOutput) },
	"s3 GetBucketPolicy":             func() any { return new(s3.GetBucketPolicyOutput) },
	"s3 GetBucketAcl":                func() any { return new(s3.GetBucketAclOutput) },
	"s3 GetBucketOwnershipControls":  func() any { return new(s3.GetBucketOwnershipControlsOutput) },
	"s3 GetBucketVersioning":         func() any { return new(s3.GetBucketVersioningOutput) },
	"s3 GetBucketEncryption":         func() any { return new(s3.GetBucketEncryptionOutput) },
	"s3 GetBucketLogging":            func() any { return new(s3.GetBucketLoggingOutput) },
	"s3 GetBucketTagging":            func() any { return new(s3.GetBucketTaggingOutput) },
	"s3control GetPublicAccessBlock": func() any { return new(s3control.GetPublicAccessBlockOutput) },
	"iam GetAccountSummary":          func() any { return new(iam.GetAccountSummaryOutput) },
	"iam GetAccountPasswordPolicy":   func() any { return new(iam.GetAccountPasswordPolicyOutput) },
	"iam GetUser":                    func() any { return new(iam.GetUserOutput) },
	"iam GetLoginProfile":            func() any { return new(iam.GetLoginProfileOutput) },
	"iam ListMFADevices":             func() any { return new(iam.ListMFADevicesOutput) },
	"iam ListAccessKeys":             func() any { return new(iam.ListAccessKeysOutput) },
	"iam GetAccessKeyLastUsed":       func() any { return new(iam.GetAccessKeyLastUsedOutput) },
	"iam ListAttachedUserPolicies":   func() any { return new(iam.ListAttachedUserPoliciesOutput) },
	"iam ListUserPolicies":           func() any { return new(iam.ListUserPoliciesOutput) },
	"iam GetUserPolicy":              func() any { return new(iam.GetUserPolicyOutput) },
	"iam ListGroupsForUser":          func() any { return new(iam.ListGroupsForUserOutput) },
	"iam GetPolicy":                  func() any { return new(iam.GetPolicyOutput) },
	"iam GetPolicyVersion":           func() any { return new(iam.GetPolicyVersionOutput) },
	"ec2 DescribeInstances":          func() any { return new(ec2.DescribeInstancesOutput) },
	"ec2 DescribeVolumes":            func() any { return new(ec2.DescribeVolumesOutput) },
	"ec2 DescribeSecurityGroups":     func() any { return new(ec2.DescribeSecurityGroupsOutput) },
	"rds DescribeDBInstances":        func() any { return new(rds.DescribeDBInstancesOutput) },
}

func readRecorded(t *testing.T) []recorded {
	t.Helper()
	const dir = "../../shared/data/api/"
	files, _ := filepath.Glob(dir + "c7n_placebo/*.jsonl")
	files = append(files, dir+"fixinventory_account.jsonl", dir+"botocore_examples.jsonl")
	var all []recorded
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Skipf("SKIPPED: recorded AWS answers are not here, so no document is made of one: %v", err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			var r recorded
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if r.Service == "s3-control" {
				r.Service = "s3control"
			}
			all = append(all, r)
		}
		if err := lines.Err(); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return all
}

// TestRecordedAnswersAreKept decodes real answers into the SDK's types, makes
// documents of them, and holds them against the recording: every field that
// AWS sent is there under its name with its value, and nothing is there that
// AWS did not send, but for plain booleans, which are false then.
func TestRecordedAnswersAreKept(t *testing.T) {
	answers := map[string]int{}
	for _, r := range readRecorded(t) {
		name := r.Service + " " + r.Operation
		output, ours := outputs[name]
		if !ours || r.Response == nil {
			continue
		}
		out := output()
		if err := json.Unmarshal(r.Response, out); err != nil {
			t.Logf("not decoded by the SDK's type: %s: %v", name, err)
			continue
		}
		d := newDocument()
		d.put("Answer", out)
		encoded, err := d.encode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got struct{ Answer any }
		decode(t, encoded, &got)
		var want any
		decode(t, r.Response, &want)
		want = known(want, reflect.TypeOf(out))
		if diff := cmp.Diff(want, got.Answer); diff != "" {
			t.Errorf("%s (-recorded +document):\n%s", name, diff)
		}
		answers[name]++
	}
	total := 0
	for _, n := range answers {
		total += n
	}
	t.Logf("%d answers of %d operations", total, len(answers))
	if total < 300 {
		t.Errorf("only %d recorded answers were compared: %v", total, answers)
	}
}

// TestRecordedErrors classifies the errors that AWS really gave.
func TestRecordedErrors(t *testing.T) {
	want := map[string]qrie.FaultKind{
		"s3 GetBucketEncryption ServerSideEncryptionConfigurationNotFoundError": qrie.Invalid, // absent, see describeBucket
		"s3 GetBucketPolicy NoSuchBucketPolicy":                                 qrie.Invalid,
		"s3 GetPublicAccessBlock NoSuchPublicAccessBlockConfiguration":          qrie.Invalid,
		"s3 GetBucketOwnershipControls OwnershipControlsNotFoundError":          qrie.Invalid,
		"s3control GetPublicAccessBlock NoSuchPublicAccessBlockConfiguration":   qrie.Invalid,
		"iam GetAccountPasswordPolicy NoSuchEntity":                             qrie.Transient,
		"iam GetLoginProfile NoSuchEntity":                                      qrie.Transient,
		"iam GetPolicy NoSuchEntity":                                            qrie.Transient,
		"iam GetCredentialReport ReportNotPresent":                              qrie.Transient,
		"ec2 DescribeSecurityGroups InvalidGroup.NotFound":                      qrie.Transient,
		"rds DescribeDBInstances DBInstanceNotFound":                            qrie.Transient,
	}
	seen := 0
	for _, r := range readRecorded(t) {
		if _, ours := outputs[r.Service+" "+r.Operation]; r.Error == nil || !ours && r.Operation != "GetCredentialReport" {
			continue
		}
		name := r.Service + " " + r.Operation + " " + r.Error.Code
		err := &smithy.GenericAPIError{Code: r.Error.Code, Message: r.Error.Message, Fault: smithy.FaultClient}
		kind, ok := want[name]
		if !ok {
			t.Errorf("no expectation for %s, which is %s", name, kindOf(err))
			continue
		}
		seen++
		if got := kindOf(err); got != kind {
			t.Errorf("%s is %s, want %s", name, got, kind)
		}
	}
	if seen < 10 {
		t.Errorf("only %d recorded errors were classified", seen)
	}
}

// TestRecordedPolicies decodes the policies of real answers into objects.
func TestRecordedPolicies(t *testing.T) {
	n := 0
	for _, r := range readRecorded(t) {
		var text struct {
			Policy        json.RawMessage
			PolicyVersion struct{ Document json.RawMessage }
		}
		if r.Response == nil || r.Operation != "GetBucketPolicy" && r.Operation != "GetPolicyVersion" || r.Service == "s3control" {
			continue
		}
		decode(t, r.Response, &text)
		raw := text.Policy
		if raw == nil {
			raw = text.PolicyVersion.Document
		}
		var s string
		if json.Unmarshal(raw, &s) != nil {
			continue // recorded by a client that had decoded it
		}
		document := policyDocument(s)
		if r.Service == "iam" {
			document = iamPolicyDocument(s)
		}
		object, ok := document.(json.RawMessage)
		if !ok || !bytes.Contains(object, []byte(`"Statement"`)) {
			t.Errorf("%s %s: no object: %v", r.Service, r.Operation, document)
		}
		n++
	}
	if n < 15 {
		t.Errorf("only %d recorded policies", n)
	}
}

// TestRecordedCredentialReports finds the root user in real reports.
func TestRecordedCredentialReports(t *testing.T) {
	n := 0
	for _, r := range readRecorded(t) {
		if r.Operation != "GetCredentialReport" || r.Response == nil {
			continue
		}
		var out struct{ Content string }
		decode(t, r.Response, &out)
		if !strings.HasPrefix(out.Content, "user,") {
			continue // not kept as text
		}
		row, err := reportRow([]byte(out.Content), rootUser)
		if err != nil {
			if strings.Contains(out.Content, rootUser) {
				t.Errorf("%v in\n%.300s", err, out.Content)
			}
			continue
		}
		n++
		if row["user"] != rootUser || !strings.HasSuffix(row["arn"], ":root") || row["mfa_active"] == "" {
			t.Errorf("root row %v", row)
		}
	}
	if n < 3 {
		t.Errorf("only %d recorded reports with a root user", n)
	}
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// known strips from a recorded value what the SDK's type has no field for
// (AWS has retired it since), the client's own metadata, nulls, and writes
// times as the document does.
func known(v any, typ reflect.Type) any {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		if typ.Kind() == reflect.Struct {
			for i := range typ.NumField() {
				// The SDK has no way to say that these were not sent.
				if f := typ.Field(i); f.Type.Kind() == reflect.Bool {
					kept[f.Name] = false
				}
			}
		}
		for name, value := range v {
			of := typ
			if typ.Kind() == reflect.Map {
				of = typ.Elem()
			} else if field, ok := typ.FieldByName(name); ok && name != "ResultMetadata" {
				of = field.Type
			} else {
				continue
			}
			if value != nil && !emptyEnum(value, of) {
				kept[name] = known(value, of)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(v))
		for i := range v {
			kept[i] = known(v[i], typ.Elem())
		}
		return kept
	case string:
		if typ == reflect.TypeFor[time.Time]() {
			if at, err := time.Parse(time.RFC3339, v); err == nil {
				return at.UTC().Format(time.RFC3339Nano)
			}
		}
	}
	return v
}

// emptyEnum tells the empty enumerations of old recordings, such as the group
// name of no placement, which the SDK cannot tell from absent ones.
func emptyEnum(value any, typ reflect.Type) bool {
	return value == "" && typ.Kind() == reflect.String && typ != reflect.TypeFor[string]()
}
