package policies

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

func policyOf(tb testing.TB, id string) *Policy {
	tb.Helper()
	p, ok := catalogue(tb).Get(id)
	if !ok {
		tb.Fatalf("no policy %s", id)
	}
	return p
}

func bind(tb testing.TB, p *Policy, l qrie.Launch) *Program {
	tb.Helper()
	pr, err := p.Bind(l)
	if err != nil {
		tb.Fatalf("bind: %v", err)
	}
	return pr
}

func bucketInput(v *resources.S3Bucket, tags map[string]string) Input {
	return Input{
		View:    resources.View{Value: v, Name: v.Name, Tags: tags},
		Ref:     qrie.Ref{Account: fixtureAccount, Region: fixtureRegion, Type: "AWS::S3::Bucket", ID: v.Name},
		Account: qrie.Account{ID: fixtureAccount, OU: "/Workloads/Prod"},
		Now:     fixtureNow,
	}
}

func TestBindRefuses(t *testing.T) {
	p := policyOf(t, "EC2SecurityGroupOpenToWorld")
	severity := qrie.Severity(101)
	params := func(name, value string) qrie.Launch {
		return qrie.Launch{Params: map[string]json.RawMessage{name: json.RawMessage(value)}}
	}
	for name, test := range map[string]struct {
		launch qrie.Launch
		want   string
	}{
		"another policy":       {qrie.Launch{Policy: "S3BucketPublic"}, "the launch is of policy S3BucketPublic"},
		"severity":             {qrie.Launch{Severity: &severity}, "severity 101 is not between 0 and 100"},
		"unknown parameter":    {params("port", "22"), `has no parameter "port"`},
		"wrong type":           {params("ports", `"22"`), `parameter ports of EC2SecurityGroupOpenToWorld: must be list(int): "22" is not of this type`},
		"fraction":             {params("widest_prefix", `1.5`), "must be int"},
		"element out of range": {params("ports", "[22, 65536]"), "element 1: 65536 is greater than 65535"},
		"below the least":      {params("widest_prefix", "0"), "0 is less than 1"},
		"too many elements":    {params("ports", "["+strings.Repeat("1,", maxParamElements)+"1]"), "51 elements are more than 50"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := p.Bind(test.launch); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	t.Run("all faults at once", func(t *testing.T) {
		l := params("ports", "[70000]")
		l.Params["none"] = json.RawMessage("1")
		_, err := p.Bind(l)
		if err == nil || !strings.Contains(err.Error(), "70000") || !strings.Contains(err.Error(), `"none"`) {
			t.Errorf("got %v, want both faults", err)
		}
	})
	t.Run("null is the default", func(t *testing.T) {
		bind(t, p, params("ports", "null"))
	})
}

func TestSeverityOfLaunch(t *testing.T) {
	zero := qrie.Severity(0)
	pr := bind(t, policyOf(t, "S3BucketVersioningDisabled"), qrie.Launch{Severity: &zero})
	if got := pr.Evaluate(bucketInput(&resources.S3Bucket{}, nil)); got.Severity != 0 || got.Outcome != qrie.Fail {
		t.Errorf("got severity %d of %s, want 0 of fail: 0 is a value", got.Severity, got.Outcome)
	}
}

func TestScope(t *testing.T) {
	prod := map[string][]string{"env": {"prod"}}
	untold := qrie.Missing{Member: "Tags", Code: "AccessDenied", Action: "s3:GetBucketTagging"}
	for name, test := range map[string]struct {
		scope   qrie.Scope
		tags    map[string]string
		missing bool
		want    qrie.Outcome
	}{
		"everything":                          {want: qrie.Fail},
		"tag included":                        {scope: qrie.Scope{IncludeTags: prod}, tags: map[string]string{"env": "prod"}, want: qrie.Fail},
		"tag not included":                    {scope: qrie.Scope{IncludeTags: prod}, tags: map[string]string{"env": "dev"}, want: qrie.Skip},
		"tag excluded":                        {scope: qrie.Scope{ExcludeTags: prod}, tags: map[string]string{"env": "prod"}, want: qrie.Skip},
		"account excluded":                    {scope: qrie.Scope{ExcludeAccounts: []string{fixtureAccount}}, want: qrie.Skip},
		"unit included":                       {scope: qrie.Scope{IncludeOUPaths: []string{"/Workloads"}}, want: qrie.Fail},
		"tags unreadable and not asked for":   {missing: true, want: qrie.Fail},
		"tags unreadable and included":        {scope: qrie.Scope{IncludeTags: prod}, missing: true, want: qrie.Unknown},
		"tags unreadable and excluded":        {scope: qrie.Scope{ExcludeTags: prod}, missing: true, want: qrie.Unknown},
		"tags unreadable and account outside": {scope: qrie.Scope{IncludeTags: prod, ExcludeAccounts: []string{fixtureAccount}}, missing: true, want: qrie.Skip},
	} {
		t.Run(name, func(t *testing.T) {
			pr := bind(t, policyOf(t, "S3BucketVersioningDisabled"), qrie.Launch{Scope: test.scope})
			in := bucketInput(&resources.S3Bucket{Name: "a"}, test.tags)
			if test.missing {
				in.View.Unknown = map[string]qrie.Missing{"tags": untold}
			}
			got := pr.Evaluate(in)
			if got.Outcome != test.want || got.OutOfScope != (test.want == qrie.Skip) {
				t.Errorf("got %s, out of scope %v, %q; want %s", got.Outcome, got.OutOfScope, got.Reason, test.want)
			}
			if test.want == qrie.Unknown && !strings.Contains(got.Reason, "s3:GetBucketTagging") {
				t.Errorf("reason %q does not name the IAM action", got.Reason)
			}
		})
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	pr := bind(t, policyOf(t, "EC2SecurityGroupOpenToWorld"), qrie.Launch{})
	group := &resources.SecurityGroup{Name: strings.Repeat("ä", 400)}
	for i := range 1000 {
		group.Ingress = append(group.Ingress, resources.SecurityRule{
			Protocol: "tcp", FromPort: 22, ToPort: 22, CIDR: "0.0.0.0/0",
			Description: strings.Repeat("x", 2000), At: fmt.Sprintf("/SecurityGroup/IpPermissions/%d/IpRanges/0", i),
		})
	}
	got := pr.Evaluate(Input{View: resources.View{Value: group}, Now: fixtureNow})
	if got.Outcome != qrie.Fail || got.Evidence.Total != 1000 {
		t.Fatalf("got %s of %d violations, %s; want fail of 1000", got.Outcome, got.Evidence.Total, got.Reason)
	}
	if n := len(got.Evidence.Violations); n != qrie.MaxViolations {
		t.Errorf("got %d violations, want %d", n, qrie.MaxViolations)
	}
	if n := len(got.Evidence.Pointers); n != qrie.MaxViolations {
		t.Errorf("got %d pointers, want those of the %d violations", n, qrie.MaxViolations)
	}
	if n := len(got.Evidence.Violations[0]); n > 1000 {
		t.Errorf("a violation has %d bytes", n)
	}
	if len(got.Summary) > maxText || !strings.HasSuffix(got.Summary, "…") {
		t.Errorf("got a summary of %d bytes, want at most %d and a sign that it was cut", len(got.Summary), maxText)
	}
}

func TestUnknownNamesEveryMember(t *testing.T) {
	pr := bind(t, policyOf(t, "S3BucketPublicAccessBlockDisabled"), qrie.Launch{})
	in := bucketInput(&resources.S3Bucket{}, nil)
	in.View.Unknown = map[string]qrie.Missing{
		"block": {Member: "PublicAccessBlock", Code: "ThrottlingException", Action: "s3:GetBucketPublicAccessBlock"},
	}
	want := qrie.Verdict{
		Policy: "S3BucketPublicAccessBlockDisabled", Outcome: qrie.Unknown, Severity: 70,
		Reason: "cannot read PublicAccessBlock: s3:GetBucketPublicAccessBlock answered ThrottlingException",
	}
	if diff := cmp.Diff(want, pr.Evaluate(in)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWrongViewIsUnknown(t *testing.T) {
	pr := bind(t, policyOf(t, "S3BucketPublic"), qrie.Launch{})
	for name, value := range map[string]any{"of another type": &resources.IAMUser{}, "none": nil} {
		t.Run(name, func(t *testing.T) {
			got := pr.Evaluate(Input{View: resources.View{Value: value}, Now: fixtureNow})
			if got.Outcome != qrie.Unknown || got.Reason == "" {
				t.Errorf("got %s %q, want unknown with a reason", got.Outcome, got.Reason)
			}
		})
	}
}

// TestConcurrentUse evaluates one program from many goroutines; the race
// detector watches.
func TestConcurrentUse(t *testing.T) {
	set := catalogue(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, p := range set.All() {
				for _, result := range p.RunTests() {
					if !result.OK() {
						t.Errorf("%s, %s: %v", p.ID, result.Test.Name, result.Faults)
					}
				}
			}
		})
	}
	pr := bind(t, policyOf(t, "S3BucketPublic"), qrie.Launch{})
	in := bucketInput(&resources.S3Bucket{ACL: []resources.Grant{{Grantee: "AllUsers"}}}, nil)
	for range 8 {
		group.Go(func() {
			for range 100 {
				if got := pr.Evaluate(in); got.Outcome != qrie.Fail {
					t.Errorf("got %s, want fail", got.Outcome)
				}
			}
		})
	}
	group.Wait()
}

func TestUsesAndReads(t *testing.T) {
	for id, want := range map[string]struct {
		now   bool
		reads []string
	}{
		"IAMAccessKeyUnused":         {true, []string{"accessKeys", "name"}},
		"IAMRootAccountActive":       {true, []string{"id", "rootAccessKeys", "rootKeyUsed", "rootPasswordUsed"}},
		"S3BucketPublic":             {false, []string{"acl", "block", "name", "ownership", "policy", "policyAt", "publicByAws"}},
		"S3BucketEncryptionDisabled": {false, []string{"encryption", "name"}},
	} {
		t.Run(id, func(t *testing.T) {
			p := policyOf(t, id)
			if p.UsesNow != want.now {
				t.Errorf("UsesNow is %v, want %v", p.UsesNow, want.now)
			}
			if diff := cmp.Diff(want.reads, p.Reads); diff != "" {
				t.Errorf("Reads, -want +got:\n%s", diff)
			}
		})
	}
}
