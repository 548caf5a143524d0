package dynamo

import (
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestMigrateAgainAndBySeveralAtOnce(t *testing.T) {
	o := options(t, t.TempDir())
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "qrie migrate") {
		t.Fatalf("opened without tables: %v", err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := Migrate(t.Context(), o, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := open(t, o)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id := range tables {
		found, err := s.describe(t.Context(), id)
		if err != nil || found == nil {
			t.Fatalf("table %s: %v", id, err)
		}
		if found.BillingModeSummary == nil || found.BillingModeSummary.BillingMode != types.BillingModePayPerRequest {
			t.Errorf("table %s is not on demand", id)
		}
	}
}

func TestMigrateRefusesForeignTables(t *testing.T) {
	o := options(t, t.TempDir())
	c := newClient(o.filled(), unmetered(t))
	_, err := c.db.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: aws.String(c.table(findingsTable)), BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("Id"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("Id"), AttributeType: types.ScalarAttributeTypeS}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Migrate(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "not made by qrie") {
		t.Errorf("a table of another: %v", err)
	}
}

func TestAnotherVersionIsRefused(t *testing.T) {
	o := options(t, t.TempDir())
	s := open(t, o)
	row := s.row(metaTable, metaPart, schemaItem)
	row["Version"] = number(schemaVersion + 1)
	if err := s.put(t.Context(), metaTable, row, "", nil); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(t.Context(), o, nil); err == nil {
		t.Error("migrated tables of a newer version")
	}
	if _, err := Open(t.Context(), o); err == nil {
		t.Error("opened tables of a newer version")
	}
}
