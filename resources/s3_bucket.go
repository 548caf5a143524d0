package resources

import (
	"encoding/json"
	"strings"

	"github.com/qrie-sec/qrie"
)

// S3Bucket is the view of AWS::S3::Bucket.
//
// Field names are their JSON names, which is how policies read them. "from"
// lists the members of the document that a field rests on; a field without it
// is always known. "ref" names the part of the Ref that stands in where the
// document is silent. "At" is a JSON Pointer into the document. The same holds
// for every view of this package.
type S3Bucket struct {
	Name     string  `json:"name" ref:"id"`
	Region   string  `json:"region" from:"Location"`
	Block    Block   `json:"block" from:"PublicAccessBlock,AccountPublicAccessBlock"` // the union: a flag is on if either sets it
	BlockAt  string  `json:"blockAt"`                                                 // /PublicAccessBlock
	ACL      []Grant `json:"acl" from:"Acl"`
	Policy   string  `json:"policy" from:"Policy"` // JSON text; empty if there is none
	PolicyAt string  `json:"policyAt"`             // /Policy
	// PublicByAWS is PolicyStatus.IsPublic: AWS's own judgement of the policy.
	PublicByAWS bool              `json:"publicByAws" from:"PolicyStatus"`
	Ownership   string            `json:"ownership" from:"OwnershipControls"`
	Versioning  string            `json:"versioning" from:"Versioning"` // Enabled, Suspended or empty: never turned on
	MFADelete   bool              `json:"mfaDelete" from:"Versioning"`
	Encryption  []SSERule         `json:"encryption" from:"Encryption"`
	LogTarget   string            `json:"logTarget" from:"Logging"`
	Tags        map[string]string `json:"tags" from:"Tags"`
}

// Block is the four Block Public Access settings.
type Block struct {
	BlockPublicACLs       bool `json:"blockPublicAcls"`
	IgnorePublicACLs      bool `json:"ignorePublicAcls"`
	BlockPublicPolicy     bool `json:"blockPublicPolicy"`
	RestrictPublicBuckets bool `json:"restrictPublicBuckets"`
}

// Grant is one grant of an access control list. Grantee is AllUsers,
// AuthenticatedUsers or LogDelivery for the groups, otherwise the canonical
// id or address.
type Grant struct {
	Grantee    string `json:"grantee"`
	Permission string `json:"permission"`
	At         string `json:"at"` // /Acl/Grants/0
}

// SSERule is one default encryption rule of a bucket.
type SSERule struct {
	Algorithm string `json:"algorithm"` // AES256, aws:kms, aws:kms:dsse
	KeyID     string `json:"keyId"`
	At        string `json:"at"` // /Encryption/Rules/0
}

const s3Events = "s3.amazonaws.com"

func s3Bucket() Type {
	return Type{
		Name: "AWS::S3::Bucket", Title: "S3 bucket", Global: true,
		ARN: "arn:{partition}:s3:::{id}",
		Members: []string{
			"Location", "PublicAccessBlock", "AccountPublicAccessBlock", "PolicyStatus", "Policy", "Acl",
			"OwnershipControls", "Versioning", "Encryption", "Logging", "Tags",
		},
		Events: []Rule{
			{
				Source: s3Events,
				IDs:    []string{"requestParameters.bucketName"},
				Wide:   true, // CloudTrail leaves out a request of more than 100 KB, as a long lifecycle is
				Owner:  `resources.#(type=="AWS::S3::Bucket").accountId`,
				// CloudTrail's names are not always the API's: DeletePublicAccessBlock
				// is logged as DeleteBucketPublicAccessBlock, and
				// PutBucketLifecycleConfiguration as PutBucketLifecycle. Source: Amazon
				// S3 User Guide, "Amazon S3 CloudTrail events". The guide does not list
				// every call, so where it is silent both spellings stand here.
				Names: []string{
					"CreateBucket", "DeleteBucket",
					"PutBucketAcl",
					"PutBucketPolicy", "DeleteBucketPolicy",
					"PutBucketPublicAccessBlock", "DeleteBucketPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock",
					"PutBucketOwnershipControls", "DeleteBucketOwnershipControls",
					"PutBucketVersioning",
					"PutBucketEncryption", "DeleteBucketEncryption",
					"PutBucketLogging",
					"PutBucketTagging", "DeleteBucketTagging", "PutBucketAbac",
					"PutBucketLifecycle", "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle",
					"PutBucketReplication", "DeleteBucketReplication",
					"PutBucketWebsite", "DeleteBucketWebsite",
					"PutBucketCors", "DeleteBucketCors",
					"PutBucketNotification", "PutBucketNotificationConfiguration",
					"PutBucketRequestPayment",
					"PutAccelerateConfiguration", "PutBucketAccelerateConfiguration",
					"PutObjectLockConfiguration", "PutBucketObjectLockConfiguration",
					"PutInventoryConfiguration", "PutBucketInventoryConfiguration", "DeleteBucketInventoryConfiguration",
					"PutAnalyticsConfiguration", "PutBucketAnalyticsConfiguration", "DeleteBucketAnalyticsConfiguration",
					"PutMetricsConfiguration", "PutBucketMetricsConfiguration", "DeleteBucketMetricsConfiguration",
					"PutIntelligentTieringConfiguration", "PutBucketIntelligentTieringConfiguration", "DeleteBucketIntelligentTieringConfiguration",
					"CreateBucketMetadataTableConfiguration", "DeleteBucketMetadataTableConfiguration",
					"CreateBucketMetadataConfiguration", "DeleteBucketMetadataConfiguration",
					"UpdateBucketMetadataInventoryTableConfiguration", "UpdateBucketMetadataJournalTableConfiguration",
				},
			},
			// Once a bucket uses attribute-based access control, its tags are set by
			// these two instead of PutBucketTagging. Source: Amazon S3 API Reference,
			// PutBucketAbac.
			{
				Source: s3Events, Names: []string{"TagResource", "UntagResource"},
				IDs:    []string{"requestParameters.resourceArn", "requestParameters.ResourceArn"},
				Prefix: "arn:{partition}:s3:::", Trim: true,
			},
			// The account's settings join those of every bucket.
			{Source: s3Events, Names: accountBlockEvents, Wide: true},
		},
		Creates: []string{"CreateBucket"},
		Actions: []Action{
			{Name: "s3:ListAllMyBuckets"},
			{Name: "s3:GetBucketLocation", Member: "Location"},
			{Name: "s3:GetBucketPublicAccessBlock", Member: "PublicAccessBlock"},
			{Name: "s3:GetAccountPublicAccessBlock", Member: "AccountPublicAccessBlock"},
			{Name: "s3:GetBucketPolicyStatus", Member: "PolicyStatus"},
			{Name: "s3:GetBucketPolicy", Member: "Policy"},
			{Name: "s3:GetBucketAcl", Member: "Acl"},
			{Name: "s3:GetBucketOwnershipControls", Member: "OwnershipControls"},
			{Name: "s3:GetBucketVersioning", Member: "Versioning"},
			{Name: "s3:GetEncryptionConfiguration", Member: "Encryption"},
			{Name: "s3:GetBucketLogging", Member: "Logging"},
			{Name: "s3:GetBucketTagging", Member: "Tags"},
		},
		Sample: &S3Bucket{},
		Decode: decoder(fillS3Bucket),
	}
}

type s3BucketDocument struct {
	Missing  []qrie.Missing `json:"missing"`
	Location *struct {
		LocationConstraint string
	}
	PublicAccessBlock        publicAccessBlock
	AccountPublicAccessBlock publicAccessBlock
	PolicyStatus             struct{ IsPublic bool }
	Policy                   json.RawMessage
	ACL                      struct {
		Grants []struct {
			Grantee struct {
				Type, URI, ID, EmailAddress string
			}
			Permission string
		}
	} `json:"Acl"`
	OwnershipControls struct {
		Rules []struct{ ObjectOwnership string }
	}
	Versioning struct{ Status, MFADelete string }
	Encryption struct {
		Rules []struct {
			ApplyServerSideEncryptionByDefault struct {
				SSEAlgorithm, KMSMasterKeyID string
			}
		}
	}
	Logging struct{ TargetBucket string }
	Tags    []tag
}

// publicAccessBlock is AWS's PublicAccessBlockConfiguration, of a bucket or of
// an account.
type publicAccessBlock struct {
	BlockPublicAcls       bool
	IgnorePublicAcls      bool
	BlockPublicPolicy     bool
	RestrictPublicBuckets bool
}

func (p publicAccessBlock) view() Block {
	return Block{
		BlockPublicACLs: p.BlockPublicAcls, IgnorePublicACLs: p.IgnorePublicAcls,
		BlockPublicPolicy: p.BlockPublicPolicy, RestrictPublicBuckets: p.RestrictPublicBuckets,
	}
}

func fillS3Bucket(d *s3BucketDocument, v *S3Bucket, view *View) error {
	policy, err := jsonText("Policy", d.Policy)
	if err != nil {
		return err
	}
	if d.Location != nil {
		v.Region = regionOfLocation(d.Location.LocationConstraint)
	}
	own, account := d.PublicAccessBlock, d.AccountPublicAccessBlock
	v.Block = publicAccessBlock{
		BlockPublicAcls:       own.BlockPublicAcls || account.BlockPublicAcls,
		IgnorePublicAcls:      own.IgnorePublicAcls || account.IgnorePublicAcls,
		BlockPublicPolicy:     own.BlockPublicPolicy || account.BlockPublicPolicy,
		RestrictPublicBuckets: own.RestrictPublicBuckets || account.RestrictPublicBuckets,
	}.view()
	v.BlockAt = "/PublicAccessBlock"
	for i, g := range d.ACL.Grants {
		v.ACL = append(v.ACL, Grant{
			Grantee:    granteeOf(g.Grantee.URI, g.Grantee.ID, g.Grantee.EmailAddress),
			Permission: g.Permission, At: at("/Acl/Grants", i),
		})
	}
	v.Policy, v.PolicyAt = policy, "/Policy"
	v.PublicByAWS = d.PolicyStatus.IsPublic
	if len(d.OwnershipControls.Rules) > 0 {
		v.Ownership = d.OwnershipControls.Rules[0].ObjectOwnership // AWS keeps one rule at the most
	}
	v.Versioning, v.MFADelete = d.Versioning.Status, d.Versioning.MFADelete == "Enabled"
	for i, r := range d.Encryption.Rules {
		by := r.ApplyServerSideEncryptionByDefault
		v.Encryption = append(v.Encryption, SSERule{
			Algorithm: by.SSEAlgorithm, KeyID: by.KMSMasterKeyID, At: at("/Encryption/Rules", i),
		})
	}
	v.LogTarget = d.Logging.TargetBucket
	v.Tags = tagMap(d.Tags)
	view.Missing, view.Tags, view.Region = d.Missing, v.Tags, v.Region
	return nil
}

// settle knows the union of the block settings where what could be read sets
// all four: the missing half cannot take any of them away.
func (v *S3Bucket) settle(view *View) {
	if v.Block == (Block{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}) {
		delete(view.Unknown, "block")
	}
}

// granteeOf names a grantee. AWS writes groups as
// http://acs.amazonaws.com/groups/global/AllUsers and the like.
func granteeOf(uri, id, email string) string {
	switch {
	case uri != "":
		return uri[strings.LastIndexByte(uri, '/')+1:]
	case id != "":
		return id
	default:
		return email
	}
}

// regionOfLocation undoes the two oddities of GetBucketLocation: nothing means
// us-east-1, and EU means eu-west-1. Source: Amazon S3 API Reference,
// GetBucketLocation.
func regionOfLocation(constraint string) string {
	switch constraint {
	case "":
		return "us-east-1"
	case "EU":
		return "eu-west-1"
	default:
		return constraint
	}
}
