package query

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

func TestRefusals(t *testing.T) {
	r := newWorld(t)
	long := strings.Repeat("x", 300)
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		kind, detail             string
	}{
		{"unknown path", "GET", "/api/v1/finding", "", 404, "not-found", "/api/v1/openapi.json"},
		{"trailing slash", "GET", "/api/v1/findings/", "", 404, "not-found", ""},
		{"other version", "GET", "/api/v2/findings", "", 404, "not-found", ""},
		{"wrong method", "PATCH", "/api/v1/findings", "", 405, "method-not-allowed", "GET"},
		{"post to a page", "POST", "/findings", "", 405, "method-not-allowed", "GET only"},
		{"misspelt parameter", "GET", "/api/v1/findings?acount=1", "", 422, "invalid", "the nearest is account"},
		{"parameter of another list", "GET", "/api/v1/resources?severity=high", "", 422, "invalid", "query.severity: unknown parameter"},
		{"parameter where there is none", "GET", "/api/v1/accounts?x=1", "", 422, "invalid", "takes none"},
		{"semicolon", "GET", "/api/v1/findings?a=1;b=2", "", 400, "bad-request", "semicolon"},
		{"scalar given twice", "GET", "/api/v1/findings?q=a&q=b", "", 422, "invalid", "several times"},
		{"page_size 0", "GET", "/api/v1/findings?page_size=0", "", 422, "invalid", "query.page_size"},
		{"page_size 501", "GET", "/api/v1/resources?page_size=501", "", 422, "invalid", "query.page_size"},
		{"page_size of letters", "GET", "/api/v1/findings?page_size=many", "", 422, "invalid", "query.page_size"},
		{"damaged token", "GET", "/api/v1/findings?next_token=abc", "", 400, "cursor-mismatch", "first page"},
		{"state", "GET", "/api/v1/findings?state=OPEN", "", 422, "invalid", `"OPEN" is none of ACTIVE, RESOLVED`},
		{"severity", "GET", "/api/v1/findings?severity=high,severe", "", 422, "invalid", `"severe" is none of critical`},
		{"account", "GET", "/api/v1/findings?account=prod", "", 422, "invalid", "twelve digits"},
		{"service", "GET", "/api/v1/findings?service=s33", "", 422, "invalid", "the nearest is s3"},
		{"type", "GET", "/api/v1/resources?type=AWS::S3::Buckets", "", 422, "invalid", "the nearest is AWS::S3::Bucket"},
		{"resource", "GET", "/api/v1/findings?resource=x", "", 422, "invalid", "a resource id"},
		{"opened_since", "GET", "/api/v1/findings?opened_since=yesterday", "", 422, "invalid", "7d"},
		{"too long a text", "GET", "/api/v1/findings?q=" + long, "", 422, "invalid", "query.q"},
		{"no such finding", "GET", "/api/v1/findings/f_no", "", 404, "not-found", `no finding "f_no"`},
		{"no such resource", "GET", "/api/v1/resources/r_no", "", 404, "not-found", `no resource "r_no"`},
		{"version of letters", "GET", "/api/v1/resources/r_no/history/first", "", 422, "invalid", "path.version"},
		{"status of policies", "GET", "/api/v1/policies?status=on", "", 422, "invalid", "query.status"},
		{"no such policy", "GET", "/api/v1/policies/S3BucketLusted", "", 404, "not-found", "the nearest is S3BucketListed"},
		{"no such policy in the list", "GET", "/api/v1/policies?policy_id=S3", "", 404, "not-found", "the nearest is"},
		{"another day", "GET", "/api/v1/summary/dashboard?date=2025-01-01", "", 422, "invalid", "of no other day"},
		{"no day", "GET", "/api/v1/summary/dashboard?date=today", "", 422, "invalid", "query.date"},
		{"negative sequence number", "GET", "/api/v1/changes?after=-2", "", 422, "invalid", "query.after"},
		{"no demo", "GET", "/api/v1/demo/changes", "", 404, "not-found", "only a demo"},
		{"body missing", "POST", "/api/v1/policies", "", 400, "bad-request", "body is required"},
		{"body not JSON", "POST", "/api/v1/policies", "{", 400, "bad-request", "body"},
		{"body with an unknown member", "POST", "/api/v1/policies", `{"policy_id":"S3BucketListed","sevrity":3}`, 422, "invalid", "body.sevrity"},
		{"body too large", "POST", "/api/v1/policies", `{"remediation":"` + strings.Repeat("x", maxBodyBytes) + `"}`, 413, "too-large", "limit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := r.ask(tc.method, tc.path, tc.body)
			p := (&rig{t: t}).problem(a, tc.status, tc.kind)
			if !strings.Contains(p.Detail, tc.detail) {
				t.Errorf("detail = %q, want %q in it", p.Detail, tc.detail)
			}
			if tc.status == 405 && a.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if len(a.body) > 2000 {
				t.Errorf("the problem repeats %d bytes of the request", len(a.body))
			}
		})
	}
	t.Run("media type", func(t *testing.T) {
		r.problem(r.ask("POST", "/api/v1/policies", "policy_id=S3BucketListed", "Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported-media-type")
	})
}

func TestTokenIsBoundToItsFilter(t *testing.T) {
	r := newWorld(t)
	first := get[FindingList](r, "/api/v1/findings?page_size=1&state=ACTIVE")
	r.problem(r.ask("GET", "/api/v1/findings?page_size=1&state=RESOLVED&next_token="+first.NextToken, ""), 400, "cursor-mismatch")
	seen := map[string]bool{first.Findings[0].ID: true}
	for next := first.NextToken; next != ""; {
		page := get[FindingList](r, "/api/v1/findings?page_size=1&state=ACTIVE&next_token="+next)
		for _, f := range page.Findings {
			if seen[f.ID] {
				t.Errorf("finding %s is on two pages", f.ID)
			}
			seen[f.ID] = true
		}
		next = page.NextToken
	}
	if len(seen) != 3 {
		t.Errorf("paging gave %d findings, want 3", len(seen))
	}
}

func TestRequestID(t *testing.T) {
	r := newRig(t)
	for _, tc := range []struct{ name, sent, want string }{
		{"kept", "trace-1.a_B", "trace-1.a_B"},
		{"made", "", "090a0b0c0d0e0f10"},
		{"a line break is not passed on", "a\nb", "1112131415161718"},
		{"too long", strings.Repeat("a", 65), "191a1b1c1d1e1f20"},
	} {
		if got := r.ask("GET", "/healthz", "", "X-Request-Id", tc.sent).Header.Get("X-Request-Id"); got != tc.want {
			t.Errorf("%s: X-Request-Id = %q, want %q", tc.name, got, tc.want)
		}
	}
}

// broken is a store in which one call does what a test says.
type broken struct {
	store.Store
	accounts func(context.Context) ([]qrie.Account, error)
}

func (b broken) ListAccounts(ctx context.Context) ([]qrie.Account, error) { return b.accounts(ctx) }

func TestFailures(t *testing.T) {
	for _, tc := range []struct {
		name     string
		accounts func(context.Context) ([]qrie.Account, error)
		status   int
		kind     string
		log      string
	}{
		{"an error is not shown", func(context.Context) ([]qrie.Account, error) { return nil, errors.New("disk on fire") }, 500, "internal", "disk on fire"},
		{"a panic is caught", func(context.Context) ([]qrie.Account, error) { panic("lost my mind") }, 500, "internal", "lost my mind"},
		{"a store that is too slow", func(ctx context.Context) ([]qrie.Account, error) {
			return nil, context.DeadlineExceeded
		}, 503, "unavailable", "deadline exceeded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			s := r.newServer(func(o *Options) { o.Store = broken{o.Store, tc.accounts} })
			a := r.askServer(s, "GET", "/api/v1/accounts", "")
			p := r.problem(a, tc.status, tc.kind)
			if strings.Contains(string(a.body), tc.log) {
				t.Errorf("the answer shows the cause: %s", a.body)
			}
			log := r.log.String()
			if !strings.Contains(log, tc.log) || !strings.Contains(log, p.RequestID) {
				t.Errorf("the log does not tell the cause under the request id %s: %s", p.RequestID, log)
			}
			if n := strings.Count(log, tc.log); n != 1 {
				t.Errorf("the cause is logged %d times: %s", n, log)
			}
			if tc.status == 503 && a.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			// The failure of one request is not kept for the next.
			if a := r.askServer(s, "GET", "/healthz", ""); a.StatusCode != 200 {
				t.Errorf("the next request: %d", a.StatusCode)
			}
		})
	}
}

func TestTimeLimit(t *testing.T) {
	r := newRig(t)
	var left time.Duration
	s := r.newServer(func(o *Options) {
		o.Store = broken{o.Store, func(ctx context.Context) ([]qrie.Account, error) {
			deadline, ok := ctx.Deadline()
			if !ok {
				t.Error("the request has no time limit")
			}
			left = time.Until(deadline)
			return nil, nil
		}}
	})
	if a := r.askServer(s, "GET", "/api/v1/accounts", ""); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if left <= 0 || left > quick {
		t.Errorf("%v are left of %v", left, quick)
	}
}
