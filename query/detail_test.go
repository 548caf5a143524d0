package query

import (
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// TestDeletedResource: its findings can still be read, and so can it.
func TestDeletedResource(t *testing.T) {
	r := newWorld(t)
	ref := refOf(t, "AWS::S3::Bucket", prod, "eu-west-1", "billing-exports")
	old, err := r.store.ResourceState(t.Context(), ref)
	must(t, err)
	launches, _, err := r.server.launches(t.Context())
	must(t, err)
	next := old
	next.Deleted, next.Document, next.ObservedAt, next.Heads, next.Hash = true, nil, start, map[string]store.Head{}, ""
	e := store.Evaluation{Base: old.Version, Next: next, Changed: true}
	for policy, head := range old.Heads {
		if !head.Open {
			continue
		}
		closed := qrie.Transition{
			Finding: ref.FindingID(policy), Ref: ref, Name: old.Name, Policy: policy, Severity: head.Severity, Kind: qrie.Closed,
			Resolution: qrie.ResolvedDeleted, At: start, Generation: launches[policy].Generation, Version: old.Version + 1,
		}
		closed.ID = qrie.TransitionID(closed.Finding, closed.Version, closed.Generation, closed.Kind)
		e.Transitions = append(e.Transitions, closed)
	}
	must(t, r.store.Apply(t.Context(), e))

	f := get[FindingDetail](r, "/api/v1/findings/"+ref.FindingID("S3BucketListed"))
	if f.State != qrie.Resolved || f.Resolution != qrie.ResolvedDeleted || !f.ResourceDeleted || f.ResolvedCause == nil || string(f.Document) == "" {
		t.Errorf("finding: %+v", f)
	}
	if f.Remediation.CLI != "aws s3api put-bucket-acl --bucket billing-exports --acl private" {
		t.Errorf("the fix names %q", f.Remediation.CLI)
	}
	res := get[ResourceDetail](r, "/api/v1/resources/"+ref.ResourceID())
	if !res.Deleted || string(res.Configuration) != "{}" || len(res.Verdicts) != 0 || len(res.Versions) != 3 {
		t.Errorf("resource: %+v", res)
	}
	if list := get[ResourceList](r, "/api/v1/resources?q=billing"); len(list.Resources) != 0 {
		t.Errorf("a deleted resource is listed: %+v", list.Resources)
	}
	if list := get[ResourceList](r, "/api/v1/resources?q=billing&deleted=true"); len(list.Resources) != 1 || list.Meta.Total != nil {
		t.Errorf("with deleted=true: %+v", list)
	}
}

// TestUnknownVerdict: what could not be seen is shown as unknown, with what
// lacks.
func TestUnknownVerdict(t *testing.T) {
	r := newWorld(t)
	ref := refOf(t, "AWS::S3::Bucket", staging, "eu-west-1", "who-knows")
	res := get[ResourceDetail](r, "/api/v1/resources/"+ref.ResourceID())
	if len(res.Missing) != 1 || res.Missing[0].Action != "s3:GetBucketVersioning" {
		t.Errorf("missing: %+v", res.Missing)
	}
	if v := res.Verdicts[0]; v.Outcome != qrie.Unknown || v.Reason == "" || v.FindingID != "" {
		t.Errorf("the first verdict: %+v", v)
	}
}

// TestRemediationOverride: the launch's text stands beside the policy's own.
func TestRemediationOverride(t *testing.T) {
	r := newWorld(t)
	ref := refOf(t, "AWS::S3::Bucket", prod, "eu-west-1", "billing-exports")
	f := get[FindingDetail](r, "/api/v1/findings/"+ref.FindingID("S3BucketVersioningOff"))
	if f.Remediation.Override != "Ask **the platform team**." || f.Remediation.Text != "Turn versioning on." {
		t.Errorf("remediation: %+v", f.Remediation)
	}
	wide := refOf(t, "AWS::EC2::SecurityGroup", prod, "eu-west-1", "sg-0a1")
	f = get[FindingDetail](r, "/api/v1/findings/"+wide.FindingID("EC2SecurityGroupWide"))
	if f.Remediation.CLI != "aws ec2 revoke-security-group-ingress --group-id sg-0a1 --cidr 0.0.0.0/0" {
		t.Errorf("cli: %s", f.Remediation.CLI)
	}
	ports, ok := f.PolicyDetail.Params["ports"].([]any)
	if !ok || len(ports) != 1 || ports[0] != 22.0 {
		t.Errorf("params: %v", f.PolicyDetail.Params)
	}
}

func TestChanges(t *testing.T) {
	r := newWorld(t)
	all := get[ChangeList](r, "/api/v1/changes?after=0&limit=500")
	if n := len(all.Transitions); n == 0 || all.Newest != all.Transitions[n-1].Seq {
		t.Fatalf("newest %d of %d transitions", all.Newest, n)
	}
	for i := 1; i < len(all.Transitions); i++ {
		if all.Transitions[i].Seq <= all.Transitions[i-1].Seq {
			t.Errorf("transition %d is out of order", i)
		}
	}
	latest := get[ChangeList](r, "/api/v1/changes?limit=2").Transitions
	if len(latest) != 2 || latest[1].Seq != all.Newest {
		t.Errorf("the latest two: %+v", latest)
	}
	if rest := get[ChangeList](r, "/api/v1/changes?after="+"9999"); len(rest.Transitions) != 0 || rest.Newest != all.Newest {
		t.Errorf("after the end: %+v", rest)
	}
}

// TestDetectedIn counts from the arrival of the event, and says nothing where
// there was none.
func TestDetectedIn(t *testing.T) {
	at := start
	for _, tc := range []struct {
		name  string
		cause qrie.Cause
		want  int64 // -1: absent
	}{
		{"no event", qrie.Cause{}, -1},
		{"an event of unknown arrival", qrie.Cause{Events: []qrie.Event{{}}}, -1},
		{"five seconds", qrie.Cause{Events: []qrie.Event{{Arrived: at.Add(-5 * time.Second)}, {Arrived: at.Add(-time.Hour)}}}, 5000},
		{"clocks that disagree", qrie.Cause{Events: []qrie.Event{{Arrived: at.Add(time.Second)}}}, -1},
	} {
		got := detectedIn(qrie.Transition{At: at, Cause: tc.cause})
		if (got == nil) != (tc.want < 0) || got != nil && *got != tc.want {
			t.Errorf("%s: %v, want %d", tc.name, got, tc.want)
		}
	}
}
