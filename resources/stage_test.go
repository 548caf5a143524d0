package resources_test

import (
	"testing"

	"github.com/qrie-sec/qrie/resources"
)

func TestUnfinished(t *testing.T) {
	for _, c := range []struct {
		typ, document string
		want          bool
	}{
		{"AWS::RDS::DBInstance", `{"DBInstance":{"DBInstanceStatus":"available"}}`, false},
		{"AWS::RDS::DBInstance", `{"DBInstance":{"DBInstanceStatus":"modifying"}}`, true},
		{"AWS::RDS::DBInstance", `{"DBInstance":{"DBInstanceStatus":"deleting"}}`, true},
		{"AWS::RDS::DBInstance", `{"DBInstance":{"DBInstanceStatus":"stopped"}}`, false},
		{"AWS::RDS::DBInstance", `{"DBInstance":{"DBInstanceStatus":"incompatible-network"}}`, false},
		{"AWS::RDS::DBInstance", `{"DBInstance":{"DBInstanceStatus":["deleting"]}}`, true},
		{"AWS::RDS::DBInstance", `{"DBInstance":{"DBInstanceStatus":7}}`, false},
		{"AWS::RDS::DBInstance", `{"missing":[{"member":"DBInstance"}]}`, false},
		{"AWS::RDS::DBInstance", ``, false},
		{"AWS::EC2::Instance", `{"Instance":{"State":{"Name":"running"},"BlockDeviceMappings":[{"Ebs":{"Status":"attached"}}]}}`, false},
		{"AWS::EC2::Instance", `{"Instance":{"State":{"Name":"shutting-down"}}}`, true},
		{"AWS::EC2::Instance", `{"Instance":{"State":{"Name":"running"},"BlockDeviceMappings":[{"Ebs":{"Status":"attached"}},{"Ebs":{"Status":"attaching"}}]}}`, true},
		{"AWS::EC2::Volume", `{"Volume":{"State":"available","Attachments":[]}}`, false},
		{"AWS::EC2::Volume", `{"Volume":{"State":"in-use","Attachments":[{"State":"attached"},{"State":"detaching"}]}}`, true},
		{"AWS::EC2::Volume", `{"Volume":{"State":"error"}}`, false},
		{"AWS::S3::Bucket", `{"Location":{"LocationConstraint":"deleting"}}`, false},
	} {
		typ, ok := resources.Find(c.typ)
		if !ok {
			t.Fatalf("no type %s", c.typ)
		}
		if got := typ.Unfinished([]byte(c.document)); got != c.want {
			t.Errorf("%s %s: unfinished is %v", c.typ, c.document, got)
		}
	}
}
