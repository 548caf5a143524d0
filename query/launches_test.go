package query

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
)

// read gets a policy and its ETag.
func (r *rig) read(id string) (PolicyFull, string) {
	r.t.Helper()
	a := r.ask("GET", "/api/v1/policies/"+id, "")
	if a.StatusCode != 200 {
		r.t.Fatalf("GET policy %s: %d %s", id, a.StatusCode, a.body)
	}
	return decode[PolicyFull](r.t, a), a.Header.Get("ETag")
}

func TestLifeOfALaunch(t *testing.T) {
	r := newWorld(t)
	r.started = nil

	// The policy is active, with a finding.
	p, tag := r.read("S3BucketListed")
	if p.Status != "active" || p.OpenFindings != 1 || tag != `"g1"` {
		t.Fatalf("status %s, %d open, ETag %s", p.Status, p.OpenFindings, tag)
	}

	// A change needs If-Match, and the right one.
	const path = "/api/v1/policies/S3BucketListed"
	r.problem(r.ask("PUT", path, `{"severity":10}`), 428, "precondition-required")
	stale := r.problem(r.ask("PUT", path, `{"severity":10}`, "If-Match", `"g0"`), 412, "precondition-failed")
	if !strings.Contains(stale.Detail, `"g1"`) {
		t.Errorf("the problem does not tell the ETag of now: %s", stale.Detail)
	}
	a := r.ask("PUT", path, `{"severity":0,"remediation":"Call me.","scope":{"exclude_tags":{"env":["dev","test"]}}}`, "If-Match", tag)
	if a.StatusCode != 200 {
		t.Fatalf("update: %d %s", a.StatusCode, a.body)
	}
	updated := decode[Updated](t, a)
	p, tag = r.read("S3BucketListed")
	if tag != a.Header.Get("ETag") || updated.Generation != p.Generation || updated.JobID == "" {
		t.Errorf("ETag %s and generation %d after the update, the policy has %s and %d; job %q", a.Header.Get("ETag"), updated.Generation, tag, p.Generation, updated.JobID)
	}
	// A severity of 0 is a value, not the absence of one.
	if p.Severity != 0 || p.SeverityLabel != qrie.Informational || p.DefaultSeverity != 90 || p.Remediation != "Call me." {
		t.Errorf("after the update: severity %d %s, default %d, remediation %q", p.Severity, p.SeverityLabel, p.DefaultSeverity, p.Remediation)
	}
	if diff := cmp.Diff(map[string][]string{"env": {"dev", "test"}}, p.Scope.ExcludeTags); diff != "" {
		t.Errorf("exclude_tags (-want +got): %s", diff)
	}

	// null and "" go back to the policy's own; members left out stay.
	a = r.ask("PUT", path, `{"severity":null,"remediation":""}`, "If-Match", tag)
	p, tag = r.read("S3BucketListed")
	if a.StatusCode != 200 || p.Severity != 90 || p.RemediationOverride != "" || len(p.Scope.ExcludeTags) != 1 {
		t.Errorf("%d; severity %d, override %q, scope %v", a.StatusCode, p.Severity, p.RemediationOverride, p.Scope)
	}

	// Suspended: the findings stay, nothing is judged.
	r.started = nil
	a = r.ask("PUT", path, `{"status":"suspended"}`, "If-Match", tag)
	p, tag = r.read("S3BucketListed")
	if a.StatusCode != 200 || p.Status != "suspended" || p.OpenFindings != 1 || len(r.started) != 0 {
		t.Errorf("%d; status %s, %d open, judged %v", a.StatusCode, p.Status, p.OpenFindings, r.started)
	}
	if f := get[FindingList](r, "/api/v1/findings?policy=S3BucketListed&state=ACTIVE").Findings; len(f) != 1 || f[0].PolicyStatus != "suspended" {
		t.Errorf("findings of the suspended policy: %+v", f)
	}
	// Changes while it is suspended wait; resuming judges.
	a = r.ask("PUT", path, `{"severity":91}`, "If-Match", tag)
	a = r.ask("PUT", path, `{"status":"active"}`, "If-Match", a.Header.Get("ETag"))
	if diff := cmp.Diff([]Task{{Policy: "S3BucketListed", Reason: "resumed"}}, r.started); diff != "" {
		t.Errorf("judged anew (-want +got): %s", diff)
	}

	// Deleted: the finding is resolved with its reason and stays readable.
	tag = a.Header.Get("ETag")
	r.problem(r.ask("DELETE", path, ""), 428, "precondition-required")
	r.problem(r.ask("DELETE", path, "", "If-Match", `"g1"`), 412, "precondition-failed")
	a = r.ask("DELETE", path, "", "If-Match", tag)
	if got := decode[Deleted](t, a); a.StatusCode != 200 || got.FindingsDeleted != 1 || !got.Complete {
		t.Errorf("delete: %d %s", a.StatusCode, a.body)
	}
	list := get[FindingList](r, "/api/v1/findings?policy=S3BucketListed")
	for _, f := range list.Findings {
		if f.State != qrie.Resolved || f.PolicyStatus != "deleted" {
			t.Errorf("finding %s is %s, its policy %s", f.ID, f.State, f.PolicyStatus)
		}
	}
	if !slices.ContainsFunc(list.Findings, func(f Finding) bool { return f.Resolution == qrie.ResolvedPolicyDeleted }) {
		t.Error("no finding says that its policy was deleted")
	}
	r.problem(r.ask("DELETE", path, "", "If-Match", tag), 404, "not-found")
	if p, tag = r.read("S3BucketListed"); p.Status != "available" || tag != `"g0"` {
		t.Errorf("after the deletion: %s, ETag %s", p.Status, tag)
	}

	// And launched again, by a name it had before.
	a = r.ask("POST", "/api/v1/policies", `{"policy_id":"S3BucketReadable"}`)
	launched := decode[Launched](t, a)
	if a.StatusCode != 201 || launched.PolicyID != "S3BucketListed" || !launched.BootstrapScanTriggered || a.Header.Get("Location") != path {
		t.Errorf("launch: %d %s, Location %s", a.StatusCode, a.body, a.Header.Get("Location"))
	}
	r.problem(r.ask("POST", "/api/v1/policies", `{"policy_id":"S3BucketListed"}`), 409, "already-exists")
}

func TestLaunchIsChecked(t *testing.T) {
	r := newRig(t)
	for _, tc := range []struct{ name, body, location string }{
		{"severity above the scale", `{"policy_id":"S3BucketListed","severity":101}`, "body.severity"},
		{"severity below the scale", `{"policy_id":"S3BucketListed","severity":-1}`, "body.severity"},
		{"severity that is no number", `{"policy_id":"S3BucketListed","severity":"high"}`, "body.severity"},
		{"account", `{"policy_id":"S3BucketListed","scope":{"include_accounts":["111122223333","12345"]}}`, "body.scope.include_accounts[1]"},
		{"OU path", `{"policy_id":"S3BucketListed","scope":{"exclude_ou_paths":["Prod"]}}`, "body.scope.exclude_ou_paths[0]"},
		{"tag without a value", `{"policy_id":"S3BucketListed","scope":{"include_tags":{"env":[]}}}`, "body.scope.include_tags.env"},
		{"tag without a key", `{"policy_id":"S3BucketListed","scope":{"include_tags":{"":["a"]}}}`, "body.scope.include_tags"},
		{"list that is null", `{"policy_id":"S3BucketListed","scope":{"include_tags":{"env":null}}}`, "body.scope.include_tags.env"},
		{"unknown parameter", `{"policy_id":"EC2SecurityGroupWide","params":{"port":[1]}}`, "body.params"},
		{"parameter of another type", `{"policy_id":"EC2SecurityGroupWide","params":{"ports":"22"}}`, "body.params"},
		{"parameter out of its bounds", `{"policy_id":"EC2SecurityGroupWide","params":{"ports":[70000]}}`, "body.params"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := (&rig{t: t}).problem(r.ask("POST", "/api/v1/policies", tc.body), 422, "invalid")
			if len(p.Errors) == 0 || p.Errors[0].Location != tc.location || p.Errors[0].Message == "" {
				t.Errorf("errors = %+v, want one at %s", p.Errors, tc.location)
			}
		})
	}
	r.problem(r.ask("POST", "/api/v1/policies", `{"policy_id":"S3BucketLost"}`), 404, "not-found")
	if list := get[[]Policy](r, "/api/v1/policies?status=active"); len(list) != 0 {
		t.Errorf("a refused launch is stored: %+v", list)
	}
	if len(r.started) != 0 {
		t.Errorf("a refused launch was judged: %v", r.started)
	}
}

func TestNothingToChange(t *testing.T) {
	r := newWorld(t)
	p := r.problem(r.ask("PUT", "/api/v1/policies/S3BucketListed", `{}`, "If-Match", "*"), 422, "invalid")
	if !strings.Contains(p.Detail, "nothing to change") {
		t.Errorf("detail = %q", p.Detail)
	}
	r.problem(r.ask("PUT", "/api/v1/policies/S3BucketListed", `{"status":"available"}`, "If-Match", "*"), 422, "invalid")
}

// TestFailedScanIsNoFailedLaunch: the first edition said that a scan was
// triggered even where that failed.
func TestFailedScanIsNoFailedLaunch(t *testing.T) {
	r := newRig(t)
	s := r.newServer(func(o *Options) {
		o.Start = nil
	})
	a := r.askServer(s, "POST", "/api/v1/policies", `{"policy_id":"S3BucketListed"}`)
	if got := decode[Launched](t, a); a.StatusCode != 201 || got.BootstrapScanTriggered || got.JobID != "" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestPolicyLists(t *testing.T) {
	r := newWorld(t)
	must(t, func() error {
		_, err := r.store.PutLaunch(t.Context(), qrie.Launch{Policy: "CustomerOwn", Status: qrie.LaunchActive, Params: map[string]json.RawMessage{}}, 0)
		return err
	}())
	ids := func(query string) string {
		var ids []string
		for _, p := range get[[]Policy](r, "/api/v1/policies"+query) {
			ids = append(ids, p.PolicyID)
		}
		return strings.Join(ids, " ")
	}
	for _, tc := range []struct{ query, want string }{
		{"", "S3BucketListed S3BucketVersioningOff CustomerOwn EC2SecurityGroupWide"},
		{"?status=active", "S3BucketListed S3BucketVersioningOff CustomerOwn"},
		{"?status=suspended", "EC2SecurityGroupWide"},
		{"?status=available", ""},
		{"?services=ec2", "EC2SecurityGroupWide"},
		{"?services=s3,ec2&status=active", "S3BucketListed S3BucketVersioningOff"},
		{"?services=s3&services=ec2", "S3BucketListed S3BucketVersioningOff EC2SecurityGroupWide"},
		{"?policy_id=S3BucketReadable", "S3BucketListed"},
	} {
		if got := ids(tc.query); got != tc.want {
			t.Errorf("policies%s = %q, want %q", tc.query, got, tc.want)
		}
	}
	// A policy of another version can still be read, suspended and deleted.
	p, tag := r.read("CustomerOwn")
	if p.Title != "CustomerOwn" || p.Status != "active" {
		t.Errorf("unknown policy: %+v", p)
	}
	a := r.ask("PUT", "/api/v1/policies/CustomerOwn", `{"status":"suspended"}`, "If-Match", tag)
	if a = r.ask("DELETE", "/api/v1/policies/CustomerOwn", "", "If-Match", a.Header.Get("ETag")); a.StatusCode != 200 {
		t.Errorf("delete: %d %s", a.StatusCode, a.body)
	}
}

// TestDeletionInChunks closes more findings than one write takes, and leaves
// the rest to the background where the caller's time runs out.
func TestDeletionInChunks(t *testing.T) {
	r := newRig(t)
	must(t, r.store.PutAccount(t.Context(), qrie.Account{ID: prod, Name: "prod"}))
	r.launch("S3BucketListed", nil)
	r.server.chunk = 4
	const n = 10
	for i := range n {
		r.observe(refOf(t, "AWS::S3::Bucket", prod, "eu-west-1", fmt.Sprintf("b-%04d", i)), start, openBucket, qrie.Cause{})
	}
	a := r.ask("DELETE", "/api/v1/policies/S3BucketListed", "", "If-Match", "*")
	if got := decode[Deleted](t, a); got.FindingsDeleted != n || !got.Complete {
		t.Errorf("delete: %s, want %d findings", a.body, n)
	}
	if got := get[FindingsSummary](r, "/api/v1/summary/findings"); got.OpenFindings != 0 || got.ResolvedFindings != n {
		t.Errorf("open %d, resolved %d", got.OpenFindings, got.ResolvedFindings)
	}
}

// TestCutDeletionIsCompleted: the launch is gone and the process died before
// the findings were resolved.
func TestCutDeletionIsCompleted(t *testing.T) {
	r := newWorld(t)
	launches, _, err := r.server.launches(t.Context())
	must(t, err)
	_, err = r.store.DeleteLaunch(t.Context(), "S3BucketListed", launches["S3BucketListed"].Generation)
	must(t, err)
	if got := get[FindingList](r, "/api/v1/findings?policy=S3BucketListed&state=ACTIVE"); len(got.Findings) != 1 {
		t.Fatalf("%d findings are open before", len(got.Findings))
	}
	must(t, r.server.closeOrphansOnce(t.Context()))
	if got := get[FindingList](r, "/api/v1/findings?policy=S3BucketListed&state=ACTIVE"); len(got.Findings) != 0 {
		t.Errorf("%d findings are open after", len(got.Findings))
	}
	if got := get[FindingList](r, "/api/v1/findings?state=ACTIVE"); len(got.Findings) != 2 {
		t.Errorf("%d findings of other policies are open, want 2", len(got.Findings))
	}
}
