package resources_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

func TestAllIsSortedAndFound(t *testing.T) {
	var names []string
	for _, typ := range resources.All() {
		names = append(names, typ.Name)
		if got, ok := resources.Find(typ.Name); !ok || got.Title != typ.Title {
			t.Errorf("Find(%q) = %q, %v", typ.Name, got.Title, ok)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("All is not by name, each once: %q", names)
	}
	if _, ok := resources.Find("AWS::Nothing"); ok {
		t.Error("Find knows AWS::Nothing")
	}
}

// Every name that data refers to must exist: a typing error in an event map
// would otherwise lose events in silence.
func TestTypesAreConsistent(t *testing.T) {
	for _, typ := range resources.All() {
		t.Run(typ.Name, func(t *testing.T) {
			read := map[string]bool{}
			for _, a := range typ.Actions {
				if a.Member != "" && !slices.Contains(typ.Members, a.Member) {
					t.Errorf("action %s reads member %q, which is not listed", a.Name, a.Member)
				}
				if service, verb, ok := strings.Cut(a.Name, ":"); !ok || service == "" || verb == "" {
					t.Errorf("action %q is not service:Action", a.Name)
				}
				read[a.Member] = true
			}
			for _, m := range typ.Members {
				if !read[m] {
					t.Errorf("no action reads member %q", m)
				}
			}
			for _, name := range typ.Creates {
				if !slices.ContainsFunc(typ.Events, func(r resources.Rule) bool { return slices.Contains(r.Names, name) }) {
					t.Errorf("%s makes one, and is in no rule", name)
				}
			}
			sample := reflect.TypeOf(typ.Sample).Elem()
			names := map[string]bool{}
			for i := range sample.NumField() {
				f := sample.Field(i)
				name := f.Tag.Get("json")
				if name == "" || names[name] {
					t.Errorf("field %s has no JSON name of its own", f.Name)
				}
				names[name] = true
				if from, ok := f.Tag.Lookup("from"); ok {
					for _, m := range strings.Split(from, ",") {
						if !slices.Contains(typ.Members, m) {
							t.Errorf("field %s rests on member %q, which is not listed", f.Name, m)
						}
					}
				}
				if ref, ok := f.Tag.Lookup("ref"); ok && (ref != "id" && ref != "name" || f.Type.Kind() != reflect.String) {
					t.Errorf("field %s: ref:%q fills strings with id or name", f.Name, ref)
				}
			}
			seen := map[string]bool{}
			for i, r := range typ.Events {
				if r.Source == "" && len(r.Only) == 0 {
					t.Errorf("rule %d matches every event there is", i)
				}
				if len(r.IDs) == 0 && !r.Caller && !r.Self && !r.Wide {
					t.Errorf("rule %d can mark nothing", i)
				}
				if r.Trim && r.Prefix == "" {
					t.Errorf("rule %d trims nothing", i)
				}
				for _, name := range r.Names {
					key := r.Source + " " + name + " " + strings.Join(r.IDs, ",")
					if seen[key] {
						t.Errorf("rule %d repeats %s", i, key)
					}
					seen[key] = true
				}
				for _, path := range slices.Concat(r.IDs, r.Has) {
					if root, _, _ := strings.Cut(path, "."); !slices.Contains([]string{"requestParameters", "responseElements", "serviceEventDetails"}, root) {
						t.Errorf("rule %d: path %q begins in neither the request nor the answer nor the details of a service event", i, path)
					}
				}
			}
			if view, err := typ.Decode([]byte(`{}`)); err != nil {
				t.Errorf("empty document: %v", err)
			} else if reflect.TypeOf(view.Value) != reflect.TypeOf(typ.Sample) {
				t.Errorf("Decode gives a %T and Sample is a %T", view.Value, typ.Sample)
			}
		})
	}
}

// The wildcard paths of the event map rest on gjson's matching of keys.
func TestWildcardPath(t *testing.T) {
	record := `{"requestParameters":{"ModifyVolumeRequest":{"VolumeId":"vol-1"}}}`
	if got := gjson.Get(record, "requestParameters.*Request.VolumeId").String(); got != "vol-1" {
		t.Errorf("got %q", got)
	}
}

func TestRef(t *testing.T) {
	f := func(name, region, id string, want qrie.Ref) {
		t.Helper()
		typ, ok := resources.Find(name)
		if !ok {
			t.Fatalf("no type %s", name)
		}
		if diff := cmp.Diff(want, typ.Ref("111122223333", region, id)); diff != "" {
			t.Errorf("%s %s in %s (-want +got):\n%s", name, id, region, diff)
		}
	}
	ref := func(typ, region, id, arn string, global bool) qrie.Ref {
		return qrie.Ref{Account: "111122223333", Type: typ, Region: region, ID: id, ARN: arn, Global: global}
	}
	f("AWS::S3::Bucket", "eu-west-1", "logs", ref("AWS::S3::Bucket", "eu-west-1", "logs", "arn:aws:s3:::logs", true))
	f("AWS::S3::Bucket", "cn-northwest-1", "logs", ref("AWS::S3::Bucket", "cn-northwest-1", "logs", "arn:aws-cn:s3:::logs", true))
	f("AWS::S3::Bucket", "eu-west-1", "{account}", ref("AWS::S3::Bucket", "eu-west-1", "{account}", "arn:aws:s3:::{account}", true))
	f("AWS::S3::Bucket", "eu-west-1", "", ref("AWS::S3::Bucket", "us-east-1", "", "", true))
	f("AWS::Account", "eu-west-1", "111122223333", ref("AWS::Account", "us-east-1", "111122223333", "arn:aws:iam::111122223333:root", true))
	f("AWS::IAM::User", "us-gov-east-1", "ann", ref("AWS::IAM::User", "us-gov-west-1", "ann", "", true))
	f("AWS::IAM::ManagedPolicy", "cn-north-1", "arn:aws-cn:iam::111122223333:policy/x/p",
		ref("AWS::IAM::ManagedPolicy", "cn-north-1", "arn:aws-cn:iam::111122223333:policy/x/p", "arn:aws-cn:iam::111122223333:policy/x/p", true))
	f("AWS::EC2::Instance", "us-gov-west-1", "i-1", ref("AWS::EC2::Instance", "us-gov-west-1", "i-1", "arn:aws-us-gov:ec2:us-gov-west-1:111122223333:instance/i-1", false))
	f("AWS::EC2::Volume", "us-west-2", "vol-1", ref("AWS::EC2::Volume", "us-west-2", "vol-1", "arn:aws:ec2:us-west-2:111122223333:volume/vol-1", false))
	f("AWS::EC2::SecurityGroup", "us-west-2", "", ref("AWS::EC2::SecurityGroup", "us-west-2", "", "", false))
	f("AWS::RDS::DBInstance", "us-west-2", "Orders", ref("AWS::RDS::DBInstance", "us-west-2", "orders", "arn:aws:rds:us-west-2:111122223333:db:orders", false))
}

func TestService(t *testing.T) {
	want := map[string]string{
		"AWS::Account": "account", "AWS::EC2::Instance": "ec2", "AWS::EC2::SecurityGroup": "ec2", "AWS::EC2::Volume": "ec2",
		"AWS::IAM::ManagedPolicy": "iam", "AWS::IAM::User": "iam", "AWS::RDS::DBInstance": "rds", "AWS::S3::Bucket": "s3",
	}
	got := map[string]string{}
	for _, typ := range resources.All() {
		got[typ.Name] = typ.Service()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestExpandPrefix(t *testing.T) {
	r := resources.Rule{Prefix: "arn:{partition}:rds:{region}:{account}:db:"}
	if got, want := r.ExpandPrefix("111122223333", "cn-north-1"), "arn:aws-cn:rds:cn-north-1:111122223333:db:"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (resources.Rule{Prefix: "sg-"}).ExpandPrefix("111122223333", "us-east-1"); got != "sg-" {
		t.Errorf("got %q", got)
	}
}
