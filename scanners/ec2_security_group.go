package scanners

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/qrie-sec/qrie"
)

func describeSecurityGroup(ctx context.Context, c *clients, ref qrie.Ref, d *document) (qrie.Ref, error) {
	out, err := c.ec2().DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{ref.ID}})
	if err != nil {
		return ref, gone(err, "InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound")
	}
	if len(out.SecurityGroups) == 0 {
		return ref, errGone
	}
	d.put("SecurityGroup", out.SecurityGroups[0])
	return ref, nil
}

// listSecurityGroups lists the account's own groups: in a shared VPC, EC2
// would show those of its owner as well.
func listSecurityGroups(ctx context.Context, c *clients, token string) ([]listed, string, error) {
	out, err := c.ec2().DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters:    []types.Filter{{Name: aws.String("owner-id"), Values: []string{c.account}}},
		MaxResults: aws.Int32(ec2Page),
		NextToken:  optional(token),
	})
	if err != nil {
		return nil, "", err
	}
	found := make([]listed, 0, len(out.SecurityGroups))
	for _, g := range out.SecurityGroups {
		found = append(found, listed{id: aws.ToString(g.GroupId)})
	}
	return found, aws.ToString(out.NextToken), nil
}
