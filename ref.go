package qrie

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// Ref names one AWS resource. Account and Region travel with it wherever it
// goes and are never parsed out of an ARN: an S3 ARN holds neither.
type Ref struct {
	Account string `json:"account"` // twelve digits
	Region  string `json:"region"`  // where the resource is read; "us-east-1" for IAM and for the account itself
	Type    string `json:"type"`    // CloudFormation name, such as AWS::S3::Bucket
	ID      string `json:"id"`      // the name or id that AWS's API takes; empty means every resource of the type
	ARN     string `json:"arn,omitempty"`

	// Global is set where AWS keeps ID unique beyond one Region (buckets,
	// IAM, the account). The Region is then no part of the identity.
	Global bool `json:"global,omitempty"`
}

// Key identifies the resource for as long as it lives. The ARN is no part of
// it, because an event may name a resource (an IAM user under a path) whose
// ARN only a describe call can tell.
func (r Ref) Key() string {
	region := r.Region
	if r.Global {
		region = "*"
	}
	return r.Account + "|" + region + "|" + r.Type + "|" + r.ID
}

// Service is the short name of the service the type belongs to: "s3" for
// AWS::S3::Bucket, "account" for AWS::Account.
func (r Ref) Service() string { return ServiceOf(r.Type) }

// AccountService is the unit of ownership in the stream, such as
// "123412341234_ec2": one owner reads, limits and judges it.
func (r Ref) AccountService() string { return r.Account + "_" + r.Service() }

// ResourceID is the stable, URL-safe id of the resource, "r_" and sixteen
// letters and digits made from its Key.
func (r Ref) ResourceID() string { return "r_" + shortHash(r.Key()) }

// FindingID is the stable, URL-safe id of the finding of a policy on r.
func (r Ref) FindingID(policy string) string { return "f_" + shortHash(r.Key()+"|"+policy) }

func (r Ref) String() string {
	if r.ARN != "" {
		return r.ARN
	}
	return fmt.Sprintf("%s %s in account %s, %s", r.Type, r.ID, r.Account, r.Region)
}

// ServiceOf returns the short service name of a CloudFormation type name.
func ServiceOf(resourceType string) string {
	_, rest, _ := strings.Cut(resourceType, "::")
	service, _, _ := strings.Cut(rest, "::")
	return strings.ToLower(service)
}

// shortHash keeps 80 bits of SHA-256: at ten million ids the chance of any
// collision is below one in ten billion.
func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}
