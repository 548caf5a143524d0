package policies

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
)

// records reads a file of recorded cases of other projects. It is no part of
// this repository; without it the test is skipped.
func records[T any](t *testing.T, name string) []T {
	t.Helper()
	path := filepath.Join("..", "..", "shared", "data", name)
	file, err := os.Open(path)
	if err != nil {
		t.Skipf("SKIPPED, NOTHING IS COMPARED: the recorded cases are not here: %v", err)
	}
	defer file.Close()
	var list []T
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var record T
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		list = append(list, record)
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return list
}

type iamRecord struct {
	ID       string `json:"id"`
	Function string `json:"function"`
	Args     struct {
		Policy       json.RawMessage `json:"policy"`
		Statement    json.RawMessage `json:"statement"`
		Condition    json.RawMessage `json:"condition_statement"`
		CrossAccount *bool           `json:"is_cross_account_allowed"`
	} `json:"args"`
	Result json.RawMessage `json:"result"`
}

// askIAM puts a record's question to our functions. asked is false where the
// record asks something else than "public?" or "admin?": whether a condition
// trusts one particular account, say, or a list of addresses.
func askIAM(t *testing.T, r iamRecord) (got, want, asked bool) {
	t.Helper()
	public := func(text string) bool {
		found, err := publicStatements(text)
		if err != nil {
			t.Fatalf("%s: %v", r.ID, err)
		}
		return len(found) > 0
	}
	result := string(r.Result) == "true"
	around := func(statement string) string { return `{"Statement": ` + statement + `}` }
	switch r.Function {
	case "is_policy_public", "Policy.is_internet_accessible":
		return public(string(r.Args.Policy)), result, true
	case "has_public_principal":
		var statement map[string]any
		if err := json.Unmarshal(r.Args.Statement, &statement); err != nil {
			t.Fatalf("%s: %v", r.ID, err)
		}
		statement["Effect"], statement["Action"] = "Allow", "s3:GetObject"
		text, _ := json.Marshal(statement)
		return public(around(string(text))), result, true
	case "has_restrictive_source_arn_condition":
		return !public(around(string(r.Args.Statement))), result, true
	case "is_condition_block_restrictive", "is_condition_block_restrictive_organization":
		// A condition on another account is fixed, so it is not public, but it does
		// not restrict to the account the record names: only where the answer is
		// yes, or other accounts are allowed, is the question ours.
		ours := result || r.Args.CrossAccount == nil || *r.Args.CrossAccount
		statement := `{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Condition": ` + string(r.Args.Condition) + `}`
		return !public(around(statement)), result, ours
	case "check_admin_access":
		found, err := adminStatements(string(r.Args.Policy))
		if err != nil {
			t.Fatalf("%s: %v", r.ID, err)
		}
		return len(found) > 0, result, true
	}
	return false, false, false
}

// differing are the records that we answer otherwise, each with the reason.
var differing = map[string]string{
	"pv/s11": "the value of aws:SourceArn has a wildcard, so it is not fixed; the record accepts a fixed account within",
	"pv/s12": "the value of aws:PrincipalArn has a wildcard, so it is not fixed; the record accepts a fixed account within",
	"pv/s13": "aws:ResourceAccount names whose the resource is, not who calls; AWS does not list it",
	"pv/s15": "aws:ResourceAccount names whose the resource is, not who calls; AWS does not list it",
	"pv/s18": "s3:ResourceAccount names whose the resource is, not who calls; AWS does not list it",
	"pv/s19": "s3:ResourceAccount names whose the resource is, not who calls; AWS does not list it",
	"pv/s29": "kms:ViaService names the service a call goes through, of whatever account; AWS does not list it",
	"pv/s38": "aws:ResourceAccount names whose the resource is, not who calls; AWS does not list it",
	"pv/s51": "aws:ResourceAccount is not listed, and the value of aws:SourceArn has a wildcard",
}

func TestRecordedIAMVerdicts(t *testing.T) {
	asked, agreed := 0, 0
	all := records[iamRecord](t, "iam/policy_verdicts.jsonl")
	for _, r := range all {
		got, want, ours := askIAM(t, r)
		if !ours {
			continue
		}
		asked++
		reason, differs := differing[r.ID]
		switch {
		case got == want && differs:
			t.Errorf("%s %s: we agree; take it out of the differing ones (%s)", r.ID, r.Function, reason)
		case got == want:
			agreed++
		case !differs:
			t.Errorf("%s %s: got %v, want %v: %s%s%s", r.ID, r.Function, got, want, r.Args.Policy, r.Args.Statement, r.Args.Condition)
		}
	}
	t.Logf("%d records, %d ask what we answer, %d agree, %d differ for a reason", len(all), asked, agreed, len(differing))
	if asked < 40 {
		t.Errorf("only %d records were asked", asked)
	}
}

type pantherRecord struct {
	ID       string          `json:"id"`
	Policy   string          `json:"policy"`
	Test     string          `json:"test"`
	Expected string          `json:"expected"`
	Resource json.RawMessage `json:"resource"`
}

// pantherResource is the union of what the compared policies need of
// Panther's own shapes.
type pantherResource struct {
	Name, Arn, MFADelete string
	Versioning           *string
	PolicyDocument       string
	UserName             string
	CredentialReport     struct {
		AccessKey1Active, AccessKey2Active             bool
		AccessKey1LastRotated, AccessKey2LastRotated   time.Time
		AccessKey1LastUsedDate, AccessKey2LastUsedDate time.Time
	}
}

// pantherCases maps Panther's policies to ours, with the way from its
// resource to the document that AWS would have answered with.
var pantherCases = map[string]struct {
	policy   string
	document func(r pantherResource, raw json.RawMessage) any
}{
	"AWS.S3.Bucket.MFADelete": {"S3BucketMfaDeleteDisabled", func(r pantherResource, _ json.RawMessage) any {
		return map[string]any{"Versioning": map[string]any{"Status": "Enabled", "MFADelete": r.MFADelete}}
	}},
	"AWS.AccessKey.Rotation": {"IAMAccessKeyNotRotated", pantherKeys},
	"AWS.AccessKey.Unused":   {"IAMAccessKeyUnused", pantherKeys},
	"AWS.IAM.Policy.AdministrativePrivileges": {"IAMPolicyOverlyPermissive", func(r pantherResource, _ json.RawMessage) any {
		return map[string]any{"DefaultVersion": map[string]any{"Document": json.RawMessage(r.PolicyDocument)}}
	}},
	"AWS.RootAccount.AccessKeys": {"IAMRootAccountActive", func(r pantherResource, _ json.RawMessage) any {
		keys := 0
		if r.CredentialReport.AccessKey1Active || r.CredentialReport.AccessKey2Active {
			keys = 1
		}
		return map[string]any{"Summary": map[string]any{"AccountAccessKeysPresent": keys}}
	}},
	"AWS.RDS.Instance.PublicAccess": {"RDSPublicAccess", func(_ pantherResource, raw json.RawMessage) any {
		return map[string]any{"DBInstance": raw}
	}},
}

func pantherKeys(r pantherResource, _ json.RawMessage) any {
	status := func(active bool) string {
		if active {
			return "Active"
		}
		return "Inactive"
	}
	used := func(t time.Time) any {
		if t.Year() == 1 {
			return map[string]any{}
		}
		return map[string]any{"LastUsedDate": t}
	}
	c := r.CredentialReport
	return map[string]any{"AccessKeys": []any{
		map[string]any{"AccessKeyId": "AKIA1", "Status": status(c.AccessKey1Active), "CreateDate": c.AccessKey1LastRotated, "LastUsed": used(c.AccessKey1LastUsedDate)},
		map[string]any{"AccessKeyId": "AKIA2", "Status": status(c.AccessKey2Active), "CreateDate": c.AccessKey2LastRotated, "LastUsed": used(c.AccessKey2LastUsedDate)},
	}}
}

func TestRecordedPantherVerdicts(t *testing.T) {
	set := catalogue(t)
	compared := 0
	var seen []string
	for _, file := range []string{"s3", "iam", "rds"} {
		for _, r := range records[pantherRecord](t, "checks/panther/"+file+".jsonl") {
			c, ok := pantherCases[r.Policy]
			if !ok {
				continue
			}
			var resource pantherResource
			if err := json.Unmarshal(r.Resource, &resource); err != nil {
				t.Fatalf("%s: %v", r.ID, err)
			}
			text, err := json.Marshal(c.document(resource, r.Resource))
			if err != nil {
				t.Fatalf("%s: %v", r.ID, err)
			}
			want := qrie.Pass
			if r.Expected == "FAIL" {
				want = qrie.Fail
			}
			p, _ := set.Get(c.policy)
			verdict, err := p.runTest(Test{Document: text, Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), ID: "x", Region: fixtureRegion, Account: qrie.Account{ID: fixtureAccount}})
			if err != nil {
				t.Fatalf("%s: %v", r.ID, err)
			}
			compared++
			seen = append(seen, r.Policy)
			if verdict.Outcome != want {
				t.Errorf("%s, %q (%s): got %s %s%s, want %s", r.Policy, r.Test, c.policy, verdict.Outcome, verdict.Reason, verdict.Summary, want)
			}
		}
	}
	slices.Sort(seen)
	if kinds := len(slices.Compact(seen)); kinds != len(pantherCases) {
		t.Errorf("cases of %d policies were found, want %d", kinds, len(pantherCases))
	}
	t.Logf("%d cases compared", compared)
}
