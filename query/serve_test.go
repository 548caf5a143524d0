package query

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
)

// TestServe stops while a stream is open and a dashboard was asked for.
func TestServe(t *testing.T) {
	r := newWorld(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(ctx, ln) }()
	base := "http://" + ln.Addr().String()
	events, status, _ := r.listen(base)
	if status != 200 || next(t, events).name != "hello" {
		t.Fatalf("stream: %d", status)
	}
	res, err := http.Get(base + "/api/v1/summary/dashboard")
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode != 200 {
		t.Errorf("dashboard: %d", res.StatusCode)
	}
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Serve does not end")
	}
	for range events { // the stream ended too
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestServeTellsWhyItCannot(t *testing.T) {
	r := newRig(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, ln.Close())
	if err := r.server.Serve(t.Context(), ln); err == nil || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("got %v, want an error that names the address", err)
	}
}

// TestCatalogue shows and launches every policy that is shipped.
func TestCatalogue(t *testing.T) {
	set, err := policies.Catalogue()
	must(t, err)
	if len(set.All()) == 0 {
		t.Fatal("the catalogue is empty")
	}
	r := newRig(t, func(o *Options) { o.Policies = set })
	for _, p := range set.All() {
		a := r.ask("POST", "/api/v1/policies", fmt.Sprintf(`{"policy_id":%q}`, p.ID))
		if a.StatusCode != 201 {
			t.Errorf("launch %s: %d %s", p.ID, a.StatusCode, a.body)
		}
		a = r.ask("GET", "/api/v1/policies/"+p.ID, "")
		checkAnswer(t, r.server.api.OpenAPI(), "GET", "/api/v1/policies/"+p.ID, a)
		full := decode[PolicyFull](t, a)
		if full.Status != "active" || full.Title == "" || full.Remediation == "" || len(full.Console) == 0 || full.Source == "" {
			t.Errorf("%s is shown as %+v", p.ID, full)
		}
	}
}

// BenchmarkListFindings is the API's part of a page of 50: the store's part
// grows with the store and is measured there.
func BenchmarkListFindings(b *testing.B) {
	d := &directory{accounts: map[string]qrie.Account{prod: {ID: prod, Name: "prod"}}, policies: testPolicies(b)}
	f := qrie.Finding{
		Ref:    qrie.Ref{Account: prod, Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: "billing-exports", ARN: "arn:aws:s3:::billing-exports", Global: true},
		Policy: "S3BucketListed", Name: "billing-exports", Severity: 90, State: qrie.Active, FirstSeen: start, OpenedAt: start, ChangedAt: start, LastEvaluated: start,
		Cause: qrie.Cause{Attribution: qrie.AttributionExact, Events: []qrie.Event{event("e", "PutBucketAcl", start)}},
	}
	page := make([]qrie.Finding, 50)
	for i := range page {
		page[i] = f
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := d.findings(page); len(got) != 50 {
			b.Fatal(len(got))
		}
	}
}
