package dynamo

import (
	"bytes"
	cmdline "flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var update = cmdline.Bool("update", false, "write the golden files anew")

const templateGolden = "testdata/tables.yaml"

func TestTemplate(t *testing.T) {
	if *update {
		if err := os.WriteFile(templateGolden, Template(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(templateGolden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(Template())); diff != "" {
		t.Errorf("the template has changed; `go test ./store/dynamo -run TestTemplate -update` writes it (-want +got):\n%s", diff)
	}
}

func TestTemplateIsClean(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("NOT RUN: it needs cfn-lint on the path: pip install cfn-lint")
	}
	// Every Region that has DynamoDB is alike in this; one is quick.
	out, err := exec.CommandContext(t.Context(), lint, "--regions", "us-east-1", "--", templateGolden).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// described is what of the template makes a table.
type described struct {
	Resources map[string]struct {
		Properties struct {
			TableName            string         `yaml:"TableName"`
			BillingMode          string         `yaml:"BillingMode"`
			AttributeDefinitions []describedKey `yaml:"AttributeDefinitions"`
			KeySchema            []describedKey `yaml:"KeySchema"`
			Indexes              []struct {
				IndexName  string         `yaml:"IndexName"`
				KeySchema  []describedKey `yaml:"KeySchema"`
				Projection struct {
					Type string   `yaml:"ProjectionType"`
					With []string `yaml:"NonKeyAttributes"`
				} `yaml:"Projection"`
			} `yaml:"GlobalSecondaryIndexes"`
		} `yaml:"Properties"`
	} `yaml:"Resources"`
}

type describedKey struct {
	AttributeName string `yaml:"AttributeName"`
	AttributeType string `yaml:"AttributeType"`
	KeyType       string `yaml:"KeyType"`
}

func keySchema(keys []describedKey) (out []types.KeySchemaElement) {
	for _, k := range keys {
		out = append(out, types.KeySchemaElement{AttributeName: aws.String(k.AttributeName), KeyType: types.KeyType(k.KeyType)})
	}
	return out
}

// Tables made from the template are taken by Migrate, which makes nothing.
func TestMigrateTakesTablesOfTheTemplate(t *testing.T) {
	o := options(t, t.TempDir())
	c := newClient(o.filled(), unmetered(t))
	var stack described
	if err := yaml.Unmarshal(Template(), &stack); err != nil {
		t.Fatal(err)
	}
	if len(stack.Resources) != len(tables) {
		t.Fatalf("the template describes %d tables of %d", len(stack.Resources), len(tables))
	}
	for _, r := range stack.Resources {
		p := r.Properties
		in := &dynamodb.CreateTableInput{TableName: aws.String(strings.Replace(p.TableName, "${Prefix}", o.Prefix, 1)),
			BillingMode: types.BillingMode(p.BillingMode), KeySchema: keySchema(p.KeySchema), DeletionProtectionEnabled: aws.Bool(true)}
		for _, a := range p.AttributeDefinitions {
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(a.AttributeName), AttributeType: types.ScalarAttributeType(a.AttributeType)})
		}
		for _, x := range p.Indexes {
			in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{IndexName: aws.String(x.IndexName), KeySchema: keySchema(x.KeySchema),
				Projection: &types.Projection{ProjectionType: types.ProjectionType(x.Projection.Type), NonKeyAttributes: x.Projection.With}})
		}
		if _, err := c.db.CreateTable(t.Context(), in); err != nil {
			t.Fatalf("%s: %v", p.TableName, err)
		}
	}
	made := map[Made]int{}
	if err := Migrate(t.Context(), o, func(_ string, m Made) { made[m]++ }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[Made]int{Stood: len(tables)}, made); diff != "" {
		t.Errorf("what was made (-want +got):\n%s", diff)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
