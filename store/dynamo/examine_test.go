package dynamo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
)

// answers stands in for what DynamoDB Local does not know, and refuses.
type answers struct {
	recovery types.PointInTimeRecoveryStatus
	denied   func(op string, input any) bool
	code     string // of the refusal
	asked    []string
}

func (a *answers) stack(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("answers", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (out middleware.InitializeOutput, m middleware.Metadata, err error) {
		op := middleware.GetOperationName(ctx)
		a.asked = append(a.asked, op)
		if a.denied != nil && a.denied(op, in.Parameters) {
			return out, m, &smithy.GenericAPIError{Code: a.code, Message: "User: arn:aws:iam::111122223333:role/qrie is not authorized to perform it"}
		}
		switch op {
		case "DescribeContinuousBackups":
			out.Result = &dynamodb.DescribeContinuousBackupsOutput{ContinuousBackupsDescription: &types.ContinuousBackupsDescription{
				ContinuousBackupsStatus:        types.ContinuousBackupsStatusEnabled,
				PointInTimeRecoveryDescription: &types.PointInTimeRecoveryDescription{PointInTimeRecoveryStatus: a.recovery}}}
			return out, m, nil
		case "UpdateContinuousBackups":
			a.recovery = types.PointInTimeRecoveryStatusEnabled
			out.Result = &dynamodb.UpdateContinuousBackupsOutput{}
			return out, m, nil
		case "DescribeTable":
			out, m, err = next.HandleInitialize(ctx, in)
			if d, ok := out.Result.(*dynamodb.DescribeTableOutput); ok && err == nil {
				d.Table.SSEDescription = &types.SSEDescription{Status: types.SSEStatusEnabled, SSEType: types.SSETypeKms}
				d.Table.TableArn = aws.String("arn:aws:dynamodb:us-east-1:111122223333:table/" + *d.Table.TableName)
			}
			return out, m, err
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.After)
}

// examined are the checks that are not ok, by name.
func examined(t *testing.T, o Options) map[string]Check {
	t.Helper()
	out := map[string]Check{}
	seen := map[string]bool{}
	for _, c := range Examine(t.Context(), o) {
		if seen[c.Name] {
			t.Errorf("%q was looked at twice", c.Name)
		}
		seen[c.Name] = true
		if c.Found == "" || c.Level != levelOK && c.Level != levelWarn && c.Level != levelFail {
			t.Errorf("%q: level %q, found %q", c.Name, c.Level, c.Found)
		}
		if c.Level != levelOK {
			out[c.Name] = c
		}
	}
	if len(seen) == 0 {
		t.Error("nothing was looked at")
	}
	return out
}

func TestExamineWhatIsRight(t *testing.T) {
	a := &answers{recovery: types.PointInTimeRecoveryStatusEnabled}
	o := options(t, t.TempDir(), a.stack)
	s := open(t, o)
	a.asked = nil
	if bad := examined(t, o); len(bad) > 0 {
		t.Errorf("found wrong: %v", bad)
	}
	if slices.Contains(a.asked, "Scan") || slices.Contains(a.asked, "CreateTable") || slices.Contains(a.asked, "UpdateTable") {
		t.Errorf("it asked for %v", a.asked)
	}
	// Nothing is left behind.
	for id := range tables {
		rows, _, _, err := s.read(t.Context(), stretch{table: id, pk: nobody})
		if err != nil || len(rows) > 0 {
			t.Errorf("table %s: %d rows, %v", id, len(rows), err)
		}
	}
}

func TestExamineWithoutTables(t *testing.T) {
	a := &answers{}
	o := options(t, t.TempDir(), a.stack)
	bad := examined(t, o)
	if c := bad["tables are there"]; c.Level != levelFail || c.Remedy != "qrie migrate" || len(bad) != 1 {
		t.Errorf("found %v", bad)
	}
	// Of a migration that was cut short.
	c := newClient(o.filled(), unmetered(t))
	for _, id := range []tableID{metaTable, findingsTable} {
		if _, err := c.create(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	bad = examined(t, o)
	if c := bad["tables have this qrie's version"]; c.Level != levelFail || c.Remedy != "qrie migrate" {
		t.Errorf("version: %v", c)
	}
	if c := bad["tables are there"]; c.Level != levelFail || !strings.Contains(c.Found, "others") {
		t.Errorf("tables: %v", c)
	}
}

func TestExamineNamesTheActionThatLacks(t *testing.T) {
	a := &answers{recovery: types.PointInTimeRecoveryStatusEnabled, code: "AccessDeniedException"}
	o := options(t, t.TempDir(), a.stack)
	open(t, o)
	for _, p := range probes {
		op := strings.TrimPrefix(p.action, "dynamodb:")
		if op == "ConditionCheckItem" {
			op = "TransactWriteItems"
		}
		a.denied = func(asked string, input any) bool {
			if get, ok := input.(*dynamodb.GetItemInput); ok && item(get.Key).str("Part") == metaPart {
				return false // that of the version
			}
			return asked == op
		}
		bad := examined(t, o)
		c := bad[p.action+" is allowed"]
		want := fmt.Sprintf(`{"Effect": "Allow", "Action": %q, "Resource": ["arn:aws:dynamodb:us-east-1:111122223333:table/%[2]s*", "arn:aws:dynamodb:us-east-1:111122223333:table/%[2]s*/index/*"]}`, p.action, o.Prefix)
		if len(bad) != 1 || c.Level != levelFail || !strings.Contains(c.Found, "not authorized") || !strings.HasSuffix(c.Remedy, "\n"+want) {
			t.Errorf("with %s denied: %v", op, bad)
		}
	}
	// One index of one table.
	a.denied = func(_ string, input any) bool {
		q, ok := input.(*dynamodb.QueryInput)
		return ok && aws.ToString(q.IndexName) == "policy"
	}
	c := examined(t, o)["dynamodb:Query is allowed"]
	if !strings.HasPrefix(c.Found, "on "+o.Prefix+"findings: index policy") {
		t.Errorf("with an index denied: %v", c)
	}
	// Whoever may not even look.
	a.denied = func(op string, _ any) bool { return op == "DescribeTable" }
	if c := examined(t, o)["DynamoDB answers"]; c.Level != levelFail || !strings.Contains(c.Remedy, `"dynamodb:DescribeTable"`) {
		t.Errorf("with descriptions denied: %v", c)
	}
	a.code = "ExpiredTokenException"
	if c := examined(t, o)["DynamoDB answers"]; !strings.Contains(c.Remedy, "get-caller-identity") {
		t.Errorf("with credentials that ran out: %v", c)
	}
}

func TestExamineSettings(t *testing.T) {
	a := &answers{recovery: types.PointInTimeRecoveryStatusDisabled}
	o := options(t, t.TempDir(), a.stack)
	c := newClient(o.filled(), unmetered(t))
	in := c.creation(jobsTable, tables[jobsTable])
	in.BillingMode, in.DeletionProtectionEnabled = types.BillingModeProvisioned, nil
	in.ProvisionedThroughput = &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(5), WriteCapacityUnits: aws.Int64(5)}
	for i := range in.GlobalSecondaryIndexes {
		in.GlobalSecondaryIndexes[i].ProvisionedThroughput = in.ProvisionedThroughput
	}
	if _, err := c.db.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for id := range tables {
		if _, err := c.create(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	row := c.row(metaTable, metaPart, schemaItem)
	row["Version"] = number(schemaVersion + 1)
	if err := c.put(t.Context(), metaTable, row, "", nil); err != nil {
		t.Fatal(err)
	}
	o.Now = func() time.Time { return time.Now().Add(10 * time.Second) }
	jobs := c.table(jobsTable)
	levels := map[string]string{}
	bad := examined(t, o)
	for name, c := range bad {
		levels[name] = c.Level
	}
	want := map[string]string{
		"tables are on demand":                  levelWarn,
		"tables are protected from deletion":    levelWarn,
		"tables can be recovered to any second": levelWarn,
		"tables have this qrie's version":       levelFail,
		"the clock is right":                    levelWarn,
	}
	if diff := cmp.Diff(want, levels); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
	if got := bad["tables are on demand"]; got.Found != jobs || got.Remedy != "aws dynamodb update-table --table-name "+jobs+" --billing-mode PAY_PER_REQUEST" {
		t.Errorf("on demand: %v", got)
	}
	o.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	if c := examined(t, o)["the clock is right"]; c.Level != levelFail || !strings.HasPrefix(c.Found, "-3") {
		t.Errorf("an hour late: %v", c)
	}
}

func TestMigrateProtects(t *testing.T) {
	a := &answers{recovery: types.PointInTimeRecoveryStatusEnabled}
	o := options(t, t.TempDir(), a.stack)
	migrate := func() map[Made]int {
		made := map[Made]int{}
		if err := Migrate(t.Context(), o, func(name string, m Made) {
			if !strings.HasPrefix(name, o.Prefix) {
				t.Errorf("%s: %s", name, m)
			}
			made[m]++
		}); err != nil {
			t.Fatal(err)
		}
		return made
	}
	if diff := cmp.Diff(map[Made]int{Created: len(tables)}, migrate()); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	c := newClient(o.filled(), unmetered(t))
	if _, err := c.db.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: aws.String(c.table(auditTable)), DeletionProtectionEnabled: aws.Bool(false)}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[Made]int{Stood: len(tables), Protected: 1}, migrate()); diff != "" {
		t.Errorf("with one that could be deleted (-want +got):\n%s", diff)
	}
	a.recovery = types.PointInTimeRecoveryStatusDisabled // until it is first turned on
	if diff := cmp.Diff(map[Made]int{Stood: len(tables), Protected: 1}, migrate()); diff != "" {
		t.Errorf("with one that could not be recovered (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[Made]int{Stood: len(tables)}, migrate()); diff != "" {
		t.Errorf("at last (-want +got):\n%s", diff)
	}
}
