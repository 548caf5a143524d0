package resources_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/tidwall/gjson"
)

// Answers that AWS gave to others, one document each, must all be read.
func TestDecodeRecordedAnswers(t *testing.T) {
	const folder = "../../shared/data/api/c7n_placebo/"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("SKIPPED: recorded answers of AWS are not here (" + folder + "); the documents written in this package are read without them")
	}
	for _, c := range []struct{ file, operation, path, member, typeName string }{
		{"ec2", "DescribeSecurityGroups", "SecurityGroups", "SecurityGroup", "AWS::EC2::SecurityGroup"},
		{"ec2", "DescribeVolumes", "Volumes", "Volume", "AWS::EC2::Volume"},
		{"ec2", "DescribeInstances", "Reservations.#.Instances|@flatten", "Instance", "AWS::EC2::Instance"},
		{"rds", "DescribeDBInstances", "DBInstances", "DBInstance", "AWS::RDS::DBInstance"},
		{"iam", "ListPolicies", "Policies", "Policy", "AWS::IAM::ManagedPolicy"},
		{"iam", "ListUsers", "Users", "User", "AWS::IAM::User"},
	} {
		t.Run(c.operation, func(t *testing.T) {
			data, err := os.ReadFile(folder + c.file + ".jsonl")
			if err != nil {
				t.Fatal(err)
			}
			typ := mustFind(t, c.typeName)
			n := 0
			lines := bufio.NewScanner(bytes.NewReader(data))
			lines.Buffer(nil, 16<<20)
			for lines.Scan() {
				var answer struct {
					Cassette, Operation string
					Response            json.RawMessage
				}
				if err := json.Unmarshal(lines.Bytes(), &answer); err != nil {
					t.Fatal(err)
				}
				if answer.Operation != c.operation {
					continue
				}
				for _, item := range gjson.GetBytes(answer.Response, c.path).Array() {
					document := fmt.Sprintf(`{%q:%s}`, c.member, item.Raw)
					view, err := typ.Decode([]byte(document))
					if err != nil {
						t.Errorf("%s: %v", answer.Cassette, err)
					} else if view.Name == "" {
						t.Errorf("%s: no name in %.200s", answer.Cassette, document)
					}
					n++
				}
			}
			if n == 0 {
				t.Error("nothing was recorded")
			}
			t.Logf("%d answers", n)
		})
	}
}
