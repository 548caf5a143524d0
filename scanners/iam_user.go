package scanners

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/qrie-sec/qrie"
)

// iamPage is how many users or policies one page lists; AWS allows 1,000.
const iamPage = 500

// user makes the calls of one IAM user.
type user struct {
	iam  *iam.Client
	name *string
}

// accessKey is an access key with its last use, which AWS tells apart.
type accessKey struct {
	types.AccessKeyMetadata
	LastUsed *types.AccessKeyLastUsed
}

// inlinePolicy is an inline policy with its document decoded.
type inlinePolicy struct {
	PolicyName     *string
	PolicyDocument any
}

func describeUser(ctx context.Context, c *clients, ref qrie.Ref, d *document) (qrie.Ref, error) {
	out, err := c.iam().GetUser(ctx, &iam.GetUserInput{UserName: &ref.ID})
	if err != nil {
		return ref, gone(err, "NoSuchEntity")
	}
	if out.User == nil {
		return ref, errEmpty
	}
	ref.ARN = aws.ToString(out.User.Arn)
	d.put("User", out.User)
	u := user{c.iam(), &ref.ID}
	return ref, d.read(ctx,
		// A user without a password has no login profile.
		call{"LoginProfile", []string{"NoSuchEntity"}, u.loginProfile},
		call{"MFADevices", nil, u.mfaDevices},
		call{"AccessKeys", nil, u.accessKeys},
		call{"AttachedPolicies", nil, u.attachedPolicies},
		call{"InlinePolicies", nil, u.inlinePolicies},
		call{"Groups", nil, u.groups},
	)
}

func (u user) loginProfile(ctx context.Context) (any, error) {
	out, err := u.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: u.name})
	if err != nil {
		return nil, err
	}
	return out.LoginProfile, nil
}

func (u user) mfaDevices(ctx context.Context) (any, error) {
	return everyPage(func(marker *string) ([]types.MFADevice, *string, error) {
		out, err := u.iam.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: u.name, Marker: marker})
		if err != nil {
			return nil, nil, err
		}
		return out.MFADevices, out.Marker, nil
	})
}

// accessKeys gives all keys with their last use or none: a key whose use
// cannot be seen must not look like one that was never used.
func (u user) accessKeys(ctx context.Context) (any, error) {
	return everyPage(func(marker *string) ([]accessKey, *string, error) {
		out, err := u.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: u.name, Marker: marker})
		if err != nil {
			return nil, nil, err
		}
		var keys []accessKey
		for _, key := range out.AccessKeyMetadata {
			used, err := u.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: key.AccessKeyId})
			if err != nil {
				return nil, nil, err
			}
			keys = append(keys, accessKey{key, used.AccessKeyLastUsed})
		}
		return keys, out.Marker, nil
	})
}

func (u user) attachedPolicies(ctx context.Context) (any, error) {
	return everyPage(func(marker *string) ([]types.AttachedPolicy, *string, error) {
		out, err := u.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: u.name, Marker: marker})
		if err != nil {
			return nil, nil, err
		}
		return out.AttachedPolicies, out.Marker, nil
	})
}

func (u user) inlinePolicies(ctx context.Context) (any, error) {
	return everyPage(func(marker *string) ([]inlinePolicy, *string, error) {
		out, err := u.iam.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: u.name, Marker: marker})
		if err != nil {
			return nil, nil, err
		}
		var policies []inlinePolicy
		for _, name := range out.PolicyNames {
			policy, err := u.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: u.name, PolicyName: &name})
			if err != nil {
				return nil, nil, err
			}
			policies = append(policies, inlinePolicy{policy.PolicyName, iamPolicyDocument(aws.ToString(policy.PolicyDocument))})
		}
		return policies, out.Marker, nil
	})
}

func (u user) groups(ctx context.Context) (any, error) {
	return everyPage(func(marker *string) ([]types.Group, *string, error) {
		out, err := u.iam.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: u.name, Marker: marker})
		if err != nil {
			return nil, nil, err
		}
		return out.Groups, out.Marker, nil
	})
}

func listUsers(ctx context.Context, c *clients, token string) ([]listed, string, error) {
	out, err := c.iam().ListUsers(ctx, &iam.ListUsersInput{MaxItems: aws.Int32(iamPage), Marker: optional(token)})
	if err != nil {
		return nil, "", err
	}
	found := make([]listed, 0, len(out.Users))
	for _, u := range out.Users {
		found = append(found, listed{id: aws.ToString(u.UserName), arn: aws.ToString(u.Arn)})
	}
	return found, aws.ToString(out.Marker), nil
}
