package ingest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/resources"
)

var decoder = ingest.NewDecoder(resources.All())

// record writes a CloudTrail record of account 111122223333 as user ann makes
// it. The members given replace its own or join them.
func record(source, name string, members map[string]string) []byte {
	all := map[string]string{
		"eventVersion": `"1.11"`, "eventID": `"8a5bb9c0-7d3e-4a61-9f5b-0c1d2e3f4a5b"`, "eventType": `"AwsApiCall"`,
		"eventTime": `"2026-03-01T12:00:00Z"`, "awsRegion": `"eu-west-1"`, "sourceIPAddress": `"203.0.113.9"`,
		"userAgent": `"aws-cli/2.15.0"`, "recipientAccountId": `"111122223333"`, "readOnly": `false`,
		"managementEvent": `true`, "eventCategory": `"Management"`,
		"eventSource": fmt.Sprintf("%q", source+".amazonaws.com"), "eventName": fmt.Sprintf("%q", name),
		"userIdentity": `{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/eng/ann","accountId":"111122223333","userName":"ann"}`,
	}
	for k, v := range members {
		all[k] = v
		if v == "" {
			delete(all, k)
		}
	}
	var parts []string
	for k, v := range all {
		parts = append(parts, fmt.Sprintf("%q:%s", k, v))
	}
	slices.Sort(parts)
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func request(v string) map[string]string { return map[string]string{"requestParameters": v} }

func response(v string) map[string]string { return map[string]string{"responseElements": v} }

// marked lists the marks of a record as "type id", with the type's last word.
func marked(d ingest.Decoded) []string {
	var out []string
	for _, m := range d.Marks {
		id := m.Ref.ID
		if id == "" {
			id = "*"
		}
		out = append(out, m.Ref.Type[strings.LastIndex(m.Ref.Type, ":")+1:]+" "+id)
	}
	slices.Sort(out)
	return out
}

func TestMarks(t *testing.T) {
	f := func(source, name string, members map[string]string, want ...string) {
		t.Helper()
		d, err := decoder.Decode(ingest.Raw{Record: record(source, name, members)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if len(want) == 1 && strings.HasPrefix(want[0], "drop ") {
			if got := "drop " + string(d.Drop); got != want[0] {
				t.Errorf("%s: %s with %v, want %s", name, got, marked(d), want[0])
			}
			return
		}
		if diff := cmp.Diff(want, marked(d)); diff != "" || d.Drop != "" {
			t.Errorf("%s: drop %q, marks (-want +got):\n%s", name, d.Drop, diff)
		}
	}
	const own = "arn:aws:iam::111122223333:policy/ops/deploy"
	bucket := request(`{"bucketName":"logs","Host":"logs.s3.eu-west-1.amazonaws.com"}`)

	f("s3", "CreateBucket", bucket, "Bucket logs")
	f("s3", "DeleteBucket", bucket, "Bucket logs")
	f("s3", "DeleteBucketPublicAccessBlock", bucket, "Bucket logs")
	f("s3", "PutBucketLifecycle", bucket, "Bucket logs")
	f("s3", "PutBucketOwnershipControls", bucket, "Bucket logs")
	f("s3", "PutBucketLifecycle", request(`null`), "Bucket *")
	f("s3", "PutBucketLifecycle", request(`{"bucketName":""}`), "Bucket *")
	f("s3", "PutBucketPolicy", map[string]string{
		"requestParameters": `{"bucketName":"theirs"}`,
		"resources":         `[{"accountId":"444455556666","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::theirs"}]`,
	}, "drop no_resource")
	f("s3", "PutBucketPolicy", map[string]string{
		"requestParameters": `{"bucketName":"ours"}`,
		"resources":         `[{"accountId":"111122223333","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::ours"}]`,
	}, "Bucket ours")
	f("s3", "TagResource", request(`{"resourceArn":"arn:aws:s3:::logs"}`), "Bucket logs")
	f("s3", "TagResource", request(`{"resourceArn":"arn:aws:s3:eu-west-1:111122223333:accesspoint/x"}`), "drop no_resource")
	f("s3", "PutAccountPublicAccessBlock", request(`{"host":["111122223333.s3-control.eu-west-1.amazonaws.com"]}`), "Account 111122223333", "Bucket *")
	f("s3", "DeleteAccountPublicAccessBlock", nil, "Account 111122223333", "Bucket *")
	f("s3", "CreateJob", nil, "drop unknown_event")

	f("iam", "CreateUser", request(`{"userName":"bob"}`), "User bob")
	f("iam", "UpdateUser", request(`{"userName":"bob","newUserName":"rob"}`), "User bob", "User rob")
	f("iam", "UpdateUser", request(`{"userName":"bob","newPath":"/x/"}`), "User bob")
	f("iam", "CreateAccessKey", request(`{"userName":"bob"}`), "User bob")
	f("iam", "CreateAccessKey", request(`null`), "User ann")
	f("iam", "CreateAccessKey", map[string]string{"requestParameters": `null`, "userIdentity": `{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/r/s"}`,
		"responseElements": `{"accessKey":{"userName":"bob"}}`}, "User bob")
	f("iam", "CreateAccessKey", map[string]string{"userIdentity": `{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/r/s"}`}, "drop no_resource")
	f("iam", "ChangePassword", nil, "User ann")
	f("iam", "EnableMFADevice", request(`{"userName":"bob","serialNumber":"arn:aws:iam::111122223333:mfa/bob"}`), "User bob")
	f("iam", "DeactivateMFADevice", request(`{"userName":"bob"}`), "User bob")
	f("iam", "DeleteVirtualMFADevice", request(`{"serialNumber":"arn:aws:iam::111122223333:mfa/bob"}`), "drop unknown_event")
	f("iam", "AddUserToGroup", request(`{"userName":"bob","groupName":"eng"}`), "User bob")
	f("iam", "UpdateGroup", request(`{"groupName":"eng","newGroupName":"dev"}`), "User *")
	f("iam", "AttachUserPolicy", request(`{"userName":"bob","policyArn":"`+own+`"}`), "ManagedPolicy "+own, "User bob")
	f("iam", "AttachUserPolicy", request(`{"userName":"bob","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}`), "User bob")
	f("iam", "AttachRolePolicy", request(`{"roleName":"r","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}`), "drop no_resource")
	f("iam", "AttachRolePolicy", request(`{"roleName":"r","policyArn":"`+own+`"}`), "ManagedPolicy "+own)
	f("iam", "CreatePolicy", map[string]string{"requestParameters": `{"policyName":"deploy"}`, "responseElements": `{"policy":{"arn":"` + own + `"}}`}, "ManagedPolicy "+own)
	f("iam", "SetDefaultPolicyVersion", request(`{"policyArn":"`+own+`","versionId":"v2"}`), "ManagedPolicy "+own)
	f("iam", "UpdateAccountPasswordPolicy", request(`{"minimumPasswordLength":8}`), "Account 111122223333")
	f("iam", "DeleteAccountPasswordPolicy", nil, "Account 111122223333")

	root := map[string]string{"userIdentity": `{"type":"Root","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"}`}
	f("signin", "ConsoleLogin", root, "Account 111122223333")
	f("signin", "ConsoleLogin", nil, "drop unsupported_service")
	f("iam", "EnableMFADevice", map[string]string{"userIdentity": root["userIdentity"], "requestParameters": `{"userName":"bob"}`}, "Account 111122223333", "User bob")
	f("kms", "ScheduleKeyDeletion", root, "Account 111122223333")
	f("kms", "ScheduleKeyDeletion", nil, "drop unsupported_service")

	f("ec2", "RunInstances", response(`{"instancesSet":{"items":[{"instanceId":"i-1"},{"instanceId":"i-2","blockDeviceMapping":{}}]}}`), "Instance i-1", "Instance i-2")
	f("ec2", "RunInstances", response(`{"instancesSet":{"items":[{"instanceId":"i-1","blockDeviceMapping":{"items":[{"ebs":{"volumeId":"vol-1"}},{"ebs":{"volumeId":"vol-2"}}]}}]}}`),
		"Instance i-1", "Volume vol-1", "Volume vol-2")
	f("ec2", "RunInstances", response(`null`), "Instance *")
	f("ec2", "TerminateInstances", request(`{"instancesSet":{"items":[{"instanceId":"i-1"}]}}`), "Instance i-1")
	f("ec2", "BidEvictedEvent", map[string]string{"eventType": `"AwsServiceEvent"`, "serviceEventDetails": `{"instanceIdSet":["i-1","i-2"]}`}, "Instance i-1", "Instance i-2")
	f("ec2", "ModifyInstanceAttribute", request(`{"instanceId":"i-1"}`), "Instance i-1")
	f("ec2", "ModifyInstanceMetadataOptions", request(`{"ModifyInstanceMetadataOptionsRequest":{"InstanceId":"i-1","HttpTokens":"optional"}}`), "Instance i-1")
	f("ec2", "AssociateIamInstanceProfile", request(`{"AssociateIamInstanceProfileRequest":{"InstanceId":"i-1"}}`), "Instance i-1")
	f("ec2", "DisassociateIamInstanceProfile", map[string]string{
		"requestParameters": `{"DisassociateIamInstanceProfileRequest":{"AssociationId":"iip-assoc-1"}}`,
		"responseElements":  `{"DisassociateIamInstanceProfileResponse":{"iamInstanceProfileAssociation":{"instanceId":"i-1"}}}`,
	}, "Instance i-1")
	f("ec2", "DisassociateIamInstanceProfile", request(`{"DisassociateIamInstanceProfileRequest":{"AssociationId":"iip-assoc-1"}}`), "Instance *")
	f("ec2", "AssociateAddress", request(`{"instanceId":"i-1","publicIp":"203.0.113.9"}`), "Instance i-1")
	f("ec2", "DisassociateAddress", request(`{"associationId":"eipassoc-1"}`), "Instance *")
	f("ec2", "ModifyNetworkInterfaceAttribute", request(`{"networkInterfaceId":"eni-1","groupSet":{"items":[{"groupId":"sg-1"}]}}`), "Instance *")
	f("ec2", "ModifyNetworkInterfaceAttribute", request(`{"networkInterfaceId":"eni-1","attachment":{}}`), "drop no_resource")
	f("ec2", "AttachVolume", request(`{"instanceId":"i-1","volumeId":"vol-1","device":"/dev/sdf"}`), "Instance i-1", "Volume vol-1")
	f("ec2", "DetachVolume", map[string]string{"requestParameters": `{"volumeId":"vol-1"}`, "responseElements": `{"instanceId":"i-1","volumeId":"vol-1"}`}, "Instance i-1", "Volume vol-1")
	f("ec2", "CreateVolume", response(`{"volumeId":"vol-1"}`), "Volume vol-1")
	f("ec2", "ModifyVolume", request(`{"ModifyVolumeRequest":{"VolumeId":"vol-1","Size":20}}`), "Volume vol-1")
	f("ec2", "CreateTags", request(`{"resourcesSet":{"items":[{"resourceId":"i-1"},{"resourceId":"vol-1"},{"resourceId":"sg-1"},{"resourceId":"sgr-1"},{"resourceId":"igw-1"}]}}`),
		"Instance i-1", "SecurityGroup sg-1", "Volume vol-1")
	f("ec2", "DeleteTags", request(`{"resourcesSet":{"items":[{"resourceId":"subnet-1"}]}}`), "drop no_resource")
	f("ec2", "CreateSecurityGroup", response(`{"groupId":"sg-1"}`), "SecurityGroup sg-1")
	f("ec2", "AuthorizeSecurityGroupIngress", request(`{"groupId":"sg-1"}`), "SecurityGroup sg-1")
	f("ec2", "AuthorizeSecurityGroupIngress", map[string]string{"requestParameters": `{"groupName":"web"}`, "responseElements": `{"securityGroupRuleSet":{"items":[{"groupId":"sg-1"},{"groupId":"sg-1"}]}}`}, "SecurityGroup sg-1")
	f("ec2", "RevokeSecurityGroupIngress", request(`{"groupName":"web"}`), "SecurityGroup *")
	f("ec2", "ModifySecurityGroupRules", request(`{"ModifySecurityGroupRulesRequest":{"GroupId":"sg-1"}}`), "SecurityGroup sg-1")
	f("ec2", "UpdateSecurityGroupRuleDescriptionsEgress", request(`{"UpdateSecurityGroupRuleDescriptionsEgressRequest":{"GroupId":"sg-1"}}`), "SecurityGroup sg-1")
	f("ec2", "CreateVpc", response(`{"vpc":{"vpcId":"vpc-1"}}`), "SecurityGroup *")

	f("rds", "CreateDBInstance", request(`{"dBInstanceIdentifier":"Orders"}`), "DBInstance orders")
	f("rds", "ModifyDBInstance", request(`{"dBInstanceIdentifier":"orders","newDBInstanceIdentifier":"sales"}`), "DBInstance orders", "DBInstance sales")
	f("rds", "RestoreDBInstanceToPointInTime", request(`{"sourceDBInstanceIdentifier":"a","targetDBInstanceIdentifier":"b"}`), "DBInstance b")
	f("rds", "AddTagsToResource", request(`{"resourceName":"arn:aws:rds:eu-west-1:111122223333:db:orders"}`), "DBInstance orders")
	f("rds", "AddTagsToResource", request(`{"resourceName":"arn:aws:rds:eu-west-1:111122223333:snapshot:x"}`), "drop no_resource")
	f("rds", "StopDBCluster", response(`{"dBClusterMembers":[{"dBInstanceIdentifier":"a"},{"dBInstanceIdentifier":"b"}]}`), "DBInstance a", "DBInstance b")
	f("rds", "CreateDBParameterGroup", nil, "drop unknown_event")

	f("s3", "PutBucketPolicy", map[string]string{"requestParameters": bucket["requestParameters"], "errorCode": `"AccessDenied"`}, "drop failed_call")
	f("s3", "PutBucketPolicy", map[string]string{"requestParameters": bucket["requestParameters"], "errorMessage": `"no"`}, "drop failed_call")
	f("s3", "PutBucketPolicy", map[string]string{"requestParameters": bucket["requestParameters"], "errorCode": `null`, "errorMessage": `""`}, "Bucket logs")
	f("s3", "PutBucketPolicy", map[string]string{"requestParameters": bucket["requestParameters"], "readOnly": `true`}, "drop read_only")
	f("s3", "PutBucketPolicy", map[string]string{"requestParameters": bucket["requestParameters"], "readOnly": `"True"`}, "drop read_only")
	f("s3", "GetBucketPolicy", map[string]string{"readOnly": ""}, "drop read_only")
	f("s3", "PutObject", map[string]string{"managementEvent": `false`}, "drop not_management")
	f("s3", "PutBucketPolicy", map[string]string{"eventCategory": `"Data"`}, "drop not_management")
}

// Every event that an event map names marks something when its ids are where
// the map says they are.
func TestEveryMappedEventMarks(t *testing.T) {
	n := 0
	for _, typ := range resources.All() {
		for _, r := range typ.Events {
			if r.Source == "" {
				continue
			}
			for _, name := range r.Names {
				paths := r.IDs
				if len(paths) == 0 {
					paths = []string{""}
				}
				for _, path := range paths {
					id := "x-1"
					if r.Prefix != "" {
						id = r.ExpandPrefix("111122223333", "eu-west-1") + "x-1"
					}
					members := map[string]string{}
					for _, p := range append([]string{path}, r.Has...) {
						if p != "" {
							root, value := nest(p, id)
							members[root] = value
						}
					}
					d, err := decoder.Decode(ingest.Raw{Record: record(strings.TrimSuffix(r.Source, ".amazonaws.com"), name, members)})
					if err != nil {
						t.Errorf("%s %s at %s: %v", typ.Name, name, path, err)
						continue
					}
					if !slices.ContainsFunc(d.Marks, func(m qrie.Mark) bool { return m.Ref.Type == typ.Name }) {
						t.Errorf("%s: %s with the id at %q marks %v", typ.Name, name, path, marked(d))
					}
					n++
				}
			}
		}
	}
	t.Logf("%d events and paths", n)
}

// nest writes the JSON of one id at a path.
func nest(path, id string) (root, value string) {
	parts := strings.Split(path, ".")
	value = fmt.Sprintf("%q", id)
	for _, p := range slices.Backward(parts[1:]) {
		if p == "#" {
			value = "[" + value + "]"
			continue
		}
		value = fmt.Sprintf("{%q:%s}", strings.Replace(p, "*", "Some", 1), value)
	}
	return parts[0], value
}

func TestEventKeepsWhoDidWhatAndWhen(t *testing.T) {
	arrived := time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)
	d, err := decoder.Decode(ingest.Raw{Record: record("s3", "PutBucketPolicy", request(`{"bucketName":"logs","bucketPolicy":{"Statement":"SECRET"}}`)), Arrived: arrived})
	if err != nil {
		t.Fatal(err)
	}
	want := qrie.Event{
		ID: "8a5bb9c0-7d3e-4a61-9f5b-0c1d2e3f4a5b", Name: "PutBucketPolicy", Source: "s3.amazonaws.com", Account: "111122223333",
		Region: "eu-west-1", Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Arrived: arrived, SourceIP: "203.0.113.9", UserAgent: "aws-cli/2.15.0",
		Actor: qrie.Actor{Kind: qrie.ActorUnknown, Name: "ann", Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/eng/ann", Account: "111122223333", Tool: "CLI"},
	}
	if diff := cmp.Diff(want, d.Event); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	mark := qrie.Mark{
		Ref:    qrie.Ref{Account: "111122223333", Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: "logs", ARN: "arn:aws:s3:::logs", Global: true},
		Reason: qrie.ReasonEvent, Event: &want,
	}
	if diff := cmp.Diff([]qrie.Mark{mark}, d.Marks); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
}

func TestEventWithoutTimeOrID(t *testing.T) {
	delivered := time.Date(2026, 3, 1, 12, 0, 3, 0, time.UTC)
	members := map[string]string{"requestParameters": `{"bucketName":"logs"}`, "eventTime": "", "eventID": ""}
	f := func(raw ingest.Raw, want time.Time) string {
		t.Helper()
		raw.Record = record("s3", "PutBucketPolicy", members)
		d, err := decoder.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Event.Time.Equal(want) {
			t.Errorf("time %v, want %v", d.Event.Time, want)
		}
		return d.Event.ID
	}
	first := f(ingest.Raw{Envelope: ingest.Delivery{Time: delivered}, Arrived: delivered.Add(time.Second)}, delivered)
	if again := f(ingest.Raw{Arrived: delivered}, delivered); first != again || !strings.HasPrefix(first, "sha256:") {
		t.Errorf("the same record has the ids %q and %q", first, again)
	}
	members["eventTime"] = `"2026-03-01 12:00:00.000"`
	f(ingest.Raw{}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
}

func TestManyIDsMarkTheTypeAsAWhole(t *testing.T) {
	list := func(n int) map[string]string {
		var items []string
		for i := range n {
			items = append(items, fmt.Sprintf(`{"instanceId":"i-%d"}`, i))
		}
		return response(`{"instancesSet":{"items":[` + strings.Join(items, ",") + `]}}`)
	}
	for n, want := range map[int]int{ingest.MaxIDs: ingest.MaxIDs, ingest.MaxIDs + 1: 1} {
		d, err := decoder.Decode(ingest.Raw{Record: record("ec2", "RunInstances", list(n))})
		if err != nil || len(d.Marks) != want {
			t.Errorf("%d ids: %d marks, error %v", n, len(d.Marks), err)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	f := func(raw ingest.Raw, want string) {
		t.Helper()
		d, err := decoder.Decode(raw)
		if err == nil || !strings.Contains(err.Error(), want) || len(d.Marks) > 0 {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	put := func(k, v string) ingest.Raw {
		return ingest.Raw{Record: record("s3", "PutBucketPolicy", map[string]string{"requestParameters": `{"bucketName":"logs"}`, k: v})}
	}
	f(ingest.Raw{}, "not valid JSON")
	f(ingest.Raw{Record: []byte(`[]`)}, "the record is an array where CloudTrail writes an object")
	f(ingest.Raw{Record: []byte(`{}`)}, "no CloudTrail record")
	f(ingest.Raw{Record: []byte(`{} x`)}, "not valid JSON at byte")
	f(ingest.Raw{Record: []byte("{\"a\":\"\x00\"}")}, "not valid JSON at byte 7")
	f(ingest.Raw{Record: []byte("{\"a\":\"\xff\"}")}, "byte 6 is not UTF-8")
	f(ingest.Raw{Record: []byte(strings.Repeat("[", 65) + strings.Repeat("]", 65))}, "nests deeper than 64 levels")
	f(ingest.Raw{Record: make([]byte, ingest.MaxRecord+1)}, "holds 1048577 bytes")
	f(put("eventName", `7`), "eventName holds a number where CloudTrail writes text")
	f(put("eventName", `null`), "names no eventName")
	f(put("readOnly", `"perhaps"`), "readOnly holds text where CloudTrail writes true or false")
	f(put("userIdentity", `"ann"`), "userIdentity holds text where CloudTrail writes an object")
	f(put("userIdentity", `{"sessionContext":{"sessionIssuer":{"userName":[]}}}`), "userIdentity.sessionContext.sessionIssuer.userName holds an array")
	f(put("requestParameters", `{"bucketName":{"a":1}}`), "requestParameters.bucketName holds an object where CloudTrail writes an id")
	f(put("requestParameters", `{"bucketName":"a\u0000b"}`), "control character")
	f(put("requestParameters", `{"bucketName":"`+strings.Repeat("b", 2049)+`"}`), "an id of 2049 bytes")
	f(put("eventTime", `"soon"`), `eventTime "soon" is not a time`)
	f(put("awsRegion", ""), "awsRegion is absent")
	f(put("awsRegion", `"eu|west"`), `awsRegion "eu|west" is no name of a Region`)
	f(put("recipientAccountId", `"12|34"`), `"12|34", which is no AWS account id`)
	f(ingest.Raw{Record: put("x", `1`).Record, Envelope: ingest.Delivery{Account: "444455556666"}}, "it is forged")
	f(ingest.Raw{Record: []byte(`{}`), Number: 3, Offset: 99}, "record 3 at byte 99: ")
}

func TestTextsAreBounded(t *testing.T) {
	long := strings.Repeat("é", 5000)
	d, err := decoder.Decode(ingest.Raw{Record: record("s3", "PutBucketPolicy", map[string]string{
		"requestParameters": `{"bucketName":"logs"}`, "userAgent": `"` + long + `"`, "sourceIPAddress": `"\u0007` + long + `"`,
		"userIdentity": `{"type":"` + long + `","arn":"` + long + `","userName":"` + long + `"}`,
	})})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(d.Event.UserAgent); got != 256 {
		t.Errorf("user agent of %d bytes", got)
	}
	if !strings.HasPrefix(d.Event.SourceIP, "\uFFFD") {
		t.Errorf("a control character is kept: %.20q", d.Event.SourceIP)
	}
	if len(d.Event.Actor.ARN) > 1024 || len(d.Event.Actor.Name) > 256 || len(d.Event.Actor.Type) > 256 {
		t.Errorf("actor texts of %d, %d, %d bytes", len(d.Event.Actor.ARN), len(d.Event.Actor.Name), len(d.Event.Actor.Type))
	}
}
