package scanners

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/qrie-sec/qrie"
)

// sessionName is what the accounts' trails call qrie's sessions.
const sessionName = "qrie"

// assumedRole gets credentials for one account. aws.CredentialsCache keeps
// them and asks once however many callers wait.
type assumedRole struct {
	sts   *sts.Client
	entry entry
	log   *slog.Logger
}

var _ aws.CredentialsProvider = assumedRole{}

// Retrieve assumes the role. Its error is an *accessError.
func (r assumedRole) Retrieve(ctx context.Context) (aws.Credentials, error) {
	in := &sts.AssumeRoleInput{RoleArn: &r.entry.role, RoleSessionName: aws.String(sessionName)}
	if r.entry.externalID != "" {
		in.ExternalId = &r.entry.externalID
	}
	out, err := r.sts.AssumeRole(ctx, in)
	if err != nil {
		return aws.Credentials{}, entryError(ctx, "sts:AssumeRole", "assume "+r.entry.role, r.entry.externalID, err)
	}
	if out.Credentials == nil || out.Credentials.Expiration == nil {
		return aws.Credentials{}, &accessError{
			kind: qrie.Transient, code: "NoCredentials", action: "sts:AssumeRole",
			text: "assume " + r.entry.role + ": the answer holds no credentials",
		}
	}
	r.log.Debug("role assumed", "account", r.entry.account, "expires", *out.Credentials.Expiration)
	return aws.Credentials{
		AccessKeyID:     aws.ToString(out.Credentials.AccessKeyId),
		SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken:    aws.ToString(out.Credentials.SessionToken),
		Source:          "qrie AssumeRole",
		CanExpire:       true,
		Expires:         *out.Credentials.Expiration,
		AccountID:       r.entry.account,
	}, nil
}

// checkRole refuses a role that is not in the account: what it reads would be
// recorded under the wrong id.
func checkRole(a qrie.Account) error {
	parts := strings.SplitN(a.RoleARN, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && parts[2] == "iam" && parts[4] == a.ID && strings.HasPrefix(parts[5], "role/") {
		return nil
	}
	return &accessError{
		kind: qrie.Unreached, code: "WrongRole", action: "sts:AssumeRole",
		text: fmt.Sprintf("role_arn %q is no IAM role of account %s: correct the account's role_arn", a.RoleARN, a.ID),
	}
}

// accessError says that an account cannot be entered. It holds text and never
// the SDK's error, which may quote the external id.
type accessError struct {
	kind   qrie.FaultKind
	code   string
	action string
	text   string
	cause  error // an error without secrets, or nil
}

func (e *accessError) Error() string { return e.text }
func (e *accessError) Unwrap() error { return e.cause }

// entryError classifies a failed call of STS and strikes the external id from
// its text: STS repeats an external id that it finds malformed.
func entryError(ctx context.Context, action, tried, secret string, err error) *accessError {
	e := &accessError{kind: kindOf(err), code: codeOf(err), action: action, cause: ctx.Err()}
	var api smithy.APIError
	var send *smithyhttp.RequestSendError
	switch {
	case e.kind == qrie.Denied, e.kind == qrie.Invalid:
		e.kind = qrie.Unreached
	case e.cause == nil && !errors.As(err, &api) && !errors.As(err, &send) && statusOf(err) == 0:
		// Nothing was sent: qrie has no credentials of its own.
		e.kind, e.code = qrie.Unreached, "NoOwnCredentials"
	}
	text := err.Error()
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "[external id]")
	}
	e.text = tried + ": " + text
	return e
}
