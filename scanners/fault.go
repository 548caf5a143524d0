package scanners

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/qrie-sec/qrie"
)

// errGone is returned by a describe whose first call says that there is no
// such resource.
var errGone = errors.New("no such resource")

// errEmpty is an answer of status 200 without the thing asked for.
var errEmpty = errors.New("the answer is empty")

// codes classifies AWS's error codes where the HTTP status does not tell
// enough. Sources: the "Common errors" and "Error codes" pages of each
// service's API reference. Throttling codes are those the SDK knows.
var codes = map[string]qrie.FaultKind{
	"AccessDenied":          qrie.Denied,
	"AccessDeniedException": qrie.Denied,
	"AllAccessDisabled":     qrie.Denied, // S3: the bucket's owner is suspended
	"UnauthorizedOperation": qrie.Denied, // EC2
	"AuthorizationError":    qrie.Denied,
	"NotAuthorized":         qrie.Denied,

	// The credentials are not taken here: the role's trust or session ended,
	// or the account has not enabled the Region.
	"AuthFailure":                 qrie.Unreached, // EC2
	"Blocked":                     qrie.Unreached, // EC2: the account is blocked
	"ExpiredToken":                qrie.Unreached,
	"ExpiredTokenException":       qrie.Unreached,
	"IncompleteSignature":         qrie.Unreached,
	"InvalidAccessKeyId":          qrie.Unreached,
	"InvalidClientTokenId":        qrie.Unreached,
	"InvalidToken":                qrie.Unreached,
	"MissingAuthenticationToken":  qrie.Unreached,
	"NotSignedUp":                 qrie.Unreached, // S3
	"OptInRequired":               qrie.Unreached,
	"PendingVerification":         qrie.Unreached, // EC2: the account is being verified
	"SignatureDoesNotMatch":       qrie.Unreached,
	"TokenRefreshRequired":        qrie.Unreached,
	"UnrecognizedClientException": qrie.Unreached,

	"RequestExpired":       qrie.Transient, // the clock is off; the SDK learns by how much
	"RequestTimeTooSkewed": qrie.Transient, // S3, the same
	"RequestTimeout":       qrie.Transient, // S3 answers it with status 400
	"OperationAborted":     qrie.Transient, // S3: a conflicting change is under way
	"ReportInProgress":     qrie.Transient, // IAM's credential report, see account.go
	"ReportNotPresent":     qrie.Transient,
	"ReportExpired":        qrie.Transient,

	// A resource that its first call saw is gone by the next: it is being
	// deleted, and reading it again tells.
	"NoSuchBucket":                    qrie.Transient,
	"NoSuchEntity":                    qrie.Transient,
	"InvalidInstanceID.NotFound":      qrie.Transient,
	"InvalidVolume.NotFound":          qrie.Transient,
	"InvalidGroup.NotFound":           qrie.Transient,
	"InvalidSecurityGroupID.NotFound": qrie.Transient,
	"DBInstanceNotFound":              qrie.Transient,
	"DBInstanceNotFoundFault":         qrie.Transient,
}

var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// kindOf classifies a failed call.
func kindOf(err error) qrie.FaultKind {
	var fault *qrie.Fault
	var entry *accessError
	var invalid smithy.InvalidParamsError
	var large *tooLargeError
	switch {
	case errors.As(err, &fault):
		return fault.Kind
	case errors.As(err, &entry):
		return entry.kind
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return qrie.Transient
	case errors.As(err, &invalid), errors.As(err, &large):
		return qrie.Invalid
	case throttles.IsErrorThrottle(err).Bool():
		return qrie.Throttled
	}
	if kind, ok := codes[codeOf(err)]; ok {
		return kind
	}
	switch status := statusOf(err); {
	case status == http.StatusTooManyRequests:
		return qrie.Throttled
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return qrie.Denied
	case status >= 400 && status < 500:
		return qrie.Invalid
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorFault() == smithy.FaultClient {
		return qrie.Invalid
	}
	// 5xx, the network, an answer that breaks off.
	return qrie.Transient
}

// noCode is the SDK's word for an answer that is no error document of AWS's.
const noCode = "UnknownError"

// codeOf returns AWS's error code, or a word in its place where AWS gave no
// answer.
func codeOf(err error) string {
	var entry *accessError
	var api smithy.APIError
	var large *tooLargeError
	switch {
	case errors.As(err, &entry):
		return entry.code
	case errors.As(err, &api) && api.ErrorCode() != "" && api.ErrorCode() != noCode:
		return api.ErrorCode()
	case errors.Is(err, context.Canceled):
		return "Canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "Timeout"
	case errors.As(err, &large):
		return "AnswerTooLarge"
	case statusOf(err) != 0:
		return "HTTP" + strconv.Itoa(statusOf(err))
	default:
		return "NoAnswer"
	}
}

func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil || response.Response.Response == nil {
		return 0
	}
	return response.Response.StatusCode
}

// actions are the IAM actions whose names differ from their operation's.
// Source: the service authorization reference of Amazon S3.
var actions = map[string]string{
	"S3.GetBucketEncryption":          "s3:GetEncryptionConfiguration",
	"S3.GetPublicAccessBlock":         "s3:GetBucketPublicAccessBlock",
	"S3.ListBuckets":                  "s3:ListAllMyBuckets",
	"S3 Control.GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
}

// actionOf returns the IAM action that the failed call takes; empty if the
// error is of no call.
func actionOf(err error) string {
	var entry *accessError
	if errors.As(err, &entry) {
		return entry.action
	}
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return ""
	}
	if action, ok := actions[op.ServiceID+"."+op.OperationName]; ok {
		return action
	}
	return strings.ToLower(op.ServiceID) + ":" + op.OperationName
}

// newFault turns the error of a call into the fault that callers see.
func newFault(account, region string, err error) *qrie.Fault {
	var fault *qrie.Fault
	if errors.As(err, &fault) {
		return fault
	}
	return &qrie.Fault{
		Kind:       kindOf(err),
		Account:    account,
		Region:     region,
		Action:     actionOf(err),
		Code:       codeOf(err),
		RetryAfter: retryAfter(err),
		Err:        err,
	}
}

// maxRetryAfter bounds how long an answer can make callers wait.
const maxRetryAfter = 5 * time.Minute

func retryAfter(err error) time.Duration {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil || response.Response.Response == nil {
		return 0
	}
	seconds, err := strconv.Atoi(response.Response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}
