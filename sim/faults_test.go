package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sim"
)

func TestDelivery(t *testing.T) {
	steps := func(f sim.Faults) (all []sim.Delivery, starts []time.Time) {
		w, c := newWorld(sim.Options{Seed: 4, Resources: 300, Faults: f})
		for range 1000 {
			now := c.step(time.Second)
			for _, d := range w.Step(now) {
				all, starts = append(all, d), append(starts, now)
			}
		}
		return all, starts
	}
	copies := func(all []sim.Delivery) map[string]int {
		n := map[string]int{}
		for _, d := range all {
			n[string(d.Data)]++
		}
		return n
	}
	plain, starts := steps(sim.Faults{})
	for i, d := range plain {
		// The calls of one scene follow one another by a third of a second.
		if late := d.At.Sub(starts[i]); late < 0 || late > 5*time.Second {
			t.Fatalf("without faults an event arrives %s after its step", late)
		}
	}
	for _, n := range copies(plain) {
		if n != 1 {
			t.Fatalf("without faults an event arrives %d times", n)
		}
	}
	if got, _ := steps(sim.Faults{Loss: 1}); len(got) != 0 {
		t.Errorf("%d events arrive though all are lost", len(got))
	}
	if got, _ := steps(sim.Faults{Loss: 0.5}); len(got) < len(plain)/3 || len(got) > len(plain)*2/3 {
		t.Errorf("%d of about %d events arrive though half are lost", len(got), len(plain))
	}
	twice, most := 0, 0
	doubled, _ := steps(sim.Faults{Duplicate: 0.5})
	for _, n := range copies(doubled) {
		if n > 1 {
			twice++
		}
		most = max(most, n)
	}
	if len(copies(doubled)) < twice || twice < len(copies(doubled))/3 || most != 4 {
		t.Errorf("%d of %d events arrive more than once, one %d times; want half, and 4", twice, len(copies(doubled)), most)
	}
	lagging, starts := steps(sim.Faults{LagMin: time.Second, LagMax: 9 * time.Second})
	early := 0
	for i, d := range lagging {
		late := d.At.Sub(starts[i])
		if late < time.Second || late > 14*time.Second {
			t.Fatalf("an event arrives after %s, want 1 s to 9 s", late)
		}
		if late < 5*time.Second {
			early++
		}
	}
	if early < len(lagging)/2 {
		t.Errorf("%d of %d events arrive in the first half of the lag: want most", early, len(lagging))
	}
	shuffled, _ := steps(sim.Faults{Reorder: 0.3, ReorderBy: time.Minute})
	overtaken := 0
	for i := 1; i < len(shuffled); i++ {
		if shuffled[i].At.Before(shuffled[i-1].At) {
			overtaken++
		}
	}
	if overtaken < len(shuffled)/10 {
		t.Errorf("%d of %d events are overtaken: want some", overtaken, len(shuffled))
	}
}

// TestStaleReads: after a change Describe shows the state before it for a
// while, never longer than the fault says, and then the new one. Truth is
// never late.
func TestStaleReads(t *testing.T) {
	const stale = 30 * time.Second
	cases := []struct {
		change string
		was    bool // there was a state before
	}{
		{"bucket-versioning-off", true}, {"group-open-ssh", true}, {"policy-admin", true}, {"database-public", true},
		{"user-mfa-off", true}, {"instance-launch-unencrypted", false}, {"bucket-create-bare", false},
	}
	for _, tc := range cases {
		t.Run(tc.change, func(t *testing.T) {
			w, c := newWorld(sim.Options{Seed: 8, Resources: 400, Faults: sim.Faults{Stale: stale}})
			before := documents(t, w)
			applied, err := w.Change(context.Background(), tc.change, "", discard)
			if err != nil {
				t.Fatal(err)
			}
			ref := applied.Ref
			truth, ok := w.Truth(ref)
			if !ok || string(truth.Document) == before[ref.Key()] {
				t.Fatal("the change is not in the truth")
			}
			late := 0
			for range stale / time.Second {
				o, err := w.Describe(context.Background(), ref)
				if err != nil {
					t.Fatal(err)
				}
				if o.Deleted == tc.was && o.Deleted {
					t.Fatal("a resource that was there is gone")
				}
				if string(o.Document) == string(truth.Document) {
					break
				}
				// The volumes of an instance settle on their own time.
				if string(o.Document) != before[ref.Key()] && ref.Type != "AWS::EC2::Instance" {
					t.Fatalf("neither the state before nor the one after:\n%s", o.Document)
				}
				late++
				c.step(time.Second)
			}
			if late == 0 {
				t.Error("the change was seen at once")
			}
			c.step(stale)
			o, err := w.Describe(context.Background(), ref)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(truth.Document), string(o.Document)); diff != "" {
				t.Errorf("after %s the change is still not seen:\n%s", stale, diff)
			}
		})
	}
}

func discard(context.Context, string, []byte) error { return nil }

func TestDenied(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 1, Faults: sim.Faults{Denied: []sim.Denial{
		{Account: "data-staging", Action: "s3:GetBucketVersioning"},
		{Account: "web-prod", Action: "iam:GetUser"},
		{Account: "web-prod", Action: "ec2:DescribeSecurityGroups"},
	}}})
	ids := map[string]string{}
	for _, a := range w.Accounts() {
		ids[a.Name] = a.ID
	}
	ctx := context.Background()
	refs, _, err := w.List(ctx, ids["data-staging"], "us-east-1", "AWS::S3::Bucket", "")
	if err != nil || len(refs) == 0 {
		t.Fatalf("%d buckets, %v", len(refs), err)
	}
	o, err := w.Describe(ctx, refs[0])
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Versioning json.RawMessage
		Encryption json.RawMessage
		Missing    []qrie.Missing
	}
	if err := json.Unmarshal(o.Document, &document); err != nil {
		t.Fatal(err)
	}
	want := []qrie.Missing{{Member: "Versioning", Code: "AccessDenied", Action: "s3:GetBucketVersioning"}}
	if diff := cmp.Diff(want, document.Missing); diff != "" || document.Versioning != nil {
		t.Errorf("missing (-want +got):\n%s\nversioning: %s", diff, document.Versioning)
	}
	for _, e := range w.Expect() {
		if e.Ref.Account == ids["data-staging"] && (e.Policy == "S3BucketVersioningDisabled" || e.Policy == "S3BucketMfaDeleteDisabled") {
			t.Errorf("%s is expected of %s, whose versioning cannot be seen", e.Policy, e.Ref)
		}
	}
	if len(w.ExpectAll()) <= len(w.Expect()) {
		t.Error("what cannot be seen is no finding that qrie could have")
	}

	users, _, err := w.List(ctx, ids["web-prod"], "us-east-1", "AWS::IAM::User", "")
	if err != nil || len(users) == 0 {
		t.Fatalf("%d users, %v", len(users), err)
	}
	_, err = w.Describe(ctx, users[0])
	wantFault(t, err, qrie.Denied, "iam:GetUser")
	_, _, err = w.List(ctx, ids["web-prod"], "us-east-1", "AWS::EC2::SecurityGroup", "")
	wantFault(t, err, qrie.Denied, "ec2:DescribeSecurityGroups")

	w.SetFaults(sim.Faults{})
	if o, err = w.Describe(ctx, refs[0]); err != nil {
		t.Fatal(err)
	}
	truth, _ := w.Truth(refs[0])
	if string(o.Document) != string(truth.Document) {
		t.Error("without the denial the document is still not whole")
	}
}

func wantFault(t *testing.T, err error, kind qrie.FaultKind, action string) {
	t.Helper()
	var f *qrie.Fault
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a fault", err)
	}
	if f.Kind != kind || f.Action != action || f.Account == "" || f.Code == "" {
		t.Errorf("got fault %+v, want %s of %s", f, kind, action)
	}
}

func TestUnreached(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 1, Faults: sim.Faults{Unreached: []string{"network"}}})
	var ref qrie.Ref
	for _, a := range w.Accounts() {
		if a.Name == "network" {
			ref = qrie.Ref{Account: a.ID, Region: "us-east-1", Type: "AWS::Account", ID: a.ID, Global: true}
		}
	}
	_, err := w.Describe(context.Background(), ref)
	wantFault(t, err, qrie.Unreached, "sts:AssumeRole")
	_, _, err = w.List(context.Background(), ref.Account, ref.Region, ref.Type, "")
	wantFault(t, err, qrie.Unreached, "sts:AssumeRole")
	for _, e := range w.Expect() {
		if e.Ref.Account == ref.Account {
			t.Errorf("%s is expected in an account that cannot be reached", e.Policy)
		}
	}
	ref.Account = "000000000001"
	_, err = w.Describe(context.Background(), ref)
	wantFault(t, err, qrie.Unreached, "sts:AssumeRole")
}

func TestFailedCalls(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 1, Resources: 300})
	refs := everyRef(t, w)
	w.SetFaults(sim.Faults{Throttle: 0.3, Transient: 0.1})
	kinds := map[qrie.FaultKind]int{}
	for n := range 2000 {
		_, err := w.Describe(context.Background(), refs[n%len(refs)])
		var f *qrie.Fault
		if errors.As(err, &f) {
			kinds[f.Kind]++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n := kinds[qrie.Throttled]; n < 500 || n > 700 {
		t.Errorf("%d of 2,000 calls throttled, want about 600", n)
	}
	if n := kinds[qrie.Transient]; n < 140 || n > 260 {
		t.Errorf("%d of 2,000 calls failed in passing, want about 200", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := w.Describe(ctx, refs[0])
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestInvalid(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 1, Resources: 100})
	account := w.Accounts()[0].ID
	ctx := context.Background()
	for _, ref := range []qrie.Ref{
		{Account: account, Region: "us-east-1", Type: "AWS::Lambda::Function", ID: "f"},
		{Account: account, Region: "us-east-1", Type: "AWS::EC2::Instance"},
	} {
		t.Run(fmt.Sprint(ref), func(t *testing.T) {
			_, err := w.Describe(ctx, ref)
			var f *qrie.Fault
			if !errors.As(err, &f) || f.Kind != qrie.Invalid {
				t.Errorf("got %v, want invalid", err)
			}
		})
	}
	_, _, err := w.List(ctx, account, "us-east-1", "AWS::S3::Bucket", "no token")
	if !errors.Is(err, qrie.ErrBadToken) {
		t.Errorf("a made-up token: %v", err)
	}
	refs, next, err := w.List(ctx, account, "eu-west-1", "AWS::IAM::User", "")
	if len(refs) != 0 || next != "" || err != nil {
		t.Errorf("users in eu-west-1: %v %q %v, want none", refs, next, err)
	}
	o, err := w.Describe(ctx, qrie.Ref{Account: account, Region: "us-east-1", Type: "AWS::EC2::Instance", ID: "i-0123456789abcdef0"})
	if err != nil || !o.Deleted || o.Ref.ARN == "" {
		t.Errorf("an instance that never was: %+v %v", o, err)
	}
}
