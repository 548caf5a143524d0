package scanners

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/qrie-sec/qrie"
)

// answered is an error as the SDK returns it for an answer.
func answered(service, operation string, status int, code string, header http.Header) error {
	return &smithy.OperationError{ServiceID: service, OperationName: operation, Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: header}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "message"},
	}}
}

func TestKindOf(t *testing.T) {
	f := func(want qrie.FaultKind, code string, err error) {
		t.Helper()
		if got := kindOf(err); got != want {
			t.Errorf("kind %s, want %s: %v", got, want, err)
		}
		if got := codeOf(err); got != code {
			t.Errorf("code %q, want %q: %v", got, code, err)
		}
	}
	answer := func(status int, code string) error { return answered("EC2", "DescribeVolumes", status, code, nil) }
	f(qrie.Throttled, "Throttling", answer(400, "Throttling"))
	f(qrie.Throttled, "RequestLimitExceeded", answer(503, "RequestLimitExceeded"))
	f(qrie.Throttled, "SlowDown", answer(503, "SlowDown"))
	f(qrie.Throttled, "HTTP429", answer(429, noCode))
	f(qrie.Denied, "UnauthorizedOperation", answer(403, "UnauthorizedOperation"))
	f(qrie.Denied, "SomethingNew", answer(403, "SomethingNew"))
	f(qrie.Unreached, "AuthFailure", answer(401, "AuthFailure"))
	f(qrie.Unreached, "OptInRequired", answer(403, "OptInRequired"))
	f(qrie.Unreached, "InvalidClientTokenId", answer(403, "InvalidClientTokenId"))
	f(qrie.Invalid, "InvalidNextToken", answer(400, "InvalidNextToken"))
	f(qrie.Invalid, "HTTP405", answer(405, noCode))
	f(qrie.Transient, "InternalError", answer(500, "InternalError"))
	f(qrie.Transient, "HTTP502", answer(502, noCode))
	f(qrie.Transient, "RequestTimeout", answer(400, "RequestTimeout"))
	f(qrie.Transient, "Canceled", &smithy.CanceledError{Err: context.Canceled})
	f(qrie.Transient, "Timeout", fmt.Errorf("send: %w", context.DeadlineExceeded))
	f(qrie.Transient, "NoAnswer", &smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}})
	f(qrie.Transient, "NoAnswer", errEmpty)
	f(qrie.Invalid, "AnswerTooLarge", &smithyhttp.RequestSendError{Err: &tooLargeError{"host", 1}})
}

func TestNewFault(t *testing.T) {
	err := answered("S3", "GetBucketEncryption", 503, "SlowDown", http.Header{"Retry-After": {"7"}})
	f := newFault("111122223333", "eu-west-1", err)
	if f.Kind != qrie.Throttled || f.Account != "111122223333" || f.Region != "eu-west-1" ||
		f.Action != "s3:GetEncryptionConfiguration" || f.Code != "SlowDown" || f.RetryAfter != 7*time.Second || !errors.Is(f, err) {
		t.Errorf("fault %+v", f)
	}
	if again := newFault("x", "y", fmt.Errorf("wrapped: %w", f)); again != f {
		t.Errorf("a fault became another: %+v", again)
	}
	for value, want := range map[string]time.Duration{"": 0, "soon": 0, "-4": 0, "999999": maxRetryAfter} {
		if got := newFault("a", "r", answered("S3", "ListBuckets", 503, "SlowDown", http.Header{"Retry-After": {value}})).RetryAfter; got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
}

// The names of IAM actions are AWS's, and easily mistaken for the names of
// calls.
func TestActionsExist(t *testing.T) {
	data, err := os.ReadFile("../../shared/data/maps/iam_actions.json")
	if err != nil {
		t.Skipf("SKIPPED: AWS's list of IAM actions is not here, so no action was looked up: %v", err)
	}
	var list map[string]map[string]json.RawMessage
	decode(t, data, &list)
	if len(list) < 100 {
		t.Fatalf("the list has %d services", len(list))
	}
	for _, r := range readers() {
		for _, a := range r.resource.Actions {
			service, name, _ := strings.Cut(a.Name, ":")
			if _, ok := list[service][name]; !ok {
				t.Errorf("%s: AWS has no action %s", r.name, a.Name)
			}
		}
	}
	for call, action := range actions {
		service, name, _ := strings.Cut(action, ":")
		if _, ok := list[service][name]; !ok {
			t.Errorf("%s: AWS has no action %s", call, action)
		}
	}
}

func TestValidRegion(t *testing.T) {
	f := func(region string, want bool) {
		t.Helper()
		if got := validRegion(region); got != want {
			t.Errorf("%q: %t, want %t", region, got, want)
		}
	}
	f("us-east-1", true)
	f("us-gov-west-1", true)
	f("", false)
	f("US-EAST-1", false)
	f("us-east-1.evil.example", false)
	f("evil.example/#", false)
	f("-us", false)
	f("us-", false)
	f("us_east", false)
	f(strings.Repeat("a", 33), false)
	f("us-east-1\n", false)
}
