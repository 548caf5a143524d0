package sim_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/sim"
)

// recorded is a directory of real CloudTrail events and recorded AWS answers.
// It is no part of the repository.
const recorded = "../../shared/data"

// lines reads the JSON Lines files that match, or skips the test.
func lines(t *testing.T, pattern string, each func(line []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recorded, pattern))
	if err != nil || len(files) == 0 {
		t.Skipf("SKIPPED: no %s under %s: the shapes of the simulation are not compared with real ones", pattern, recorded)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		scan := bufio.NewScanner(f)
		scan.Buffer(nil, 16<<20)
		for scan.Scan() {
			each(scan.Bytes())
		}
		if err := scan.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f.Close()
	}
}

// paths gathers the member paths of a JSON value: a.b.[].c and its kind.
func paths(into map[string]bool, at string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			paths(into, at+"."+name, member)
		}
	case []any:
		for _, element := range v {
			paths(into, at+".[]", element)
		}
	case string:
		into[at+" string"] = true
	case float64:
		into[at+" number"] = true
	case bool:
		into[at+" bool"] = true
	}
}

// notRecorded are members that the recordings happen not to hold, from the
// API references of EC2, IAM and S3.
var notRecorded = []string{
	".SecurityGroup.IpPermissions.[].Ipv6Ranges.[].CidrIpv6 string",
	".SecurityGroup.IpPermissions.[].Ipv6Ranges.[].Description string",
	".Policy.Tags.[].Key string", ".Policy.Tags.[].Value string",
	".AttachedPolicies.[].PolicyArn string", ".AttachedPolicies.[].PolicyName string",
	".Location.LocationConstraint string", // the recorded buckets lie in us-east-1
}

// TestDocumentShapes: every member of EC2's, RDS's and IAM's documents is one
// that AWS's recorded answers have, of the same kind.
func TestDocumentShapes(t *testing.T) {
	// The operation behind each member, and the path to the resource in it.
	members := map[string]struct{ operation, at string }{
		"AWS::EC2::Instance Instance":              {"DescribeInstances", ".Reservations.[].Instances.[]"},
		"AWS::EC2::Instance Volumes":               {"DescribeVolumes", ".Volumes"},
		"AWS::EC2::Volume Volume":                  {"DescribeVolumes", ".Volumes.[]"},
		"AWS::EC2::SecurityGroup SecurityGroup":    {"DescribeSecurityGroups", ".SecurityGroups.[]"},
		"AWS::RDS::DBInstance DBInstance":          {"DescribeDBInstances", ".DBInstances.[]"},
		"AWS::IAM::User User":                      {"GetUser", ".User"},
		"AWS::IAM::User LoginProfile":              {"GetLoginProfile", ".LoginProfile"},
		"AWS::IAM::User MFADevices":                {"ListMFADevices", ".MFADevices"},
		"AWS::IAM::User Groups":                    {"ListGroupsForUser", ".Groups"},
		"AWS::IAM::ManagedPolicy Policy":           {"GetPolicy", ".Policy"},
		"AWS::S3::Bucket Versioning":               {"GetBucketVersioning", ""},
		"AWS::S3::Bucket Encryption":               {"GetBucketEncryption", ".ServerSideEncryptionConfiguration"},
		"AWS::S3::Bucket Acl":                      {"GetBucketAcl", ""},
		"AWS::S3::Bucket PublicAccessBlock":        {"GetPublicAccessBlock", ".PublicAccessBlockConfiguration"},
		"AWS::S3::Bucket Logging":                  {"GetBucketLogging", ".LoggingEnabled"},
		"AWS::S3::Bucket Tags":                     {"GetBucketTagging", ".TagSet"},
		"AWS::Account Summary":                     {"GetAccountSummary", ".SummaryMap"},
		"AWS::Account PasswordPolicy":              {"GetAccountPasswordPolicy", ".PasswordPolicy"},
		"AWS::S3::Bucket OwnershipControls":        {"GetBucketOwnershipControls", ".OwnershipControls"},
		"AWS::IAM::User AttachedPolicies":          {"ListAttachedUserPolicies", ".AttachedPolicies"},
		"AWS::S3::Bucket Location":                 {"GetBucketLocation", ""},
		"AWS::S3::Bucket AccountPublicAccessBlock": {"GetPublicAccessBlock", ".PublicAccessBlockConfiguration"},
	}
	real := map[string]map[string]bool{}
	for _, pattern := range []string{"api/*.jsonl", "api/c7n_placebo/*.jsonl"} {
		lines(t, pattern, func(line []byte) {
			var r struct {
				Operation string
				Response  any
			}
			if json.Unmarshal(line, &r) != nil || r.Response == nil {
				return
			}
			if real[r.Operation] == nil {
				real[r.Operation] = map[string]bool{}
			}
			paths(real[r.Operation], "", r.Response)
		})
	}
	w, c := newWorld(sim.Options{Seed: 3, Resources: 600})
	for range 300 {
		w.Step(c.step(time.Second))
	}
	unknown := map[string]bool{}
	checked := map[string]int{}
	for _, ref := range everyRef(t, w) {
		o, err := w.Describe(context.Background(), ref)
		if err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := json.Unmarshal(o.Document, &document); err != nil {
			t.Fatal(err)
		}
		for member, value := range document {
			source, ok := members[ref.Type+" "+member]
			if !ok {
				continue
			}
			ours := map[string]bool{}
			paths(ours, "", value)
			for path := range ours {
				if !real[source.operation][source.at+path] && !slices.Contains(notRecorded, "."+member+path) {
					unknown[ref.Type+" ."+member+path] = true
				}
				checked[ref.Type+" "+member]++
			}
		}
	}
	for path := range unknown {
		t.Errorf("no recorded answer of AWS has %s", path)
	}
	for member := range members {
		if checked[member] == 0 {
			t.Errorf("no document of the world has %s", member)
		}
	}
}

// comparedEvents are those of which real ones were collected in the form that
// CloudTrail writes today.
var comparedEvents = []string{
	"AuthorizeSecurityGroupIngress", "RunInstances", "StartInstances", "StopInstances", "TerminateInstances",
	"CreateAccessKey", "CreateUser", "CreateLoginProfile", "DeleteLoginProfile", "AttachUserPolicy", "ModifyDBInstance",
	"PutBucketPolicy", "PutBucketPublicAccessBlock", "DeleteBucketPublicAccessBlock", "ConsoleLogin",
}

// notCollected are members that the collected events happen not to hold.
var notCollected = []string{
	// CloudTrail user guide, "userIdentity element", of web identities.
	".userIdentity.sessionContext.webIdFederationData.federatedProvider string",
	// S3 writes Host with a capital, and one text each, since version 1.08 or
	// so; the collected events of these calls are older.
	".requestParameters.Host string", ".requestParameters.policy string", ".requestParameters.publicAccessBlock string",
	// Parameters that the collected calls did not use.
	".requestParameters.bucketPolicy.Statement.[].Condition.Bool.aws:SecureTransport string",
	".requestParameters.bucketPolicy.Statement.[].Resource.[] string",
	".requestParameters.ipPermissions.items.[].ipv6Ranges.items.[].cidrIpv6 string",
	".requestParameters.ipPermissions.items.[].ipv6Ranges.items.[].description string",
	".responseElements.securityGroupRuleSet.items.[].cidrIpv6 string",
	".requestParameters.path string",
	".requestParameters.publiclyAccessible bool", ".requestParameters.backupRetentionPeriod number",
	".responseElements.monitoringRoleArn string", ".responseElements.tagList.[].key string", ".responseElements.tagList.[].value string",
}

// TestEventShapes: no event has a member that CloudTrail does not write: in the
// frame, or in the request and the answer of the calls of which real events
// were collected.
func TestEventShapes(t *testing.T) {
	real := map[string]map[string]bool{} // by event name; "" for the frame of all
	gather := func(into map[string]map[string]bool, event map[string]any) {
		name, _ := event["eventName"].(string)
		for member, value := range event {
			of := ""
			if member == "requestParameters" || member == "responseElements" {
				of = name
			}
			if into[of] == nil {
				into[of] = map[string]bool{}
			}
			paths(into[of], "."+member, value)
		}
	}
	lines(t, "events/*.jsonl", func(line []byte) {
		var r struct{ Event map[string]any }
		if json.Unmarshal(line, &r) == nil && r.Event != nil {
			gather(real, r.Event)
		}
	})
	ours := map[string]map[string]bool{}
	w, c := newWorld(sim.Options{Seed: 3, Resources: 600})
	for range 4000 {
		for _, d := range w.Step(c.step(time.Second)) {
			var envelope struct{ Detail map[string]any }
			if err := json.Unmarshal(d.Data, &envelope); err != nil {
				t.Fatal(err)
			}
			gather(ours, envelope.Detail)
		}
	}
	for _, name := range append([]string{""}, comparedEvents...) {
		if len(ours[name]) == 0 || len(real[name]) == 0 {
			t.Errorf("%s: %d members of ours and %d real ones to compare", name, len(ours[name]), len(real[name]))
		}
		for path := range ours[name] {
			if !real[name][path] && !slices.Contains(notCollected, path) {
				t.Errorf("no real %s event has %s", name, path)
			}
		}
	}
}
