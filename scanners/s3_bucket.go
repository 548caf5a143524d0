package scanners

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/qrie-sec/qrie"
)

// bucketPage is how many buckets one page lists; AWS allows 10,000.
const bucketPage = 500

// bucket makes the calls of one bucket. The owner is sent with each of them:
// S3 then refuses to answer about a bucket of another account that happens to
// be open to this one.
type bucket struct {
	s3    *s3.Client
	name  *string
	owner *string
}

func describeBucket(ctx context.Context, c *clients, ref qrie.Ref, d *document) (qrie.Ref, error) {
	region, err := locateBucket(ctx, c, ref, d)
	if err != nil {
		return ref, gone(err, "NoSuchBucket")
	}
	ref.Region = region
	c = c.in(region)
	b := bucket{c.s3(), &ref.ID, &ref.Account}
	return ref, d.read(ctx,
		call{"PublicAccessBlock", []string{"NoSuchPublicAccessBlockConfiguration"}, b.publicAccessBlock},
		call{"AccountPublicAccessBlock", []string{"NoSuchPublicAccessBlockConfiguration"}, c.accountPublicAccessBlock},
		call{"PolicyStatus", []string{"NoSuchBucketPolicy"}, b.policyStatus},
		call{"Policy", []string{"NoSuchBucketPolicy"}, b.policy},
		call{"Acl", nil, b.acl},
		call{"OwnershipControls", []string{"OwnershipControlsNotFoundError"}, b.ownershipControls},
		call{"Versioning", nil, b.versioning},
		call{"Encryption", []string{"ServerSideEncryptionConfigurationNotFoundError"}, b.encryption},
		call{"Logging", nil, b.logging},
		call{"Tags", []string{"NoSuchTagSet", "NoSuchTagSetError"}, b.tags},
	)
}

// locateBucket returns the Region of a bucket and puts the Location. It asks
// where the ref says the bucket is; if S3 answers that it is elsewhere, it
// asks there.
func locateBucket(ctx context.Context, c *clients, ref qrie.Ref, d *document) (string, error) {
	ask := func(c *clients) (*s3.GetBucketLocationOutput, error) {
		return c.s3().GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &ref.ID, ExpectedBucketOwner: &ref.Account})
	}
	out, err := ask(c)
	if region := elsewhere(err); region != "" && region != c.region {
		out, err = ask(c.in(region))
	}
	if err != nil {
		return "", err
	}
	d.put("Location", out)
	return bucketRegion(string(out.LocationConstraint)), nil
}

// elsewhere returns the Region in which to ask after an error of the wrong
// one, and "" for every other error.
func elsewhere(err error) string {
	if !slices.Contains([]string{"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}, codeOf(err)) {
		return ""
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		if region := response.Response.Header.Get("X-Amz-Bucket-Region"); validRegion(region) {
			return region
		}
	}
	return homeRegion
}

// bucketRegion reads a location constraint. S3 predates Regions: no constraint
// is us-east-1, and EU is eu-west-1. Source: GetBucketLocation, S3 API
// reference.
func bucketRegion(constraint string) string {
	switch constraint {
	case "":
		return homeRegion
	case string(types.BucketLocationConstraintEu):
		return "eu-west-1"
	}
	return constraint
}

func (b bucket) publicAccessBlock(ctx context.Context) (any, error) {
	out, err := b.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if err != nil {
		return nil, err
	}
	return out.PublicAccessBlockConfiguration, nil
}

func (b bucket) policyStatus(ctx context.Context) (any, error) {
	out, err := b.s3.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if err != nil {
		return nil, err
	}
	return out.PolicyStatus, nil
}

func (b bucket) policy(ctx context.Context) (any, error) {
	out, err := b.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if err != nil || out.Policy == nil {
		return nil, err
	}
	return policyDocument(*out.Policy), nil
}

func (b bucket) acl(ctx context.Context) (any, error) {
	return answer(b.s3.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: b.name, ExpectedBucketOwner: b.owner}))
}

func (b bucket) ownershipControls(ctx context.Context) (any, error) {
	out, err := b.s3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if err != nil {
		return nil, err
	}
	return out.OwnershipControls, nil
}

func (b bucket) versioning(ctx context.Context) (any, error) {
	return answer(b.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: b.name, ExpectedBucketOwner: b.owner}))
}

func (b bucket) encryption(ctx context.Context) (any, error) {
	out, err := b.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if err != nil {
		return nil, err
	}
	return out.ServerSideEncryptionConfiguration, nil
}

func (b bucket) logging(ctx context.Context) (any, error) {
	out, err := b.s3.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if err != nil {
		return nil, err
	}
	return out.LoggingEnabled, nil
}

func (b bucket) tags(ctx context.Context) (any, error) {
	out, err := b.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if err != nil {
		return nil, err
	}
	return out.TagSet, nil
}

// listBuckets lists the buckets of every Region. S3 names each bucket's Region
// when it is asked for a page.
func listBuckets(ctx context.Context, c *clients, token string) ([]listed, string, error) {
	out, err := c.s3().ListBuckets(ctx, &s3.ListBucketsInput{MaxBuckets: aws.Int32(bucketPage), ContinuationToken: optional(token)})
	if err != nil {
		return nil, "", err
	}
	found := make([]listed, 0, len(out.Buckets))
	for _, b := range out.Buckets {
		found = append(found, listed{id: aws.ToString(b.Name), region: aws.ToString(b.BucketRegion)})
	}
	return found, aws.ToString(out.ContinuationToken), nil
}
