package scanners

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/qrie-sec/qrie"
)

// rdsPage is how many instances one page lists, the most that AWS allows.
const rdsPage = 100

func describeDBInstance(ctx context.Context, c *clients, ref qrie.Ref, d *document) (qrie.Ref, error) {
	out, err := c.rds().DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &ref.ID})
	if err != nil {
		return ref, gone(err, "DBInstanceNotFound", "DBInstanceNotFoundFault")
	}
	if len(out.DBInstances) == 0 {
		return ref, errGone
	}
	instance := out.DBInstances[0]
	if instance.DBInstanceArn != nil {
		ref.ARN = *instance.DBInstanceArn
	}
	d.put("DBInstance", instance)
	return ref, nil
}

func listDBInstances(ctx context.Context, c *clients, token string) ([]listed, string, error) {
	out, err := c.rds().DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{MaxRecords: aws.Int32(rdsPage), Marker: optional(token)})
	if err != nil {
		return nil, "", err
	}
	found := make([]listed, 0, len(out.DBInstances))
	for _, i := range out.DBInstances {
		found = append(found, listed{id: aws.ToString(i.DBInstanceIdentifier), arn: aws.ToString(i.DBInstanceArn)})
	}
	return found, aws.ToString(out.Marker), nil
}
