package query

import (
	"strings"
	"testing"

	"github.com/qrie-sec/qrie/store"
)

// What cannot be read at present is flagged, and only that.
func TestStaleFindings(t *testing.T) {
	r := newWorld(t)
	page := decode[FindingList](t, r.ask("GET", "/api/v1/findings?state=ACTIVE", ""))
	if len(page.Findings) == 0 {
		t.Fatal("the world has no finding")
	}
	for _, f := range page.Findings {
		stale := f.Stale != nil
		if want := f.AccountID == staging || f.AccountID == prod && f.ResourceType == "AWS::S3::Bucket"; stale != want {
			t.Errorf("%s of %s in %s: stale %v", f.Policy, f.ResourceType, f.AccountName, f.Stale)
		}
		if f.AccountID == prod && stale && (f.Stale.State != store.Denied || f.Stale.Action != "s3:GetBucketPolicy") {
			t.Errorf("%+v", f.Stale)
		}
	}
	for _, a := range decode[[]Account](t, r.ask("GET", "/api/v1/accounts", "")) {
		if want := map[string]string{prod: "denied", staging: "role_denied", idle: "ok"}[a.AccountID]; a.Health != want {
			t.Errorf("account %s is %s, want %s", a.Name, a.Health, want)
		}
	}
}

func TestReleaseOfDeletions(t *testing.T) {
	r := newWorld(t)
	path := "/api/v1/accounts/" + staging + "/actions/release-deletions"
	r.problem(r.ask("POST", path, `{"resource_type":"AWS::RDS::DBInstance"}`), 404, "not-found")
	r.problem(r.ask("POST", "/api/v1/accounts/999999999999/actions/release-deletions", `{"resource_type":"AWS::S3::Bucket"}`), 404, "not-found")
	before := len(r.started)
	got := decode[Released](t, r.ask("POST", path, `{"resource_type":"AWS::S3::Bucket"}`))
	if got.Condition.ReleasedAt.IsZero() || got.JobID == "" {
		t.Errorf("%+v", got)
	}
	if len(r.started) != before+1 || r.started[before].Accounts[0] != staging || r.started[before].Services[0] != "s3" {
		t.Errorf("started %+v", r.started[before:])
	}
	health, err := r.store.Health(t.Context(), []string{staging})
	must(t, err)
	if c := health[staging][1]; c.State != store.MassDelete || c.Released.IsZero() {
		t.Errorf("stored %+v", health[staging])
	}
}

func TestReplayOfDeliveries(t *testing.T) {
	r := newWorld(t)
	dead := decode[DeliveryList](t, r.ask("GET", "/api/v1/deliveries?state=dead", ""))
	if len(dead.Deliveries) != 1 || dead.Deliveries[0].Transition != "t_2" {
		t.Fatalf("%+v", dead)
	}
	if s := decode[System](t, r.ask("GET", "/api/v1/system", "")); s.Deliveries != (Deliveries{Pending: 1, Dead: 1}) {
		t.Errorf("%+v", s.Deliveries)
	}
	d := decode[Delivery](t, r.ask("POST", "/api/v1/deliveries/webhook/t_2/actions/replay", ""))
	if d.State != store.DeliveryPending || d.Attempts != 0 || d.NextAt.IsZero() {
		t.Errorf("%+v", d)
	}
	due, err := r.store.DueDeliveries(t.Context(), r.clock.now(), 10)
	must(t, err)
	if len(due) != 1 || due[0].Transition != "t_2" || string(due[0].Payload) != "{}" {
		t.Errorf("due %+v", due)
	}
	r.problem(r.ask("POST", "/api/v1/deliveries/webhook/t_2/actions/replay", ""), 409, "conflict")
	r.problem(r.ask("POST", "/api/v1/deliveries/webhook/none/actions/replay", ""), 404, "not-found")
}

func TestDeleteAndPurge(t *testing.T) {
	r := newWorld(t)
	got := decode[Deleted](t, r.ask("DELETE", "/api/v1/policies/S3BucketListed?purge=true", "", "If-Match", "*"))
	if !got.Complete || got.FindingsDeleted == 0 || got.FindingsPurged < got.FindingsDeleted {
		t.Errorf("%+v", got)
	}
	if text := string(r.ask("GET", "/api/v1/findings?policy=S3BucketListed", "").body); strings.Contains(text, `"policy":"S3BucketListed"`) {
		t.Errorf("findings are left: %s", text)
	}
}
