package resources_test

import (
	"testing"

	"github.com/qrie-sec/qrie/resources"
)

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[`, `{"missing":null}`, `{"missing":[{"member":"Policy"}]}`, "{\"Policy\":\"\\u0000\"}",
		bucketDocument, groupDocument,
		`{"Acl":{"Grants":[{"Grantee":{"URI":"/"}}]},"Location":{"LocationConstraint":"EU"}}`,
		`{"SecurityGroup":{"SecurityGroupArn":":::","IpPermissions":[{"IpProtocol":"-2","FromPort":-9,"IpRanges":[{}]}]}}`,
		`{"Instance":{"Placement":{"AvailabilityZone":"-1-"}},"Volumes":[{"Attachments":[{}]}]}`,
		`{"RootCredentials":{"arn":":::::","password_last_used":"2026-01-01T00:00:00Z"}}`,
		`{"AccessKeys":[{"LastUsed":null}],"InlinePolicies":[{"PolicyDocument":"x"}]}`,
	} {
		f.Add([]byte(seed))
	}
	types := resources.All()
	f.Fuzz(func(t *testing.T, document []byte) {
		for _, typ := range types {
			view, err := typ.View(typ.Ref("111122223333", "us-east-1", "x/y"), document)
			if (err == nil) != (view.Value != nil) {
				t.Fatalf("%s: error %v with value %v", typ.Name, err, view.Value)
			}
			if err == nil && view.Name == "" {
				t.Fatalf("%s: a view without a name", typ.Name)
			}
		}
	})
}
