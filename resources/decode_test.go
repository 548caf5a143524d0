package resources_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

func mustFind(tb testing.TB, name string) resources.Type {
	tb.Helper()
	typ, ok := resources.Find(name)
	if !ok {
		tb.Fatalf("no type %s", name)
	}
	return typ
}

func day(d int) time.Time { return time.Date(2026, 3, d, 12, 0, 0, 0, time.UTC) }

type decodeCase struct {
	name     string
	document string
	want     any
	view     resources.View // Value apart
}

func testDecode(t *testing.T, typeName string, cases []decodeCase) {
	t.Helper()
	typ := mustFind(t, typeName)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := typ.Decode([]byte(c.document))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Value); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
			got.Value = nil
			if diff := cmp.Diff(c.view, got); diff != "" {
				t.Errorf("view (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeS3Bucket(t *testing.T) {
	all := resources.Block{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}
	denied := func(member, action string) qrie.Missing {
		return qrie.Missing{Member: member, Code: "AccessDenied", Action: action}
	}
	testDecode(t, "AWS::S3::Bucket", []decodeCase{
		{
			name:     "nothing configured, in us-east-1",
			document: `{"Location":{"LocationConstraint":null}}`,
			want:     &resources.S3Bucket{Region: "us-east-1", BlockAt: "/PublicAccessBlock", PolicyAt: "/Policy"},
			view:     resources.View{Region: "us-east-1"},
		},
		{
			name: "everything configured",
			document: `{
				"Location": {"LocationConstraint": "EU"},
				"PublicAccessBlock": {"BlockPublicAcls": true, "RestrictPublicBuckets": true},
				"AccountPublicAccessBlock": {"BlockPublicAcls": true, "BlockPublicPolicy": true},
				"PolicyStatus": {"IsPublic": true},
				"Policy": {"Version": "2012-10-17", "Statement": [ {"Effect": "Allow", "Principal": "*"} ]},
				"Acl": {"Owner": {"ID": "o"}, "Grants": [
					{"Grantee": {"Type": "CanonicalUser", "ID": "o"}, "Permission": "FULL_CONTROL"},
					{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"},
					{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}, "Permission": "WRITE"},
					{"Grantee": {"Type": "AmazonCustomerByEmail", "EmailAddress": "a@example.com"}, "Permission": "READ_ACP"}]},
				"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
				"Versioning": {"Status": "Enabled", "MFADelete": "Enabled"},
				"Encryption": {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}, "BucketKeyEnabled": true}]},
				"Logging": {"TargetBucket": "logs", "TargetPrefix": "x/"},
				"Tags": [{"Key": "team", "Value": "web"}, {"Key": "env", "Value": "prod"}]
			}`,
			want: &resources.S3Bucket{
				Region:  "eu-west-1",
				Block:   resources.Block{BlockPublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true},
				BlockAt: "/PublicAccessBlock",
				ACL: []resources.Grant{
					{Grantee: "o", Permission: "FULL_CONTROL", At: "/Acl/Grants/0"},
					{Grantee: "AllUsers", Permission: "READ", At: "/Acl/Grants/1"},
					{Grantee: "LogDelivery", Permission: "WRITE", At: "/Acl/Grants/2"},
					{Grantee: "a@example.com", Permission: "READ_ACP", At: "/Acl/Grants/3"},
				},
				Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*"}]}`, PolicyAt: "/Policy",
				PublicByAWS: true, Ownership: "BucketOwnerEnforced", Versioning: "Enabled", MFADelete: true,
				Encryption: []resources.SSERule{{Algorithm: "aws:kms", KeyID: "k", At: "/Encryption/Rules/0"}},
				LogTarget:  "logs", Tags: map[string]string{"team": "web", "env": "prod"},
			},
			view: resources.View{Region: "eu-west-1", Tags: map[string]string{"team": "web", "env": "prod"}},
		},
		{
			name:     "a policy that was no JSON",
			document: `{"Policy": "{\"Statement\": [", "Versioning": {"Status": "Suspended"}}`,
			want:     &resources.S3Bucket{BlockAt: "/PublicAccessBlock", Policy: `{"Statement": [`, PolicyAt: "/Policy", Versioning: "Suspended"},
		},
		{
			name: "what was denied is unknown, and what rests on it",
			document: `{"PublicAccessBlock": {"BlockPublicAcls": true},
				"missing": [{"member": "AccountPublicAccessBlock", "code": "AccessDenied", "action": "s3:GetAccountPublicAccessBlock"},
				            {"member": "Versioning", "code": "AccessDenied", "action": "s3:GetBucketVersioning"}]}`,
			want: &resources.S3Bucket{Block: resources.Block{BlockPublicACLs: true}, BlockAt: "/PublicAccessBlock", PolicyAt: "/Policy"},
			view: resources.View{
				Missing: []qrie.Missing{denied("AccountPublicAccessBlock", "s3:GetAccountPublicAccessBlock"), denied("Versioning", "s3:GetBucketVersioning")},
				Unknown: map[string]qrie.Missing{
					"block":      denied("AccountPublicAccessBlock", "s3:GetAccountPublicAccessBlock"),
					"versioning": denied("Versioning", "s3:GetBucketVersioning"),
					"mfaDelete":  denied("Versioning", "s3:GetBucketVersioning"),
				},
			},
		},
		{
			name: "four flags that are on stay on whatever the account says",
			document: `{"PublicAccessBlock": {"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true},
				"missing": [{"member": "AccountPublicAccessBlock", "code": "AccessDenied", "action": "s3:GetAccountPublicAccessBlock"}]}`,
			want: &resources.S3Bucket{Block: all, BlockAt: "/PublicAccessBlock", PolicyAt: "/Policy"},
			view: resources.View{
				Missing: []qrie.Missing{denied("AccountPublicAccessBlock", "s3:GetAccountPublicAccessBlock")},
				Unknown: map[string]qrie.Missing{},
			},
		},
	})
}

func TestDecodeAccount(t *testing.T) {
	testDecode(t, "AWS::Account", []decodeCase{
		{name: "nothing", document: `{}`, want: &resources.Account{}},
		{
			name: "root never used",
			document: `{"Summary": {"AccountAccessKeysPresent": 0, "AccountMFAEnabled": 1, "Users": 27},
				"RootCredentials": {"user": "<root_account>", "arn": "arn:aws:iam::111122223333:root", "password_enabled": "not_supported",
					"password_last_used": "no_information", "access_key_1_last_used_date": "N/A", "access_key_2_last_used_date": "not_supported"}}`,
			want: &resources.Account{ID: "111122223333", RootMFA: true},
			view: resources.View{Name: "111122223333", ARN: "arn:aws:iam::111122223333:root"},
		},
		{
			name: "root used, with both keys",
			document: `{"Summary": {"AccountAccessKeysPresent": 1},
				"PublicAccessBlock": {"IgnorePublicAcls": true},
				"PasswordPolicy": {"MinimumPasswordLength": 14, "ExpirePasswords": true, "MaxPasswordAge": 90, "PasswordReusePrevention": 24,
					"RequireSymbols": true, "RequireNumbers": true, "RequireUppercaseCharacters": false, "RequireLowercaseCharacters": true},
				"RootCredentials": {"password_last_used": "2026-03-01T12:00:00+00:00",
					"access_key_1_last_used_date": "2026-03-02T12:00:00+00:00", "access_key_2_last_used_date": "2026-03-03T14:00:00+02:00"}}`,
			want: &resources.Account{
				RootAccessKeys: 1, RootPasswordUsed: day(1), RootKeyUsed: day(3), Block: resources.Block{IgnorePublicACLs: true},
				HasPasswordPolicy: true, PasswordMinLength: 14, PasswordMaxAgeDays: 90, PasswordReuse: 24, PasswordClasses: 3,
			},
		},
		{
			name:     "passwords that never expire",
			document: `{"PasswordPolicy": {"MinimumPasswordLength": 8, "ExpirePasswords": false, "MaxPasswordAge": null}}`,
			want:     &resources.Account{HasPasswordPolicy: true, PasswordMinLength: 8},
		},
	})
}

func TestDecodeIAMUser(t *testing.T) {
	testDecode(t, "AWS::IAM::User", []decodeCase{
		{
			name: "a user with everything",
			document: `{
				"User": {"UserName": "ann", "UserId": "AIDA1", "Arn": "arn:aws:iam::111122223333:user/eng/ann", "Path": "/eng/",
					"CreateDate": "2026-03-01T12:00:00Z", "PasswordLastUsed": "2026-03-02T12:00:00Z", "Tags": [{"Key": "team", "Value": "web"}]},
				"LoginProfile": {"CreateDate": "2026-03-01T12:00:00Z"},
				"MFADevices": [{"SerialNumber": "arn:aws:iam::111122223333:mfa/ann", "EnableDate": "2026-03-01T12:00:00Z"}],
				"AccessKeys": [
					{"AccessKeyId": "AKIAEXAMPLE1", "Status": "Active", "CreateDate": "2026-03-01T12:00:00Z", "LastUsed": {"LastUsedDate": "2026-03-03T12:00:00Z", "ServiceName": "s3", "Region": "us-east-1"}},
					{"AccessKeyId": "AKIAEXAMPLE2", "Status": "Inactive", "CreateDate": "2026-03-02T12:00:00Z", "LastUsed": {"LastUsedDate": null, "ServiceName": "N/A"}}],
				"AttachedPolicies": [{"PolicyName": "ReadOnlyAccess", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
				"InlinePolicies": [{"PolicyName": "own", "PolicyDocument": {"Statement": {"Effect": "Allow"}}}],
				"Groups": [{"GroupName": "eng", "Arn": "arn:aws:iam::111122223333:group/eng"}]
			}`,
			want: &resources.IAMUser{
				Name: "ann", Path: "/eng/", CreatedAt: day(1), PasswordLastUsed: day(2), HasPassword: true,
				MFADevices: []resources.MFADevice{{Serial: "arn:aws:iam::111122223333:mfa/ann", At: "/MFADevices/0"}},
				AccessKeys: []resources.AccessKey{
					{ID: "AKIAEXAMPLE1", Active: true, CreatedAt: day(1), LastUsed: day(3), At: "/AccessKeys/0"},
					{ID: "AKIAEXAMPLE2", CreatedAt: day(2), At: "/AccessKeys/1"},
				},
				Attached: []resources.AttachedPolicy{{Name: "ReadOnlyAccess", ARN: "arn:aws:iam::aws:policy/ReadOnlyAccess", At: "/AttachedPolicies/0"}},
				Inline:   []resources.InlinePolicy{{Name: "own", Document: `{"Statement":{"Effect":"Allow"}}`, At: "/InlinePolicies/0/PolicyDocument"}},
				Groups:   []string{"eng"}, Tags: map[string]string{"team": "web"},
			},
			view: resources.View{Name: "ann", ARN: "arn:aws:iam::111122223333:user/eng/ann", Tags: map[string]string{"team": "web"}},
		},
		{
			name:     "a part that is missing makes the whole member unknown",
			document: `{"User": {"UserName": "bob"}, "LoginProfile": null, "missing": [{"member": "AccessKeys/0/LastUsed", "code": "AccessDenied", "action": "iam:GetAccessKeyLastUsed"}]}`,
			want:     &resources.IAMUser{Name: "bob"},
			view: resources.View{
				Name:    "bob",
				Missing: []qrie.Missing{{Member: "AccessKeys/0/LastUsed", Code: "AccessDenied", Action: "iam:GetAccessKeyLastUsed"}},
				Unknown: map[string]qrie.Missing{"accessKeys": {Member: "AccessKeys/0/LastUsed", Code: "AccessDenied", Action: "iam:GetAccessKeyLastUsed"}},
			},
		},
	})
}

func TestDecodeIAMManagedPolicy(t *testing.T) {
	const arn = "arn:aws:iam::111122223333:policy/ops/deploy"
	testDecode(t, "AWS::IAM::ManagedPolicy", []decodeCase{
		{
			name: "a policy",
			document: `{"Policy": {"PolicyName": "deploy", "Arn": "` + arn + `", "AttachmentCount": 3, "Tags": [{"Key": "a", "Value": "b"}]},
				"DefaultVersion": {"VersionId": "v4", "Document": {"Statement": []}, "CreateDate": "2026-03-01T12:00:00Z"}}`,
			want: &resources.IAMPolicy{
				Name: "deploy", ARN: arn, Attachments: 3, VersionID: "v4", Document: `{"Statement":[]}`,
				DocumentAt: "/DefaultVersion/Document", Tags: map[string]string{"a": "b"},
			},
			view: resources.View{Name: "deploy", ARN: arn, Tags: map[string]string{"a": "b"}},
		},
	})
}

func TestDecodeEC2Instance(t *testing.T) {
	testDecode(t, "AWS::EC2::Instance", []decodeCase{
		{
			name: "two volumes, one shared",
			document: `{"Instance": {"InstanceId": "i-1", "InstanceType": "t3.micro", "State": {"Code": 16, "Name": "running"},
					"PublicIpAddress": "203.0.113.9", "VpcId": "vpc-1", "SubnetId": "subnet-1", "MetadataOptions": {"HttpTokens": "required"},
					"IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/web"}, "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "web"}],
					"Placement": {"AvailabilityZone": "eu-west-1b"}, "Tags": [{"Key": "Name", "Value": "web-1"}]},
				"Volumes": [
					{"VolumeId": "vol-1", "Encrypted": true, "KmsKeyId": "k", "Attachments": [{"InstanceId": "i-1", "Device": "/dev/xvda"}]},
					{"VolumeId": "vol-2", "Encrypted": false, "Attachments": [{"InstanceId": "i-9", "Device": "/dev/sdb"}, {"InstanceId": "i-1", "Device": "/dev/sdc"}]}]}`,
			want: &resources.EC2Instance{
				ID: "i-1", Name: "web-1", InstanceType: "t3.micro", State: "running", PublicIP: "203.0.113.9", VPCID: "vpc-1", SubnetID: "subnet-1",
				HTTPTokens: "required", ProfileARN: "arn:aws:iam::111122223333:instance-profile/web", SecurityGroups: []string{"sg-1"},
				Volumes: []resources.AttachedVolume{
					{ID: "vol-1", Device: "/dev/xvda", Encrypted: true, KeyID: "k", At: "/Volumes/0/Encrypted"},
					{ID: "vol-2", Device: "/dev/sdc", At: "/Volumes/1/Encrypted"},
				},
				Tags: map[string]string{"Name": "web-1"},
			},
			view: resources.View{Name: "web-1", Region: "eu-west-1", Tags: map[string]string{"Name": "web-1"}},
		},
		{
			name:     "no name, in a Local Zone",
			document: `{"Instance": {"InstanceId": "i-1", "Placement": {"AvailabilityZone": "us-west-2-lax-1a"}}}`,
			want:     &resources.EC2Instance{ID: "i-1", Name: "i-1"},
			view:     resources.View{Name: "i-1", Region: "us-west-2"},
		},
	})
}

func TestDecodeEC2Volume(t *testing.T) {
	testDecode(t, "AWS::EC2::Volume", []decodeCase{
		{
			name: "a volume",
			document: `{"Volume": {"VolumeId": "vol-1", "Encrypted": true, "KmsKeyId": "k", "State": "in-use", "Size": 8, "VolumeType": "gp3",
				"AvailabilityZone": "us-gov-west-1a", "Attachments": [{"InstanceId": "i-1", "Device": "/dev/xvda"}], "Tags": [{"Key": "a", "Value": "b"}]}}`,
			want: &resources.EBSVolume{
				ID: "vol-1", Name: "vol-1", Encrypted: true, EncryptedAt: "/Volume/Encrypted", KeyID: "k", State: "in-use", SizeGiB: 8, Type: "gp3",
				Instances: []string{"i-1"}, Tags: map[string]string{"a": "b"},
			},
			view: resources.View{Name: "vol-1", Region: "us-gov-west-1", Tags: map[string]string{"a": "b"}},
		},
	})
}

func TestDecodeSecurityGroup(t *testing.T) {
	testDecode(t, "AWS::EC2::SecurityGroup", []decodeCase{
		{
			name: "every protocol and every source",
			document: `{"SecurityGroup": {"GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "OwnerId": "111122223333",
				"SecurityGroupArn": "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-1",
				"IpPermissions": [
					{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "office"}, {"CidrIp": "0.0.0.0/0"}],
						"Ipv6Ranges": [{"CidrIpv6": "::/0"}], "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "111122223333"}], "PrefixListIds": [{"PrefixListId": "pl-1"}]},
					{"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
					{"IpProtocol": "58", "FromPort": -1, "ToPort": -1, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
					{"IpProtocol": "17", "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
					{"IpProtocol": "6", "FromPort": 0, "ToPort": 65535, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
					{"IpProtocol": "050", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}],
				"IpPermissionsEgress": [{"IpProtocol": "-1", "FromPort": null, "ToPort": null, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}}`,
			want: &resources.SecurityGroup{
				ID: "sg-1", Name: "web", VPCID: "vpc-1",
				Ingress: []resources.SecurityRule{
					{Protocol: "tcp", FromPort: 22, ToPort: 22, CIDR: "10.0.0.0/8", Description: "office", At: "/SecurityGroup/IpPermissions/0/IpRanges/0"},
					{Protocol: "tcp", FromPort: 22, ToPort: 22, CIDR: "0.0.0.0/0", At: "/SecurityGroup/IpPermissions/0/IpRanges/1"},
					{Protocol: "tcp", FromPort: 22, ToPort: 22, CIDR: "::/0", At: "/SecurityGroup/IpPermissions/0/Ipv6Ranges/0"},
					{Protocol: "tcp", FromPort: 22, ToPort: 22, SourceGroup: "sg-2", At: "/SecurityGroup/IpPermissions/0/UserIdGroupPairs/0"},
					{Protocol: "tcp", FromPort: 22, ToPort: 22, PrefixList: "pl-1", At: "/SecurityGroup/IpPermissions/0/PrefixListIds/0"},
					{Protocol: "icmp", ToPort: 65535, CIDR: "0.0.0.0/0", At: "/SecurityGroup/IpPermissions/1/IpRanges/0"},
					{Protocol: "icmpv6", ToPort: 65535, CIDR: "::/0", At: "/SecurityGroup/IpPermissions/2/Ipv6Ranges/0"},
					{Protocol: "udp", FromPort: 53, ToPort: 53, CIDR: "10.0.0.0/8", At: "/SecurityGroup/IpPermissions/3/IpRanges/0"},
					{Protocol: "tcp", ToPort: 65535, CIDR: "10.0.0.0/8", At: "/SecurityGroup/IpPermissions/4/IpRanges/0"},
					{Protocol: "50", ToPort: 65535, CIDR: "10.0.0.0/8", At: "/SecurityGroup/IpPermissions/5/IpRanges/0"},
				},
				Egress: []resources.SecurityRule{{Protocol: "all", ToPort: 65535, CIDR: "0.0.0.0/0", At: "/SecurityGroup/IpPermissionsEgress/0/IpRanges/0"}},
			},
			view: resources.View{Name: "web", ARN: "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-1", Region: "eu-west-1"},
		},
	})
}

func TestDecodeRDSInstance(t *testing.T) {
	const arn = "arn:aws:rds:us-east-1:111122223333:db:orders"
	testDecode(t, "AWS::RDS::DBInstance", []decodeCase{
		{
			name: "an instance",
			document: `{"DBInstance": {"DBInstanceIdentifier": "orders", "DBInstanceArn": "` + arn + `", "DBInstanceClass": "db.t3.micro",
				"DBInstanceStatus": "available", "Engine": "postgres", "PubliclyAccessible": true, "StorageEncrypted": true, "MultiAZ": true,
				"DeletionProtection": true, "BackupRetentionPeriod": 7, "Endpoint": {"Address": "orders.example.com", "Port": 5432},
				"TagList": [{"Key": "a", "Value": "b"}]}}`,
			want: &resources.RDSInstance{
				ID: "orders", Engine: "postgres", Class: "db.t3.micro", Status: "available", PubliclyAccessible: true,
				PublicAt: "/DBInstance/PubliclyAccessible", StorageEncrypted: true, MultiAZ: true, BackupDays: 7, DeletionProtection: true,
				Endpoint: "orders.example.com:5432", Tags: map[string]string{"a": "b"},
			},
			view: resources.View{Name: "orders", ARN: arn, Region: "us-east-1", Tags: map[string]string{"a": "b"}},
		},
		{
			name:     "being created, without an endpoint",
			document: `{"DBInstance": {"DBInstanceIdentifier": "orders", "Endpoint": null}}`,
			want:     &resources.RDSInstance{ID: "orders", PublicAt: "/DBInstance/PubliclyAccessible"},
			view:     resources.View{Name: "orders"},
		},
	})
}

func TestDecodeRefusesWrongShapes(t *testing.T) {
	f := func(typeName, document, want string) {
		t.Helper()
		_, err := mustFind(t, typeName).Decode([]byte(document))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %s: error %v does not say %q", typeName, document, err, want)
		}
	}
	f("AWS::S3::Bucket", ``, "not a JSON object")
	f("AWS::S3::Bucket", `null`, "not a JSON object")
	f("AWS::S3::Bucket", `[]`, "not a JSON object")
	f("AWS::S3::Bucket", `{"Policy": {`, "not valid JSON at byte 12")
	f("AWS::S3::Bucket", `{} {}`, "not valid JSON at byte 4")
	f("AWS::S3::Bucket", `{"PublicAccessBlock": {"BlockPublicAcls": "true"}}`, "PublicAccessBlock.BlockPublicAcls holds a JSON string where AWS answers with true or false")
	f("AWS::S3::Bucket", `{"Acl": []}`, "Acl holds a JSON array where AWS answers with an object")
	f("AWS::S3::Bucket", `{"Tags": {"a": "b"}}`, "Tags holds a JSON object where AWS answers with an array")
	f("AWS::S3::Bucket", `{"Policy": 7}`, "Policy holds 7 where a policy document belongs")
	f("AWS::S3::Bucket", `{"missing": ["Policy"]}`, "missing")
	f("AWS::Account", `{"Summary": {"AccountMFAEnabled": "1"}}`, "Summary.AccountMFAEnabled")
	f("AWS::Account", `{"RootCredentials": {"password_last_used": "yesterday"}}`, `RootCredentials.password_last_used: "yesterday" is not a time`)
	f("AWS::IAM::User", `{"User": {"CreateDate": 17}}`, "User.CreateDate holds a JSON number where AWS answers with a string")
	f("AWS::IAM::User", `{"AccessKeys": [{"CreateDate": "x"}]}`, "AccessKeys.CreateDate")
	f("AWS::IAM::ManagedPolicy", `{"DefaultVersion": {"Document": true}}`, "DefaultVersion.Document holds true")
	f("AWS::EC2::SecurityGroup", `{"SecurityGroup": {"IpPermissions": [{"FromPort": "22"}]}}`, "FromPort holds a JSON string where AWS answers with a whole number")
	f("AWS::RDS::DBInstance", `{"DBInstance": {"BackupRetentionPeriod": 1.5}}`, "DBInstance.BackupRetentionPeriod")
}

func TestViewTakesFromTheRefWhatTheDocumentLacks(t *testing.T) {
	f := func(typeName, id, document, wantName string, wantValue any) {
		t.Helper()
		typ := mustFind(t, typeName)
		got, err := typ.View(typ.Ref("111122223333", "us-east-1", id), []byte(document))
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != wantName {
			t.Errorf("%s: name %q, want %q", typeName, got.Name, wantName)
		}
		if diff := cmp.Diff(wantValue, got.Value); diff != "" {
			t.Errorf("%s (-want +got):\n%s", typeName, diff)
		}
	}
	const arn = "arn:aws:iam::111122223333:policy/ops/deploy"
	f("AWS::S3::Bucket", "logs", `{}`, "logs", &resources.S3Bucket{Name: "logs", BlockAt: "/PublicAccessBlock", PolicyAt: "/Policy"})
	f("AWS::Account", "111122223333", `{}`, "111122223333", &resources.Account{ID: "111122223333"})
	f("AWS::IAM::User", "ann", `{"missing": []}`, "ann", &resources.IAMUser{Name: "ann"})
	f("AWS::IAM::ManagedPolicy", arn, `{}`, "deploy", &resources.IAMPolicy{Name: "deploy", ARN: arn, DocumentAt: "/DefaultVersion/Document"})
	f("AWS::EC2::Instance", "i-1", `{"Instance": {"InstanceId": "i-1", "Tags": [{"Key": "Name", "Value": "web"}]}}`, "web",
		&resources.EC2Instance{ID: "i-1", Name: "web", Tags: map[string]string{"Name": "web"}})
	if _, err := mustFind(t, "AWS::S3::Bucket").View(qrie.Ref{}, []byte(`[]`)); err == nil {
		t.Error("an array is taken for a document")
	}
}
