// Package resources is what qrie knows of each AWS resource type without
// calling AWS: which CloudTrail events touch it, which IAM actions reading it
// takes, and how AWS's answer becomes the typed view that policies judge.
//
// A document holds AWS's own answers under AWS's own names, one member per API
// call, plus "missing". A view is a pure function of the document, so a view
// may gain a field later and old observations can still be judged.
package resources

import "github.com/qrie-sec/qrie"

// Type describes one resource type.
type Type struct {
	Name   string // CloudFormation name, such as AWS::S3::Bucket
	Title  string // for people, such as "S3 bucket"
	Global bool   // the id is unique in the account whatever the Region
	// ARN is the template of the ARN, with {partition}, {region}, {account}
	// and {id}; empty where only a describe call can tell it.
	ARN string
	// Events is the event map: which CloudTrail records mark which ids.
	Events []Rule
	// Actions are the IAM actions that listing and describing take, each with
	// the document member that lacks without it (empty for listing).
	Actions []Action
	// Sample is a pointer to a zero view; its type declares the fields that
	// policies may read.
	Sample any
	// Decode makes a view of a document. A member of the wrong shape is an
	// error that names it.
	Decode func(document []byte) (View, error)
}

// Rule is one line of the event map. It is data: paths are gjson paths into
// the CloudTrail record.
type Rule struct {
	Source string   // eventSource, such as ec2.amazonaws.com
	Names  []string // eventName
	// IDs are the paths that may hold the ids, tried in order; the first that
	// gives any id wins. A path may give many.
	IDs []string
	// Prefix keeps only ids that begin so: CreateTags names resources of every
	// type, and "i-" are the instances among them.
	Prefix string
	// Caller takes the calling IAM user where no path gives an id, as AWS does
	// for CreateAccessKey without a userName.
	Caller bool
	// Self marks the account the event is of.
	Self bool
	// Wide marks every resource of the type in the account and Region when no
	// id is found, or always if IDs is empty and neither Caller nor Self is set.
	Wide bool
	// Only holds equalities that the record must meet, such as
	// userIdentity.type = Root.
	Only map[string]string
}

// Action is an IAM action that reading a type takes.
type Action struct {
	Name   string // such as s3:GetBucketPolicy
	Member string // of the document; empty for listing
}

// View is the typed, normalised form of a document.
type View struct {
	Value any // the same type as Type.Sample
	Name  string
	ARN   string // as AWS gives it; empty if the document does not hold it
	Tags  map[string]string
	// Region is where the document says the resource is; empty if it does not.
	Region string
	// Missing are the members that could not be read.
	Missing []qrie.Missing
	// Unknown maps each field of Value (its JSON name) that rests on a missing
	// member to that member. Policies that read it yield Unknown. The "from"
	// tag of a field lists the members it rests on.
	Unknown map[string]qrie.Missing
}
