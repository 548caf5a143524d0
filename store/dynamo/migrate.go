package dynamo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// maxTableWait bounds how long a new table may take to become active.
const maxTableWait = 5 * time.Minute

// Made is what Migrate did about a table.
type Made string

// What Migrate does: it creates a table that is not there, or finds it
// standing; and it protects one that can be deleted or not be recovered.
const (
	Created   Made = "created"
	Stood     Made = "stood"
	Protected Made = "protected"
)

// Migrate makes the tables that are not there: on demand, encrypted, protected
// from deletion, with point-in-time recovery where the server has it. Tables
// that Template describes are taken as well. It may be run again, and by
// several at once, and tells progress, if it is set, what it did. A table of
// the same name with other keys or indexes, or a set of tables of another
// version, is refused and left as it is.
func Migrate(ctx context.Context, o Options, progress func(table string, made Made)) error {
	o = o.filled()
	if progress == nil {
		progress = func(string, Made) {}
	}
	m, err := newMetrics(nil, o.Now)
	if err != nil {
		return err
	}
	c := newClient(o, m)
	all := slices.Sorted(maps.Keys(tables))
	made := map[tableID]Made{}
	// All are begun before the first is waited for.
	for _, id := range all {
		if made[id], err = c.create(ctx, id); err != nil {
			return fmt.Errorf("table %s: %w", c.table(id), err)
		}
	}
	for _, id := range all {
		protected, err := c.finish(ctx, id)
		if err != nil {
			return fmt.Errorf("table %s: %w", c.table(id), err)
		}
		progress(c.table(id), made[id])
		if protected {
			progress(c.table(id), Protected)
		}
	}
	row := c.row(metaTable, metaPart, schemaItem)
	row["Version"] = number(schemaVersion)
	if err := c.put(ctx, metaTable, row, "attribute_not_exists(#Version) OR #Version = :v", item{":v": number(schemaVersion)}); err != nil {
		if errors.Is(err, errCondition) {
			return fmt.Errorf("the tables %s… were made by another version of qrie; give --prefix another value to make new ones beside them", c.prefix)
		}
		return err
	}
	return nil
}

// create makes a table unless one of its name is there.
func (c *client) create(ctx context.Context, id tableID) (Made, error) {
	found, err := c.describe(ctx, id)
	if err != nil {
		return "", err
	}
	if found != nil {
		return Stood, same(tables[id], found)
	}
	_, err = c.db.CreateTable(ctx, c.creation(id, tables[id]))
	var raced *types.ResourceInUseException
	if errors.As(err, &raced) {
		return Stood, nil // another was quicker
	}
	if err != nil {
		return "", fmt.Errorf("create it: %w", err)
	}
	return Created, nil
}

// finish waits for a table, checks and protects it.
func (c *client) finish(ctx context.Context, id tableID) (protected bool, err error) {
	waiter := dynamodb.NewTableExistsWaiter(c.db, func(w *dynamodb.TableExistsWaiterOptions) {
		w.MinDelay, w.MaxDelay = 20*time.Millisecond, 5*time.Second
	})
	out, err := waiter.WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(c.table(id))}, maxTableWait)
	if err != nil {
		return false, fmt.Errorf("wait until it is active: %w", err)
	}
	if err := same(tables[id], out.Table); err != nil {
		return false, err
	}
	return c.protect(ctx, id, out.Table)
}

// describe returns nil for no such table.
func (c *client) describe(ctx context.Context, id tableID) (*types.TableDescription, error) {
	out, err := c.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(c.table(id))})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe it: %w", err)
	}
	return out.Table, nil
}

func (c *client) creation(id tableID, def table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: aws.String(c.table(id)), KeySchema: def.keys(nil), BillingMode: types.BillingModePayPerRequest,
		DeletionProtectionEnabled: aws.Bool(true), SSESpecification: &types.SSESpecification{Enabled: aws.Bool(true)}}
	attributes := map[string]bool{}
	for _, k := range in.KeySchema {
		attributes[*k.AttributeName] = true
	}
	for _, x := range def.indexes {
		for _, k := range def.keys(&x) {
			attributes[*k.AttributeName] = true
		}
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{IndexName: aws.String(x.name), KeySchema: def.keys(&x), Projection: x.projection()})
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS})
	}
	return in
}

// same compares the keys and indexes of a table with what they must be.
func same(def table, found *types.TableDescription) error {
	if want, got := keyNames(def.keys(nil)), keyNames(found.KeySchema); want != got {
		return fmt.Errorf("it was not made by qrie: its key is (%s), not (%s)", got, want)
	}
	have := map[string]string{}
	for _, x := range found.GlobalSecondaryIndexes {
		have[aws.ToString(x.IndexName)] = indexNames(x.KeySchema, x.Projection)
	}
	for _, x := range def.indexes {
		if want := indexNames(def.keys(&x), x.projection()); have[x.name] != want {
			return fmt.Errorf("it was not made by this qrie: its index %s is %q, not %q", x.name, have[x.name], want)
		}
	}
	return nil
}

func keyNames(schema []types.KeySchemaElement) (out string) {
	for i, k := range schema {
		if i > 0 {
			out += ", "
		}
		out += aws.ToString(k.AttributeName)
	}
	return out
}

func indexNames(schema []types.KeySchemaElement, p *types.Projection) string {
	if p == nil {
		return keyNames(schema)
	}
	with := slices.Sorted(slices.Values(p.NonKeyAttributes))
	return fmt.Sprintf("(%s) with %s %s", keyNames(schema), p.ProjectionType, strings.Join(with, " "))
}

// protect turns on what keeps a table from being lost, if it is off. A server
// that does not know of recovery is not AWS's, and has nothing to recover.
func (c *client) protect(ctx context.Context, id tableID, found *types.TableDescription) (changed bool, err error) {
	if !aws.ToBool(found.DeletionProtectionEnabled) {
		if _, err := c.db.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String(c.table(id)), DeletionProtectionEnabled: aws.Bool(true)}); err != nil {
			return false, fmt.Errorf("protect it from deletion: %w", err)
		}
		changed = true
	}
	on, err := c.recoverable(ctx, id)
	if on || errors.Is(err, errNoBackups) {
		return changed, nil
	}
	if err != nil {
		return changed, err
	}
	_, err = c.db.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{TableName: aws.String(c.table(id)),
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}})
	if err != nil {
		return changed, fmt.Errorf("turn on point-in-time recovery: %w", err)
	}
	return true, nil
}

// errNoBackups: the server is not AWS's and has no point-in-time recovery.
var errNoBackups = errors.New("the server has no point-in-time recovery")

// recoverable reports whether point-in-time recovery is on.
func (c *client) recoverable(ctx context.Context, id tableID) (bool, error) {
	out, err := c.db.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String(c.table(id))})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "UnknownOperationException" {
		return false, errNoBackups
	}
	if err != nil {
		return false, fmt.Errorf("ask for its point-in-time recovery: %w", err)
	}
	d := out.ContinuousBackupsDescription
	return d != nil && d.PointInTimeRecoveryDescription != nil && d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled, nil
}
