package scanners

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/qrie-sec/qrie"
)

// policyVersion is a version of a managed policy with its document decoded.
type policyVersion struct {
	types.PolicyVersion
	Document any
}

func describePolicy(ctx context.Context, c *clients, ref qrie.Ref, d *document) (qrie.Ref, error) {
	// AWS answers about its own policies as well, and they belong to no account.
	if !strings.Contains(ref.ID, ":iam::"+ref.Account+":policy/") {
		return ref, refused(ref.Account, ref.Region, fmt.Sprintf("describe policy %s: it is no customer managed policy of account %s", ref.ID, ref.Account))
	}
	out, err := c.iam().GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &ref.ID})
	if err != nil {
		return ref, gone(err, "NoSuchEntity")
	}
	if out.Policy == nil {
		return ref, errEmpty
	}
	d.put("Policy", out.Policy)
	return ref, d.read(ctx, call{"DefaultVersion", nil, func(ctx context.Context) (any, error) {
		return defaultVersion(ctx, c.iam(), out.Policy)
	}})
}

func defaultVersion(ctx context.Context, client *iam.Client, policy *types.Policy) (any, error) {
	out, err := client.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: policy.Arn, VersionId: policy.DefaultVersionId})
	if err != nil {
		return nil, err
	}
	if out.PolicyVersion == nil {
		return nil, errEmpty
	}
	return policyVersion{*out.PolicyVersion, iamPolicyDocument(aws.ToString(out.PolicyVersion.Document))}, nil
}

// listPolicies lists the customer's policies; AWS's own are the same in every
// account.
func listPolicies(ctx context.Context, c *clients, token string) ([]listed, string, error) {
	out, err := c.iam().ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal, MaxItems: aws.Int32(iamPage), Marker: optional(token)})
	if err != nil {
		return nil, "", err
	}
	found := make([]listed, 0, len(out.Policies))
	for _, p := range out.Policies {
		found = append(found, listed{id: aws.ToString(p.Arn)})
	}
	return found, aws.ToString(out.Marker), nil
}
