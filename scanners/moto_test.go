package scanners

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	s3controltypes "github.com/aws/aws-sdk-go-v2/service/s3control/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// The emulator's own account, whose credentials qrie has here, and the account
// that it enters through a role.
const (
	motoOwn    = "123456789012"
	motoMember = "222222222222"
	motoRegion = "eu-west-1"
)

// TestEmulator lists and describes resources of every type in two accounts of
// an AWS emulator, one of them through AssumeRole with an external id.
func TestEmulator(t *testing.T) {
	endpoint := startMoto(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	own := aws.Config{
		Region: motoRegion, BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAOWN", "secret", ""),
	}
	accounts := map[string]qrie.Account{
		motoOwn:    {ID: motoOwn},
		motoMember: {ID: motoMember, RoleARN: "arn:aws:iam::" + motoMember + ":role/qrie", ExternalID: "e5-external"},
	}
	s := New(Options{
		Config:   aws.Config{Region: motoRegion, Credentials: own.Credentials},
		Endpoint: endpoint,
		Accounts: func(_ context.Context, id string) (qrie.Account, error) {
			a, ok := accounts[id]
			if !ok {
				return a, qrie.ErrNotFound
			}
			return a, nil
		},
	})
	member := assumeMoto(t, ctx, own)
	made := makeMotoWorld(t, ctx, endpoint, member)

	t.Run("every type is listed and described", func(t *testing.T) {
		for _, typ := range resources.All() {
			region := typ.Ref(motoMember, motoRegion, "").Region
			refs := listAll(t, ctx, s, motoMember, region, typ.Name)
			id := made[typ.Name].id
			at := slices.IndexFunc(refs, func(r qrie.Ref) bool { return r.ID == id })
			if at < 0 {
				t.Errorf("%s: %s is not listed among %v", typ.Name, id, refs)
				continue
			}
			o, err := s.Describe(ctx, refs[at])
			if err != nil {
				t.Errorf("%s: %v", typ.Name, err)
				continue
			}
			if o.Deleted || o.Ref.ARN == "" {
				t.Errorf("%s: observed %+v", typ.Name, o)
			}
			if d := time.Since(o.ObservedAt); d < 0 || d > time.Minute {
				t.Errorf("%s: observed %s ago", typ.Name, d)
			}
			for path, want := range made[typ.Name].want {
				if got := gjson.GetBytes(o.Document, path).String(); got != want {
					t.Errorf("%s: %s is %q, want %q in\n%s", typ.Name, path, got, want, o.Document)
				}
			}
			// The emulator's credential report has no row of the root user.
			missing := gjson.GetBytes(o.Document, "missing.#.member").String()
			if want := map[string]string{"AWS::Account": `["RootCredentials"]`}[typ.Name]; missing != want {
				t.Errorf("%s: missing %q, want %q", typ.Name, missing, want)
			}
			if _, err := typ.View(o.Ref, o.Document); err != nil {
				t.Errorf("%s: no view: %v", typ.Name, err)
			}
		}
	})

	t.Run("the other account has none of it", func(t *testing.T) {
		for _, typ := range resources.All() {
			if typ.Name == "AWS::Account" || typ.Name == "AWS::EC2::SecurityGroup" { // every account has some
				continue
			}
			region := typ.Ref(motoOwn, motoRegion, "").Region
			if refs := listAll(t, ctx, s, motoOwn, region, typ.Name); len(refs) > 0 {
				t.Errorf("%s: account %s lists %v", typ.Name, motoOwn, refs)
			}
		}
	})

	t.Run("what is not there is deleted", func(t *testing.T) {
		for typ, id := range map[string]string{
			"AWS::S3::Bucket": "no-such-bucket-here", "AWS::IAM::User": "nobody",
			"AWS::IAM::ManagedPolicy": "arn:aws:iam::" + motoMember + ":policy/none",
			"AWS::EC2::Instance":      "i-0123456789abcdef0", "AWS::EC2::Volume": "vol-0123456789abcdef0",
			"AWS::EC2::SecurityGroup": "sg-0123456789abcdef0", "AWS::RDS::DBInstance": "none",
		} {
			o, err := s.Describe(ctx, qrie.Ref{Account: motoMember, Region: motoRegion, Type: typ, ID: id})
			if err != nil || !o.Deleted {
				t.Errorf("%s %s: deleted %t, error %v", typ, id, o.Deleted, err)
			}
		}
	})

	t.Run("a terminated instance is deleted and not listed", func(t *testing.T) {
		id := made["AWS::EC2::Instance"].id
		if _, err := ec2.NewFromConfig(member).TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}}); err != nil {
			t.Fatal(err)
		}
		o, err := s.Describe(ctx, qrie.Ref{Account: motoMember, Region: motoRegion, Type: "AWS::EC2::Instance", ID: id})
		if err != nil || !o.Deleted {
			t.Errorf("deleted %t, error %v", o.Deleted, err)
		}
		if refs := listAll(t, ctx, s, motoMember, motoRegion, "AWS::EC2::Instance"); len(refs) > 0 {
			t.Errorf("listed %v", refs)
		}
	})

	t.Run("pages", func(t *testing.T) {
		client := ec2.NewFromConfig(member)
		want := []string{}
		for _, r := range listAll(t, ctx, s, motoMember, motoRegion, "AWS::EC2::SecurityGroup") {
			want = append(want, r.ID)
		}
		for i := range ec2Page + 5 {
			want = append(want, makeGroup(t, ctx, client, fmt.Sprintf("page-%03d", i)))
		}
		got := []string{}
		for _, r := range listAll(t, ctx, s, motoMember, motoRegion, "AWS::EC2::SecurityGroup") {
			got = append(got, r.ID)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("groups over pages (-want +got):\n%s", diff)
		}
	})
}

// startMoto starts the emulator on a free port and stops it with the test.
func startMoto(t *testing.T) (endpoint string) {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("SKIPPED: moto_server is not on the PATH, so nothing is read from an AWS emulator: pip install 'moto[server]'")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	var output bytes.Buffer
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", fmt.Sprint(address.Port))
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the emulator said:\n%s", tail(output.Bytes(), 4096))
		}
	})
	endpoint = "http://" + address.String()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(endpoint + "/moto-api/")
		if err == nil {
			resp.Body.Close()
			return endpoint
		}
		if time.Now().After(deadline) {
			t.Fatalf("the emulator does not answer at %s: %v", endpoint, err)
		}
	}
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

func assumeMoto(t *testing.T, ctx context.Context, own aws.Config) aws.Config {
	t.Helper()
	out, err := sts.NewFromConfig(own).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + motoMember + ":role/maker"), RoleSessionName: aws.String("maker"),
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := own.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	return cfg
}

func listAll(t *testing.T, ctx context.Context, s *Scanner, account, region, resourceType string) []qrie.Ref {
	t.Helper()
	var all []qrie.Ref
	for token, page := "", 0; ; page++ {
		refs, next, err := s.List(ctx, account, region, resourceType, token)
		if err != nil {
			t.Fatalf("list %s: %v", resourceType, err)
		}
		all = append(all, refs...)
		if next == "" {
			return all
		}
		if token = next; page > 20 {
			t.Fatalf("the list of %s does not end", resourceType)
		}
	}
}

// made is a resource of the emulator: its id, and what its document must hold
// under some gjson paths.
type motoMade struct {
	id   string
	want map[string]string
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// madeBefore tells whether what a call was to make exists: the emulator closes
// a connection as soon as it has answered, about one answer in 5,000 is lost
// that way, and the SDK asks again.
func madeBefore(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains([]string{
		"InvalidGroup.Duplicate", "EntityAlreadyExists", "BucketAlreadyOwnedByYou", "DBInstanceAlreadyExists", "InvalidPermission.Duplicate",
	}, api.ErrorCode())
}

// makeGroup makes a security group and returns its id.
func makeGroup(t *testing.T, ctx context.Context, client *ec2.Client, name string) string {
	t.Helper()
	_, err := client.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("one of many")})
	if err != nil && !madeBefore(err) {
		t.Fatal(err)
	}
	out, err := client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: []ec2types.Filter{{Name: aws.String("group-name"), Values: []string{name}}},
	})
	if err != nil || len(out.SecurityGroups) != 1 {
		t.Fatalf("security group %s: %+v, %v", name, out, err)
	}
	return *out.SecurityGroups[0].GroupId
}

// makeMotoWorld makes one resource of every type in the member account.
func makeMotoWorld(t *testing.T, ctx context.Context, endpoint string, cfg aws.Config) map[string]motoMade {
	t.Helper()
	check := func(_ any, err error) {
		t.Helper()
		if err != nil && !madeBefore(err) {
			t.Fatal(err)
		}
	}
	made := map[string]motoMade{}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	name := aws.String("member-papers")
	check(buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: motoRegion}}))
	check(buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: name, Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::member-papers/*"}]}`)}))
	check(buckets.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: name, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true)}}))
	check(buckets.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: name, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusSuspended}}))
	check(buckets.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: name, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("team"), Value: aws.String("legal")}}}}))
	control := s3control.NewFromConfig(cfg, func(o *s3control.Options) {
		u := must[*http.Request](t)(http.NewRequest("GET", endpoint, nil)).URL
		o.EndpointResolverV2 = fixedEndpoint{*u}
	})
	check(control.PutPublicAccessBlock(ctx, &s3control.PutPublicAccessBlockInput{AccountId: aws.String(motoMember), PublicAccessBlockConfiguration: &s3controltypes.PublicAccessBlockConfiguration{IgnorePublicAcls: aws.Bool(true)}}))
	made["AWS::S3::Bucket"] = motoMade{*name, map[string]string{
		"Location.LocationConstraint": motoRegion, "Policy.Statement.0.Principal": "*", "PublicAccessBlock.BlockPublicAcls": "true",
		"AccountPublicAccessBlock.IgnorePublicAcls": "true", "Versioning.Status": "Suspended", "Tags.0.Value": "legal", "Acl.Grants.0.Permission": "FULL_CONTROL",
	}}

	people := iam.NewFromConfig(cfg)
	check(people.UpdateAccountPasswordPolicy(ctx, &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(12)}))
	made["AWS::Account"] = motoMade{motoMember, map[string]string{
		"Summary.Users": "1", "PasswordPolicy.MinimumPasswordLength": "12", "PublicAccessBlock.IgnorePublicAcls": "true",
	}}
	user := aws.String("lena")
	check(people.CreateUser(ctx, &iam.CreateUserInput{UserName: user, Path: aws.String("/legal/")}))
	check(people.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: user, Password: aws.String("a-Long-1-password")}))
	key := must[*iam.CreateAccessKeyOutput](t)(people.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user}))
	check(people.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: user, PolicyName: aws.String("own"), PolicyDocument: &policy}))
	check(people.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("readers")}))
	check(people.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("readers"), UserName: user}))
	created := must[*iam.CreatePolicyOutput](t)(people.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("all"), PolicyDocument: &policy}))
	check(people.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: user, PolicyArn: created.Policy.Arn}))
	made["AWS::IAM::User"] = motoMade{*user, map[string]string{
		"User.Arn": "arn:aws:iam::" + motoMember + ":user/legal/lena", "LoginProfile.UserName": "lena", "MFADevices.#": "0",
		"AccessKeys.0.AccessKeyId": *key.AccessKey.AccessKeyId, "AccessKeys.0.Status": "Active", "AttachedPolicies.0.PolicyArn": *created.Policy.Arn,
		"InlinePolicies.0.PolicyDocument.Statement.0.Action": "*", "Groups.0.GroupName": "readers",
	}}
	made["AWS::IAM::ManagedPolicy"] = motoMade{*created.Policy.Arn, map[string]string{
		"Policy.PolicyName": "all", "Policy.AttachmentCount": "1", "DefaultVersion.VersionId": "v1", "DefaultVersion.Document.Statement.0.Resource": "*",
	}}

	machines := ec2.NewFromConfig(cfg)
	run := must[*ec2.RunInstancesOutput](t)(machines.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: aws.String("ami-12c6146b"), InstanceType: ec2types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
	}))
	instance := *run.Instances[0].InstanceId
	made["AWS::EC2::Instance"] = motoMade{instance, map[string]string{
		"Instance.InstanceId": instance, "Instance.InstanceType": "t3.micro", "Instance.State.Name": "running", "Volumes.#": "1", "Volumes.0.Encrypted": "false",
	}}
	volume := must[*ec2.CreateVolumeOutput](t)(machines.CreateVolume(ctx, &ec2.CreateVolumeInput{AvailabilityZone: aws.String(motoRegion + "a"), Size: aws.Int32(3), Encrypted: aws.Bool(true)}))
	made["AWS::EC2::Volume"] = motoMade{*volume.VolumeId, map[string]string{"Volume.Size": "3", "Volume.Encrypted": "true", "Volume.State": "available"}}
	group := makeGroup(t, ctx, machines, "open")
	check(machines.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []ec2types.IpPermission{
		{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}},
	}}))
	made["AWS::EC2::SecurityGroup"] = motoMade{group, map[string]string{
		"SecurityGroup.GroupName": "open", "SecurityGroup.OwnerId": motoMember, "SecurityGroup.IpPermissions.0.FromPort": "22", "SecurityGroup.IpPermissions.0.IpRanges.0.CidrIp": "0.0.0.0/0",
	}}

	check(rds.NewFromConfig(cfg).CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: aws.String("orders"), DBInstanceClass: aws.String("db.t3.micro"), Engine: aws.String("postgres"), AllocatedStorage: aws.Int32(20),
		MasterUsername: aws.String("app"), MasterUserPassword: aws.String("a-long-password"), PubliclyAccessible: aws.Bool(true),
	}))
	made["AWS::RDS::DBInstance"] = motoMade{"orders", map[string]string{
		"DBInstance.Engine": "postgres", "DBInstance.PubliclyAccessible": "true", "DBInstance.DBInstanceArn": "arn:aws:rds:" + motoRegion + ":" + motoMember + ":db:orders",
	}}
	return made
}
