package scanners

import (
	"context"
	"fmt"
	"slices"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// reader is how one resource type is read.
type reader struct {
	name string // CloudFormation name
	// describe reads one resource into d and returns ref completed. It
	// returns errGone if AWS says that there is no such resource.
	describe func(ctx context.Context, c *clients, ref qrie.Ref, d *document) (qrie.Ref, error)
	// list returns one page and the token of the next, which is AWS's own
	// marker.
	list func(ctx context.Context, c *clients, token string) ([]listed, string, error)

	resource resources.Type // filled in from the name
}

// listed is one resource of a page. Without an ARN it follows from the type's
// template, without a Region it is the one that was listed.
type listed struct{ id, arn, region string }

// readers lists every type that can be read, by name. It agrees with
// resources.All.
func readers() []reader {
	all := []reader{
		{name: "AWS::Account", describe: describeAccount, list: listAccount},
		{name: "AWS::EC2::Instance", describe: describeInstance, list: listInstances},
		{name: "AWS::EC2::SecurityGroup", describe: describeSecurityGroup, list: listSecurityGroups},
		{name: "AWS::EC2::Volume", describe: describeVolume, list: listVolumes},
		{name: "AWS::IAM::ManagedPolicy", describe: describePolicy, list: listPolicies},
		{name: "AWS::IAM::User", describe: describeUser, list: listUsers},
		{name: "AWS::RDS::DBInstance", describe: describeDBInstance, list: listDBInstances},
		{name: "AWS::S3::Bucket", describe: describeBucket, list: listBuckets},
	}
	for i := range all {
		t, ok := resources.Find(all[i].name)
		if !ok {
			panic(fmt.Sprintf("BUG: no resource type %s", all[i].name))
		}
		all[i].resource = t
	}
	return all
}

// gone returns errGone if the error's code is one of those that say that the
// resource does not exist.
func gone(err error, notFound ...string) error {
	if slices.Contains(notFound, codeOf(err)) {
		return errGone
	}
	return err
}

// maxPages bounds the pages of one part of one resource. AWS's quotas keep
// each of them under a few hundred items; a list without end is a fault of the
// far side.
const maxPages = 50

// everyPage gathers the items of all pages, in AWS's order. No items are an
// empty list and not an absent one: AWS was asked and has none.
func everyPage[Item any](page func(marker *string) (items []Item, next *string, err error)) ([]Item, error) {
	all := []Item{}
	var marker *string
	for range maxPages {
		items, next, err := page(marker)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if next == nil || *next == "" {
			return all, nil
		}
		marker = next
	}
	return nil, fmt.Errorf("read all pages: AWS gives no last one after %d", maxPages)
}

// answer hands a call's output on as a document's member: all of it.
func answer[Output any](out *Output, err error) (any, error) { return out, err }

// optional is nil for the empty string, which AWS refuses as a marker.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
