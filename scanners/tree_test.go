package scanners

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestTree(t *testing.T) {
	f := func(v any, want string) {
		t.Helper()
		d := newDocument()
		d.put("M", v)
		got, err := d.encode()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%T\n got %s\nwant %s", v, got, want)
		}
	}
	// What AWS did not send is absent.
	f(nil, `{}`)
	f((*s3types.PolicyStatus)(nil), `{}`)
	f([]s3types.Tag(nil), `{}`)
	f(map[string]int32(nil), `{}`)
	f(s3types.PublicAccessBlockConfiguration{}, `{"M":{}}`)
	f(&s3.GetBucketVersioningOutput{}, `{"M":{}}`)
	// What AWS sent empty or false is there.
	f([]s3types.Tag{}, `{"M":[]}`)
	f(s3types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(false)}, `{"M":{"BlockPublicAcls":false}}`)
	f(s3types.LoggingEnabled{TargetPrefix: aws.String("")}, `{"M":{"TargetPrefix":""}}`)
	f(map[string]string{"a": ""}, `{"M":{"a":""}}`)
	// Names, enumerations, numbers and times as AWS writes them.
	f(&s3.GetBucketVersioningOutput{Status: s3types.BucketVersioningStatusEnabled, MFADelete: s3types.MFADeleteStatusDisabled}, `{"M":{"MFADelete":"Disabled","Status":"Enabled"}}`)
	f(ec2types.Volume{Size: aws.Int32(8), CreateTime: aws.Time(time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600)))}, `{"M":{"CreateTime":"2026-01-02T02:04:05.006Z","Size":8}}`)
	f(map[string]int32{"b": 2, "a": 1}, `{"M":{"a":1,"b":2}}`)
	f(ec2.DescribeVolumesOutput{Volumes: []ec2types.Volume{{}}}, `{"M":{"Volumes":[{}]}}`)
	// Our own shapes: embedded fields are their own, and give way to others.
	f(accessKey{iamtypes.AccessKeyMetadata{AccessKeyId: aws.String("AKIA")}, nil}, `{"M":{"AccessKeyId":"AKIA"}}`)
	f(policyVersion{iamtypes.PolicyVersion{Document: aws.String("%7B%7D"), VersionId: aws.String("v1")}, json.RawMessage(`{}`)}, `{"M":{"Document":{},"IsDefaultVersion":false,"VersionId":"v1"}}`)
	// Policies with characters that HTML escapes stay as they are.
	f(json.RawMessage(`{"a":"<&>"}`), `{"M":{"a":"<&>"}}`)
}

func TestPolicyDocument(t *testing.T) {
	f := func(got any, object bool, want string) {
		t.Helper()
		raw, ok := got.(json.RawMessage)
		if !ok {
			raw = []byte(got.(string))
		}
		if ok != object || string(raw) != want {
			t.Errorf("object %t %s, want %t %s", ok, raw, object, want)
		}
	}
	f(policyDocument(`{"a":1}`), true, `{"a":1}`)
	f(policyDocument(" \n{}"), true, " \n{}")
	f(policyDocument(`{"a":`), false, `{"a":`)
	f(policyDocument(`{} {}`), false, `{} {}`)
	f(policyDocument(`"text"`), false, `"text"`)
	f(policyDocument(``), false, ``)
	f(iamPolicyDocument(`%7B%22a%22%3A%22b+c%22%7D`), true, `{"a":"b+c"}`)
	f(iamPolicyDocument(`{"a":"100%"}`), false, `{"a":"100%"}`) // not encoded, so not to be guessed at
	f(iamPolicyDocument(`%zz`), false, `%zz`)
}
