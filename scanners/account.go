package scanners

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/smithy-go"

	"github.com/qrie-sec/qrie"
)

// reportPolls is how often a credential report is asked for before the
// describe gives up and is tried again as a whole; the wait begins at one
// second and doubles. AWS makes a report in seconds, and at most one in four
// hours.
const reportPolls = 5

// rootUser is what the credential report calls the root user.
const rootUser = "<root_account>"

// describeAccount never finds the account gone: that its role could be assumed
// says that it is there.
func describeAccount(ctx context.Context, c *clients, ref qrie.Ref, d *document) (qrie.Ref, error) {
	if ref.ID != ref.Account {
		return ref, refused(ref.Account, ref.Region, fmt.Sprintf("describe account %s through account %s: an account is read through itself", ref.ID, ref.Account))
	}
	return ref, d.read(ctx,
		call{"Summary", nil, c.accountSummary},
		call{"PasswordPolicy", []string{"NoSuchEntity"}, c.passwordPolicy},
		call{"PublicAccessBlock", []string{"NoSuchPublicAccessBlockConfiguration"}, c.accountPublicAccessBlock},
		call{"RootCredentials", nil, c.rootCredentials},
	)
}

func listAccount(_ context.Context, c *clients, _ string) ([]listed, string, error) {
	return []listed{{id: c.account}}, "", nil
}

func (c *clients) accountSummary(ctx context.Context) (any, error) {
	out, err := c.iam().GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		return nil, err
	}
	return out.SummaryMap, nil
}

func (c *clients) passwordPolicy(ctx context.Context) (any, error) {
	out, err := c.iam().GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{})
	if err != nil {
		return nil, err
	}
	return out.PasswordPolicy, nil
}

func (c *clients) accountPublicAccessBlock(ctx context.Context) (any, error) {
	out, err := c.s3control().GetPublicAccessBlock(ctx, &s3control.GetPublicAccessBlockInput{AccountId: &c.account})
	if err != nil {
		return nil, err
	}
	return out.PublicAccessBlockConfiguration, nil
}

// rootCredentials reads the root user's row of the credential report. AWS
// serves a report of up to four hours ago; it makes a new one only after that.
func (c *clients) rootCredentials(ctx context.Context) (any, error) {
	wait := time.Second
	for poll := 1; ; poll++ {
		out, err := c.iam().GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{})
		if err != nil {
			return nil, err
		}
		if out.State == types.ReportStateTypeComplete {
			break
		}
		if poll == reportPolls {
			return nil, reportError("ReportInProgress", "the credential report is still being made")
		}
		if err := c.sleep(ctx, wait); err != nil {
			return nil, err
		}
		wait *= 2
	}
	out, err := c.iam().GetCredentialReport(ctx, &iam.GetCredentialReportInput{})
	if err != nil {
		return nil, err
	}
	row, err := reportRow(out.Content, rootUser)
	if err != nil {
		return nil, reportError("MalformedCredentialReport", err.Error())
	}
	return row, nil
}

// reportError words a report that cannot be used as AWS would an error.
func reportError(code, text string) error {
	return &smithy.OperationError{
		ServiceID: iam.ServiceID, OperationName: "GetCredentialReport",
		Err: &smithy.GenericAPIError{Code: code, Message: text, Fault: smithy.FaultClient},
	}
}

// reportRow returns one user's row of a credential report under AWS's column
// names. Columns that AWS adds later come along.
func reportRow(report []byte, user string) (map[string]string, error) {
	r := csv.NewReader(bytes.NewReader(report))
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("read the columns of the credential report: %w", err)
	}
	columns := append([]string(nil), header...)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the credential report has no row of %s", user)
		}
		if err != nil {
			return nil, fmt.Errorf("read the credential report: %w", err)
		}
		if record[0] != user {
			continue
		}
		row := make(map[string]string, len(columns))
		for i, column := range columns {
			row[column] = record[i]
		}
		return row, nil
	}
}
