package policies

import (
	"testing"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// typicalDocuments has one document of each type as it is found in a common
// account, of about the size that AWS's answers have.
var typicalDocuments = map[string]string{
	"AWS::S3::Bucket": `{
		"Location": {"LocationConstraint": "eu-west-1"},
		"PublicAccessBlock": {"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": false, "RestrictPublicBuckets": false},
		"AccountPublicAccessBlock": {"BlockPublicAcls": false, "IgnorePublicAcls": false, "BlockPublicPolicy": false, "RestrictPublicBuckets": false},
		"PolicyStatus": {"IsPublic": false},
		"Policy": {"Version": "2012-10-17", "Statement": [
			{"Sid": "TLS", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::a/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
			{"Sid": "Org", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::a/*"], "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}},
			{"Sid": "Logs", "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::a/logs/*"}]},
		"Acl": {"Owner": {"ID": "79a59df900b949e5"}, "Grants": [{"Grantee": {"Type": "CanonicalUser", "ID": "79a59df900b949e5"}, "Permission": "FULL_CONTROL"}]},
		"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
		"Versioning": {"Status": "Enabled"},
		"Encryption": {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": false}]},
		"Tags": [{"Key": "env", "Value": "prod"}, {"Key": "owner", "Value": "ann"}]}`,
	"AWS::Account": `{"Summary": {"AccountAccessKeysPresent": 0, "AccountMFAEnabled": 1, "Users": 12},
		"RootCredentials": {"arn": "arn:aws:iam::123456789012:root", "password_last_used": "2024-01-01T00:00:00+00:00", "access_key_1_last_used_date": "N/A", "access_key_2_last_used_date": "N/A"}}`,
	"AWS::IAM::User": `{"User": {"UserName": "ann", "Arn": "arn:aws:iam::123456789012:user/ann", "Path": "/", "CreateDate": "2024-01-01T00:00:00Z"},
		"LoginProfile": {"CreateDate": "2024-01-01T00:00:00Z"}, "MFADevices": [{"SerialNumber": "arn:aws:iam::123456789012:mfa/ann"}],
		"AccessKeys": [{"AccessKeyId": "AKIA1", "Status": "Active", "CreateDate": "2025-12-01T00:00:00Z", "LastUsed": {"LastUsedDate": "2025-12-31T00:00:00Z"}},
			{"AccessKeyId": "AKIA2", "Status": "Inactive", "CreateDate": "2024-01-01T00:00:00Z"}]}`,
	"AWS::IAM::ManagedPolicy": `{"Policy": {"PolicyName": "ops", "Arn": "arn:aws:iam::123456789012:policy/ops", "AttachmentCount": 1},
		"DefaultVersion": {"VersionId": "v2", "Document": {"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["ec2:Describe*", "s3:List*", "s3:Get*"], "Resource": "*"},
			{"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::a/*"]}]}}}`,
	"AWS::EC2::Instance": `{"Instance": {"InstanceId": "i-1", "InstanceType": "t3.micro", "State": {"Name": "running"}, "Tags": [{"Key": "Name", "Value": "web"}]},
		"Volumes": [{"VolumeId": "vol-1", "Encrypted": true, "Attachments": [{"InstanceId": "i-1", "Device": "/dev/xvda"}]}, {"VolumeId": "vol-2", "Encrypted": false, "Attachments": [{"InstanceId": "i-1", "Device": "/dev/sdf"}]}]}`,
	"AWS::EC2::SecurityGroup": `{"SecurityGroup": {"GroupId": "sg-1", "GroupName": "web", "IpPermissions": [
		{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
		{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "192.0.2.0/24"}]},
		{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-1"}]}]}}`,
	"AWS::RDS::DBInstance": `{"DBInstance": {"DBInstanceIdentifier": "orders", "Engine": "postgres", "PubliclyAccessible": false, "StorageEncrypted": true}}`,
}

// BenchmarkEvaluate judges one typical document of each type by all policies
// of its type; "all" is the whole catalogue once. Decoding is not counted.
func BenchmarkEvaluate(b *testing.B) {
	type judged struct {
		program *Program
		in      Input
	}
	set := catalogue(b)
	var all []judged
	for _, kind := range resources.All() {
		document, ok := typicalDocuments[kind.Name]
		if !ok {
			if len(set.For(kind.Name)) > 0 {
				b.Fatalf("no typical document of %s", kind.Name)
			}
			continue
		}
		ref := kind.Ref(fixtureAccount, fixtureRegion, "a")
		view, err := kind.View(ref, []byte(document))
		if err != nil {
			b.Fatal(err)
		}
		var some []judged
		for _, p := range set.For(kind.Name) {
			j := judged{bind(b, p, qrie.Launch{}), Input{View: view, Ref: ref, Account: qrie.Account{ID: fixtureAccount}, Now: fixtureNow}}
			if v := j.program.Evaluate(j.in); v.Outcome == qrie.Unknown {
				b.Fatalf("%s: %s", p.ID, v.Reason)
			}
			some = append(some, j)
		}
		all = append(all, some...)
		b.Run(kind.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, j := range some {
					j.program.Evaluate(j.in)
				}
			}
		})
	}
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, j := range all {
				j.program.Evaluate(j.in)
			}
		}
	})
}

func BenchmarkCatalogue(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		catalogue(b)
	}
}

func BenchmarkBind(b *testing.B) {
	p := policyOf(b, "EC2SecurityGroupOpenToWorld")
	b.ReportAllocs()
	for b.Loop() {
		bind(b, p, qrie.Launch{})
	}
}
