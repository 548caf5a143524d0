package query

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie/store"
)

func TestStartScan(t *testing.T) {
	r := newWorld(t)
	for _, c := range []struct {
		body string
		want Task
	}{
		{`{}`, Task{Reason: "request"}},
		{`{"accounts":["` + prod + `"],"services":["s3"]}`, Task{Accounts: []string{prod}, Services: []string{"s3"}, Reason: "request"}},
		{`{"policy_id":"S3BucketListed","accounts":["` + prod + `"]}`, Task{Policy: "S3BucketListed", Accounts: []string{prod}, Reason: "request"}},
	} {
		before := len(r.started)
		a := r.ask("POST", "/api/v1/scans", c.body)
		job := decode[Job](t, a)
		if a.StatusCode != 202 || a.Header.Get("Location") != "/api/v1/jobs/"+job.ID {
			t.Errorf("%s: %d %s", c.body, a.StatusCode, a.body)
		}
		if diff := cmp.Diff([]Task{c.want}, r.started[before:]); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.body, diff)
		}
	}
	r.started = nil
	for body, where := range map[string]string{
		`{"accounts":["999999999999"]}`:                    "body.accounts[0]",
		`{"services":["s3","nothing"]}`:                    "body.services[1]",
		`{"policy_id":"S3BucketListed","services":["s3"]}`: "body.services",
	} {
		a := r.ask("POST", "/api/v1/scans", body)
		if a.StatusCode != 422 || !strings.Contains(string(a.body), where) {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
	r.problem(r.ask("POST", "/api/v1/scans", `{"policy_id":"Unheard"}`), 404, "not-found")
	if len(r.started) != 0 {
		t.Errorf("refused and started: %v", r.started)
	}
}

func TestCancelJob(t *testing.T) {
	r := newRig(t)
	if err := r.store.PutJob(t.Context(), store.Job{ID: "scan", Kind: "inventory", Started: r.clock.now()}.Begin("plan/0")); err != nil {
		t.Fatal(err)
	}
	if job := decode[Job](t, r.ask("GET", "/api/v1/jobs/scan", "")); job.State != store.JobRunning || job.Pages != 1 {
		t.Errorf("%+v", job)
	}
	for range 2 { // again is no error
		if job := decode[Job](t, r.ask("POST", "/api/v1/jobs/scan/actions/cancel", "")); job.State != store.JobCancelled || job.Finished.IsZero() {
			t.Errorf("%+v", job)
		}
	}
	if err := r.store.PutJob(t.Context(), store.Job{ID: "done", Kind: "inventory", Started: r.clock.now()}.Begin("plan/0")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.FinishPage(t.Context(), "done", store.JobPage{Page: "plan/0"}, r.clock.now()); err != nil {
		t.Fatal(err)
	}
	r.problem(r.ask("POST", "/api/v1/jobs/done/actions/cancel", ""), 409, "conflict")
	r.problem(r.ask("POST", "/api/v1/jobs/none/actions/cancel", ""), 404, "not-found")
	r.problem(r.ask("GET", "/api/v1/jobs/none", ""), 404, "not-found")
}
