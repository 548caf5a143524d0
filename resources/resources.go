// Package resources is what qrie knows of each AWS resource type without
// calling AWS: which CloudTrail events touch it, which IAM actions reading it
// takes, and how AWS's answer becomes the typed view that policies judge.
//
// A document holds AWS's own answers under AWS's own names, one member per API
// call, plus "missing". A view is a pure function of the document, so a view
// may gain a field later and old observations can still be judged.
package resources

import (
	"reflect"
	"strings"

	"github.com/qrie-sec/qrie"
)

// Type describes one resource type.
type Type struct {
	Name   string // CloudFormation name, such as AWS::S3::Bucket
	Title  string // for people, such as "S3 bucket"
	Global bool   // the id is unique in the account whatever the Region
	// Home is set where AWS answers only in the partition's home Region
	// (us-east-1, cn-north-1, us-gov-west-1): IAM, and the account itself.
	Home bool
	// Lower is set where AWS keeps ids in lower case, however a caller wrote
	// them: the document of DB instance "Orders" says "orders".
	Lower bool
	// ARN is the template of the ARN, with {partition}, {region}, {account}
	// and {id}; empty where only a describe call can tell it.
	ARN string
	// Members are the members that a document of this type may hold.
	Members []string
	// Volatile are fields (Member.Field) that AWS changes by itself all the
	// time. A document that differs in nothing else has not changed.
	Volatile []string
	// Stages are what a document says while AWS is still at work on the resource.
	// No event tells the end of that.
	Stages []Stage
	// References tell which other resources may change with one of this type.
	References []Reference
	// Events is the event map: which CloudTrail records mark which ids.
	Events []Rule
	// Creates are the events, by name, of the calls that make a resource.
	Creates []string
	// Actions are the IAM actions that listing and describing take, each with
	// the document member that lacks without it (empty for listing).
	Actions []Action
	// Sample is a pointer to a zero view; its type declares the fields that
	// policies may read.
	Sample any
	// Decode makes a view of a document alone. A member of the wrong shape is
	// an error that names it; an absent one leaves its fields zero. It is safe
	// for concurrent use. Use the method View where the Ref is at hand: the
	// documents of a bucket and of an account do not hold the name.
	Decode func(document []byte) (View, error)

	fields []field // of Sample
}

// Rule is one line of the event map. It is data: paths are gjson paths into
// the CloudTrail record, and several rules may match one record.
type Rule struct {
	Source string   // eventSource, such as ec2.amazonaws.com; empty: every source
	Names  []string // eventName; empty: every event of the source
	// IDs are the paths that may hold the ids, tried in order; the first that
	// gives any id wins. A path may give many.
	IDs []string
	// Prefix keeps only ids that begin so: CreateTags names resources of every
	// type, and "i-" are the instances among them. {partition}, {region} and
	// {account} stand for those of the event.
	Prefix string
	// Trim cuts Prefix off the ids, for events that name an ARN where AWS's
	// describe call takes a name.
	Trim bool
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
	// Has are paths that the record must hold.
	Has []string
	// Owner is a path to the id of the account that owns the resource. CloudTrail
	// gives a cross-account call to the caller's account too, and there it marks
	// nothing. A record without the path is taken as the owner's.
	Owner string
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

// All lists the resource types that qrie knows, by name.
func All() []Type {
	types := []Type{
		account(),
		ec2Instance(),
		ec2SecurityGroup(),
		ec2Volume(),
		iamManagedPolicy(),
		iamUser(),
		rdsInstance(),
		s3Bucket(),
	}
	for i := range types {
		types[i].fields = fieldsOf(reflect.TypeOf(types[i].Sample).Elem())
	}
	return types
}

// Find returns the type of that CloudFormation name.
func Find(name string) (Type, bool) {
	t, ok := byName[name]
	return t, ok
}

// byName is All by name, built once: Find is called for every observation.
var byName = func() map[string]Type {
	m := map[string]Type{}
	for _, t := range All() {
		m[t.Name] = t
	}
	return m
}()

// Service is the short name of the service the type belongs to, such as "s3".
func (t Type) Service() string { return qrie.ServiceOf(t.Name) }

// Ref names the resource of this type with the given id, or every one in the
// account and Region if id is empty. For types that AWS answers in the home
// Region only, and for every bucket of an account (listing them is a home
// Region call), the Region is replaced by the partition's home.
func (t Type) Ref(account, region, id string) qrie.Ref {
	partition, home := partitionOf(region)
	if t.Home || t.Global && id == "" {
		region = home
	}
	if t.Lower {
		id = strings.ToLower(id)
	}
	ref := qrie.Ref{Account: account, Region: region, Type: t.Name, ID: id, Global: t.Global}
	if id != "" && t.ARN != "" {
		ref.ARN = expand(t.ARN, partition, region, account, id)
	}
	return ref
}

// ExpandPrefix fills the placeholders of r.Prefix for an event of the account
// and Region.
func (r Rule) ExpandPrefix(account, region string) string {
	if !strings.Contains(r.Prefix, "{") {
		return r.Prefix
	}
	partition, _ := partitionOf(region)
	return expand(r.Prefix, partition, region, account, "")
}

// expand fills a template. Placeholders are looked for in the template alone,
// so an id that looks like one stays as it is.
func expand(template, partition, region, account, id string) string {
	var b strings.Builder
	b.Grow(len(template) + len(id))
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		switch name {
		case "partition":
			b.WriteString(partition)
		case "region":
			b.WriteString(region)
		case "account":
			b.WriteString(account)
		case "id":
			b.WriteString(id)
		}
		template = after
	}
}

// partitionOf returns the partition of a Region and that partition's home
// Region. Source: AWS Fault Isolation Boundaries, "Partitional services" and
// the ARN reference of the AWS General Reference.
func partitionOf(region string) (partition, home string) {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn", "cn-north-1"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov", "us-gov-west-1"
	default:
		return "aws", "us-east-1"
	}
}
