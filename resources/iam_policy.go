package resources

import (
	"encoding/json"

	"github.com/qrie-sec/qrie"
)

// IAMPolicy is the view of AWS::IAM::ManagedPolicy, customer managed only.
type IAMPolicy struct {
	Name        string            `json:"name" ref:"name"`
	ARN         string            `json:"arn" ref:"id"`
	Attachments int               `json:"attachments" from:"Policy"`
	VersionID   string            `json:"versionId" from:"DefaultVersion"`
	Document    string            `json:"document" from:"DefaultVersion"` // JSON text
	DocumentAt  string            `json:"documentAt"`                     // /DefaultVersion/Document
	Tags        map[string]string `json:"tags" from:"Policy"`
}

// ownPolicies keeps AWS's managed policies out: their ARNs have "aws" for the
// account, nobody here can change them, and their attachment counts are
// nobody's finding.
const ownPolicies = "arn:{partition}:iam::{account}:policy/"

func iamManagedPolicy() Type {
	return Type{
		Name: "AWS::IAM::ManagedPolicy", Title: "IAM customer managed policy", Global: true, Home: true,
		ARN:     "{id}",
		Members: []string{"Policy", "DefaultVersion"},
		Events: []Rule{
			{Source: iamEvents, Names: []string{"CreatePolicy"}, IDs: []string{"responseElements.policy.arn"}, Prefix: ownPolicies},
			{
				Source: iamEvents,
				Names: []string{
					"DeletePolicy", "CreatePolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion",
					"TagPolicy", "UntagPolicy",
					// The document holds the attachment count.
					"AttachUserPolicy", "DetachUserPolicy", "AttachGroupPolicy", "DetachGroupPolicy",
					"AttachRolePolicy", "DetachRolePolicy",
				},
				IDs: []string{"requestParameters.policyArn"}, Prefix: ownPolicies,
			},
			// And the count of its uses as a boundary.
			{
				Source: iamEvents, Names: []string{"PutUserPermissionsBoundary", "PutRolePermissionsBoundary"},
				IDs: []string{"requestParameters.permissionsBoundary"}, Prefix: ownPolicies,
			},
		},
		Creates: []string{"CreatePolicy"},
		Actions: []Action{
			{Name: "iam:ListPolicies"},
			{Name: "iam:GetPolicy", Member: "Policy"},
			{Name: "iam:GetPolicyVersion", Member: "DefaultVersion"},
		},
		Sample: &IAMPolicy{},
		Decode: decoder(fillIAMPolicy),
	}
}

type iamPolicyDocument struct {
	Missing []qrie.Missing `json:"missing"`
	Policy  struct {
		PolicyName, Arn string
		AttachmentCount int
		Tags            []tag
	}
	DefaultVersion struct {
		VersionID string `json:"VersionId"`
		Document  json.RawMessage
	}
}

func fillIAMPolicy(d *iamPolicyDocument, v *IAMPolicy, view *View) error {
	text, err := jsonText("DefaultVersion.Document", d.DefaultVersion.Document)
	if err != nil {
		return err
	}
	v.Name, v.ARN, v.Attachments = d.Policy.PolicyName, d.Policy.Arn, d.Policy.AttachmentCount
	v.VersionID, v.Document, v.DocumentAt = d.DefaultVersion.VersionID, text, "/DefaultVersion/Document"
	v.Tags = tagMap(d.Policy.Tags)
	view.Missing, view.Name, view.ARN, view.Tags = d.Missing, v.Name, v.ARN, v.Tags
	return nil
}
