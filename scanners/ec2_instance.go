package scanners

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/qrie-sec/qrie"
)

// ec2Page is how many resources one page of EC2 lists; AWS allows 1,000. It
// bounds the size of an answer, which holds each of them whole.
const ec2Page = 100

func describeInstance(ctx context.Context, c *clients, ref qrie.Ref, d *document) (qrie.Ref, error) {
	out, err := c.ec2().DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{ref.ID}})
	if err != nil {
		return ref, gone(err, "InvalidInstanceID.NotFound")
	}
	if len(out.Reservations) == 0 || len(out.Reservations[0].Instances) == 0 {
		return ref, errGone
	}
	instance := out.Reservations[0].Instances[0]
	if terminated(instance) {
		return ref, errGone
	}
	d.put("Instance", instance)
	return ref, d.read(ctx, call{"Volumes", nil, func(ctx context.Context) (any, error) {
		return attachedVolumes(ctx, c.ec2(), ref.ID)
	}})
}

// terminated tells an instance that is gone for good: EC2 goes on answering
// about it for about an hour.
func terminated(i types.Instance) bool {
	return i.State != nil && i.State.Name == types.InstanceStateNameTerminated
}

func attachedVolumes(ctx context.Context, client *ec2.Client, instance string) (any, error) {
	return everyPage(func(token *string) ([]types.Volume, *string, error) {
		out, err := client.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{
			Filters:    []types.Filter{{Name: aws.String("attachment.instance-id"), Values: []string{instance}}},
			MaxResults: aws.Int32(ec2Page),
			NextToken:  token,
		})
		if err != nil {
			return nil, nil, err
		}
		return out.Volumes, out.NextToken, nil
	})
}

func listInstances(ctx context.Context, c *clients, token string) ([]listed, string, error) {
	out, err := c.ec2().DescribeInstances(ctx, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(ec2Page), NextToken: optional(token)})
	if err != nil {
		return nil, "", err
	}
	var found []listed
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if !terminated(i) {
				found = append(found, listed{id: aws.ToString(i.InstanceId)})
			}
		}
	}
	return found, aws.ToString(out.NextToken), nil
}
