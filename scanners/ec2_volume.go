package scanners

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/qrie-sec/qrie"
)

func describeVolume(ctx context.Context, c *clients, ref qrie.Ref, d *document) (qrie.Ref, error) {
	out, err := c.ec2().DescribeVolumes(ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{ref.ID}})
	if err != nil {
		return ref, gone(err, "InvalidVolume.NotFound")
	}
	if len(out.Volumes) == 0 || out.Volumes[0].State == types.VolumeStateDeleted {
		return ref, errGone
	}
	d.put("Volume", out.Volumes[0])
	return ref, nil
}

func listVolumes(ctx context.Context, c *clients, token string) ([]listed, string, error) {
	out, err := c.ec2().DescribeVolumes(ctx, &ec2.DescribeVolumesInput{MaxResults: aws.Int32(ec2Page), NextToken: optional(token)})
	if err != nil {
		return nil, "", err
	}
	found := make([]listed, 0, len(out.Volumes))
	for _, v := range out.Volumes {
		if v.State != types.VolumeStateDeleted {
			found = append(found, listed{id: aws.ToString(v.VolumeId)})
		}
	}
	return found, aws.ToString(out.NextToken), nil
}
