package query

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
)

// The accounts of the world.
const (
	prod    = "111122223333"
	staging = "222233334444"
	idle    = "333344445555"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refOf(t testing.TB, resourceType, account, region, id string) qrie.Ref {
	t.Helper()
	kind, ok := resources.Find(resourceType)
	if !ok {
		t.Fatalf("no resource type %s", resourceType)
	}
	return kind.Ref(account, region, id)
}

// observe stores a document and what the launched policies say of it, as the
// processor would.
func (r *rig) observe(ref qrie.Ref, at time.Time, document string, cause qrie.Cause) {
	r.t.Helper()
	ctx := r.t.Context()
	old, err := r.store.ResourceState(ctx, ref)
	if err != nil && !notFound(err) {
		r.t.Fatal(err)
	}
	accounts, err := r.server.readAccounts(ctx)
	must(r.t, err)
	kind, _ := resources.Find(ref.Type)
	next := store.Resource{
		Ref: ref, Name: ref.ID, ObservedAt: at, FirstSeen: at, ListedAt: at,
		Document: json.RawMessage(document), Hash: fmt.Sprint(len(document)) + document[:min(40, len(document))],
		Heads: map[string]store.Head{}, Cause: cause,
	}
	if old.Version > 0 {
		next.FirstSeen = old.FirstSeen
	}
	e := store.Evaluation{Base: old.Version, Changed: true}
	view, err := kind.View(ref, []byte(document))
	must(r.t, err)
	if view.Name != "" {
		next.Name = view.Name
	}
	next.Tags, next.Missing = view.Tags, view.Missing
	launches, generation, err := r.server.launches(ctx)
	must(r.t, err)
	next.Generation = generation
	for _, p := range r.policies.For(ref.Type) {
		l, ok := launches[p.ID]
		if !ok || l.Status != qrie.LaunchActive {
			continue
		}
		program, err := p.Bind(l)
		must(r.t, err)
		v := program.Evaluate(policies.Input{View: view, Ref: ref, Account: accounts[ref.Account], Now: at})
		was := old.Heads[p.ID]
		head := store.Head{Outcome: v.Outcome, Severity: v.Severity, Open: v.Outcome == qrie.Fail || v.Outcome == qrie.Unknown && was.Open, Reason: v.Reason, Generation: l.Generation}
		next.Heads[p.ID] = head
		t := qrie.Transition{
			Finding: ref.FindingID(p.ID), Ref: ref, Name: next.Name, Policy: p.ID, Severity: v.Severity, Summary: v.Summary,
			Evidence: v.Evidence, Cause: cause, At: at.Add(3 * time.Second), Generation: l.Generation, Version: old.Version + 1,
		}
		switch {
		case head.Open && !was.Open:
			t.Kind = qrie.Opened
		case !head.Open && was.Open:
			t.Kind, t.Resolution = qrie.Closed, qrie.ResolvedFixed
		default:
			continue
		}
		t.ID = qrie.TransitionID(t.Finding, t.Version, t.Generation, t.Kind)
		e.Transitions = append(e.Transitions, t)
	}
	e.Next = next
	must(r.t, r.store.Apply(ctx, e))
}

func (r *rig) launch(id string, change func(*qrie.Launch)) qrie.Launch {
	r.t.Helper()
	l := qrie.Launch{Policy: id, Status: qrie.LaunchActive, CreatedAt: start.Add(-72 * time.Hour), UpdatedAt: start.Add(-72 * time.Hour)}
	if change != nil {
		change(&l)
	}
	l, err := r.store.PutLaunch(r.t.Context(), l, 0)
	must(r.t, err)
	return l
}

const (
	openBucket   = `{"Location":{"LocationConstraint":"eu-west-1"},"Acl":{"Owner":{"ID":"owner"},"Grants":[{"Grantee":{"Type":"Group","URI":"http://acs.amazonaws.com/groups/global/AllUsers"},"Permission":"READ"}]},"Versioning":{},"Tags":[{"Key":"env","Value":"prod"}]}`
	closedBucket = `{"Location":{"LocationConstraint":"eu-west-1"},"Acl":{"Owner":{"ID":"owner"},"Grants":[]},"Versioning":{"Status":"Enabled"},"Tags":[{"Key":"env","Value":"prod"}]}`
	blindBucket  = `{"Location":{"LocationConstraint":"eu-west-1"},"Acl":{"Owner":{"ID":"owner"},"Grants":[]},"missing":[{"member":"Versioning","code":"AccessDenied","action":"s3:GetBucketVersioning"}]}`
	openGroup    = `{"SecurityGroup":{"GroupId":"sg-0a1","GroupName":"bastion","VpcId":"vpc-1","IpPermissions":[{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"IpRanges":[{"CidrIp":"0.0.0.0/0"}]}],"IpPermissionsEgress":[]}}`
)

// newWorld is a rig with three accounts, three launches, one of them suspended
// since, and a few resources: one finding by Alice, one of the launch, one
// that was fixed, one resource that cannot be judged.
func newWorld(t *testing.T, changes ...func(*Options)) *rig {
	t.Helper()
	r := newRig(t, changes...)
	ctx := t.Context()
	for _, a := range []qrie.Account{
		{ID: prod, Name: "prod", OU: "/Workloads/Prod", Tags: map[string]string{"team": "core"}, Regions: []string{"eu-west-1", "us-east-1"}, RoleARN: "arn:aws:iam::111122223333:role/qrie", ExternalID: "never shown"},
		{ID: staging, Name: "staging", OU: "/Workloads/Staging", Regions: []string{"eu-west-1"}},
		{ID: idle, Name: "idle"},
	} {
		must(t, r.store.PutAccount(ctx, a))
	}
	r.launch("S3BucketListed", nil)
	severity := qrie.Severity(45)
	r.launch("S3BucketVersioningOff", func(l *qrie.Launch) {
		l.Severity, l.Remediation = &severity, "Ask **the platform team**."
		l.CreatedAt, l.UpdatedAt = start.Add(-30*24*time.Hour), start.Add(-30*24*time.Hour)
	})
	wide := r.launch("EC2SecurityGroupWide", func(l *qrie.Launch) {
		l.Params = map[string]json.RawMessage{"ports": json.RawMessage("[22]")}
		l.Scope.IncludeOUPaths = []string{"/Workloads"}
	})

	exports := refOf(t, "AWS::S3::Bucket", prod, "eu-west-1", "billing-exports")
	r.observe(exports, start.Add(-20*24*time.Hour), closedBucket, qrie.Cause{Attribution: qrie.AttributionUnknown, Note: "found by scan"})
	byAlice := start.Add(-8 * time.Second)
	r.observe(exports, byAlice.Add(4*time.Second), openBucket, qrie.Cause{
		Attribution: qrie.AttributionExact, Events: []qrie.Event{event("e-1", "PutBucketAcl", byAlice)},
		After: start.Add(-20 * 24 * time.Hour), Before: byAlice.Add(4 * time.Second),
	})
	assets := refOf(t, "AWS::S3::Bucket", staging, "eu-west-1", "site-assets")
	r.observe(assets, start.Add(-15*24*time.Hour), openBucket, qrie.Cause{Attribution: qrie.AttributionUnknown, Note: "policy launched"})
	r.observe(assets, start.Add(-2*24*time.Hour), closedBucket, qrie.Cause{Attribution: qrie.AttributionExact, Events: []qrie.Event{event("e-0", "PutBucketVersioning", start.Add(-2*24*time.Hour-5*time.Second))}})
	r.observe(refOf(t, "AWS::S3::Bucket", staging, "eu-west-1", "who-knows"), start.Add(-24*time.Hour), blindBucket, qrie.Cause{Attribution: qrie.AttributionUnknown, Note: "found by scan"})
	r.observe(refOf(t, "AWS::EC2::SecurityGroup", prod, "eu-west-1", "sg-0a1"), start.Add(-9*24*time.Hour), openGroup, qrie.Cause{Attribution: qrie.AttributionUnknown, Note: "found by scan"})
	wide.Status = qrie.LaunchSuspended
	_, err := r.store.PutLaunch(ctx, wide, wide.Generation)
	must(t, err)

	r.job("inv-1", "inventory", "bootstrap", start.Add(-26*time.Hour), 40*time.Second, 4)
	r.job("pol-1", "policy", "launch", start.Add(-72*time.Hour), 2*time.Second, 2)
	must(t, r.store.PutDirty(ctx, store.DirtyMark{Ref: exports, Reason: "settle", DueAt: start.Add(time.Minute), Since: start.Add(-30 * time.Second)}))
	for _, c := range []struct {
		account string
		store.Condition
	}{
		{prod, store.Condition{Type: "AWS::S3::Bucket", State: store.Denied, Action: "s3:GetBucketPolicy", Reason: "not authorized"}},
		{staging, store.Condition{Type: "AWS::S3::Bucket", State: store.MassDelete, Reason: "many are gone at once"}},
		{staging, store.Condition{State: store.RoleDenied, Action: "sts:AssumeRole", Reason: "not authorized"}},
	} {
		c.Since, c.UpdatedAt = start, start
		_, err := r.store.PutCondition(ctx, c.account, c.Condition)
		must(t, err)
	}
	for i, state := range store.DeliveryStates {
		_, err := r.store.PutDelivery(ctx, store.Delivery{ID: fmt.Sprintf("webhook/t_%d", i), Sink: "webhook", Transition: fmt.Sprintf("t_%d", i), Finding: "f_1",
			State: state, Attempts: i, NextAt: start.Add(time.Minute), CreatedAt: start, UpdatedAt: start, Payload: []byte("{}")})
		must(t, err)
	}
	must(t, r.store.PutDeadLetter(ctx, store.DeadLetter{ID: "d-1", Shard: "0", Seq: "7", Key: prod, Reason: "not JSON", Arrived: start, At: start, Size: 3, Data: []byte("abc")}))
	return r
}

// job stores a finished job.
func (r *rig) job(id, kind, reason string, started time.Time, took time.Duration, items int64) {
	r.t.Helper()
	must(r.t, r.store.PutJob(r.t.Context(), store.Job{ID: id, Kind: kind, Scope: "all accounts", Reason: reason, Started: started}.Begin("1")))
	j, err := r.store.FinishPage(r.t.Context(), id, store.JobPage{Page: "1", Items: items}, started.Add(took))
	must(r.t, err)
	if j.State != store.JobDone {
		r.t.Fatalf("job %s is %s", id, j.State)
	}
}
