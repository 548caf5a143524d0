package query

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/qrie-sec/qrie"
)

// demo is a simulated organisation with one change.
type demo struct{}

func (demo) Changes() []DemoChange {
	return []DemoChange{{ID: "bucket-public", Title: "Open a bucket to everybody", ResourceType: "AWS::S3::Bucket", Bad: true}}
}

func (demo) Change(_ context.Context, id, arn string) (DemoApplied, error) {
	if id == "no-bucket-left" {
		return DemoApplied{}, fmt.Errorf("%w: no bucket is left to which it can be done", qrie.ErrConflict)
	}
	if id != "bucket-public" {
		return DemoApplied{}, fmt.Errorf("change %s: %w", id, qrie.ErrNotFound)
	}
	return DemoApplied{ARN: arn, ResourceID: "r_x", EventName: "PutBucketAcl", EventID: "e-9", Actor: "alice@example.com"}, nil
}

func busyPipeline(context.Context) (Pipeline, error) {
	pace := 12.5
	return Pipeline{Shards: []Shard{{ID: "shard-0", State: "open", Owner: "w-1", Epoch: 3, Checkpoint: "42", LagSeconds: 0.25, Behind: 2},
		{ID: "shard-1", State: "closed", Epoch: 1, LagSeconds: 130, Behind: -1}},
		Troubles: []Trouble{{Kind: "stalled", Shard: "shard-1", Text: "the oldest unfinished record of shard-1 arrived 2m10s ago"}}, EventsPerSecond: &pace, LagSeconds: 0.25}, nil
}

func withDemo(o *Options) {
	o.Demo, o.Pipeline = demo{}, busyPipeline
}

// nextToken is opaque, and says nothing in a golden file.
var nextToken = regexp.MustCompile(`"next_token": ?"[^"]+"`)

// goldenRequests has every operation that answers JSON, at least once. The
// order matters where one changes what the next reads.
func goldenRequests(r *rig) []struct{ name, method, path, body, ifMatch string } {
	bucket := refOf(r.t, "AWS::S3::Bucket", prod, "eu-west-1", "billing-exports")
	finding, resource := bucket.FindingID("S3BucketListed"), bucket.ResourceID()
	get := func(name, path string) struct{ name, method, path, body, ifMatch string } {
		return struct{ name, method, path, body, ifMatch string }{name, "GET", path, "", ""}
	}
	return []struct{ name, method, path, body, ifMatch string }{
		get("meta", "/api/v1/meta"),
		get("accounts", "/api/v1/accounts"),
		get("services", "/api/v1/services?supported=true"),
		get("findings", "/api/v1/findings"),
		get("findings_page", "/api/v1/findings?page_size=1&state=ACTIVE"),
		get("finding", "/api/v1/findings/"+finding),
		get("finding_timeline", "/api/v1/findings/"+finding+"/timeline"),
		get("resources", "/api/v1/resources?type=s3"),
		get("resource", "/api/v1/resources/"+resource),
		get("resource_history", "/api/v1/resources/"+resource+"/history"),
		get("resource_version", "/api/v1/resources/"+resource+"/history/1"),
		get("resource_timeline", "/api/v1/resources/"+resource+"/timeline"),
		get("policies", "/api/v1/policies"),
		get("policy", "/api/v1/policies/S3BucketVersioningOff"),
		get("summary_dashboard", "/api/v1/summary/dashboard"),
		get("summary_findings", "/api/v1/summary/findings"),
		get("summary_resources", "/api/v1/summary/resources"),
		get("changes", "/api/v1/changes"),
		get("jobs", "/api/v1/jobs"),
		get("system", "/api/v1/system"),
		get("demo_changes", "/api/v1/demo/changes"),
		{"demo_change", "POST", "/api/v1/demo/changes", `{"id":"bucket-public","arn":"arn:aws:s3:::billing-exports"}`, ""},
		get("healthz", "/healthz"),
		get("readyz", "/readyz"),
		{"policy_update", "PUT", "/api/v1/policies/S3BucketListed", `{"severity":95,"scope":{"include_accounts":["` + prod + `"]}}`, `"g1"`},
		{"policy_delete", "DELETE", "/api/v1/policies/S3BucketListed", "", `"g5"`},
		{"policy_launch", "POST", "/api/v1/policies", `{"policy_id":"S3BucketListed"}`, ""},
		{"release_deletions", "POST", "/api/v1/accounts/" + staging + "/actions/release-deletions", `{"resource_type":"AWS::S3::Bucket"}`, ""},
		get("deliveries", "/api/v1/deliveries"),
		{"delivery_replay", "POST", "/api/v1/deliveries/webhook/t_2/actions/replay", "", ""},
		{"scan_start", "POST", "/api/v1/scans", `{"accounts":["` + prod + `"],"services":["s3"]}`, ""},
		get("job", "/api/v1/jobs/job-4"),
		{"job_cancel", "POST", "/api/v1/jobs/job-4/actions/cancel", "", ""},
		get("problem", "/api/v1/findings?severty=high&page_size=0"),
	}
}

func TestGolden(t *testing.T) {
	r := newWorld(t, withDemo)
	r.run(r.server)
	for _, q := range goldenRequests(r) {
		headers := []string{"X-Request-Id", "golden"}
		if q.ifMatch != "" {
			headers = append(headers, "If-Match", q.ifMatch)
		}
		a := r.ask(q.method, q.path, q.body, headers...)
		if wrong := strings.Contains(q.name, "problem"); (a.StatusCode >= 400) != wrong {
			t.Errorf("%s: %s %s: %d %s", q.name, q.method, q.path, a.StatusCode, a.body)
		}
		r.golden(q.name, nextToken.ReplaceAll(a.body, []byte(`"next_token":"…"`)))
	}
}

func TestDemoChangesThatCannotBeMade(t *testing.T) {
	r := newRig(t, withDemo)
	r.problem(r.ask("POST", "/api/v1/demo/changes", `{"id":"x"}`), 404, "not-found")
	p := r.problem(r.ask("POST", "/api/v1/demo/changes", `{"id":"no-bucket-left"}`), 409, "conflict")
	if !strings.Contains(p.Detail, "no bucket is left") {
		t.Errorf("detail = %q", p.Detail)
	}
}
