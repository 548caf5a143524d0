package dynamo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// maxTableWait bounds how long a new table may take to become active.
const maxTableWait = 5 * time.Minute

// Migrate makes the tables that are not there: on demand, encrypted, protected
// from deletion, with point-in-time recovery where the server has it. It may
// be run again, and by several at once. A table of the same name with other
// keys or indexes, or a set of tables of another version, is refused and left
// as it is.
func Migrate(ctx context.Context, o Options) error {
	o = o.filled()
	m, err := newMetrics(nil, o.Now)
	if err != nil {
		return err
	}
	c := newClient(o, m)
	for _, id := range slices.Sorted(maps.Keys(tables)) {
		if err := c.ensure(ctx, id); err != nil {
			return fmt.Errorf("table %s: %w", c.table(id), err)
		}
	}
	row := c.row(metaTable, metaPart, schemaItem)
	row["Version"] = number(schemaVersion)
	if err := c.put(ctx, metaTable, row, "attribute_not_exists(#Version) OR #Version = :v", item{":v": number(schemaVersion)}); err != nil {
		if errors.Is(err, errCondition) {
			return fmt.Errorf("the tables %s… were made by another version of qrie", c.prefix)
		}
		return err
	}
	return nil
}

// ensure makes a table, or checks the one that is there.
func (c *client) ensure(ctx context.Context, id tableID) error {
	def := tables[id]
	found, err := c.describe(ctx, id)
	if err != nil {
		return err
	}
	if found == nil {
		_, err := c.db.CreateTable(ctx, c.creation(id, def))
		var raced *types.ResourceInUseException
		if err != nil && !errors.As(err, &raced) {
			return fmt.Errorf("create it: %w", err)
		}
	}
	waiter := dynamodb.NewTableExistsWaiter(c.db, func(w *dynamodb.TableExistsWaiterOptions) {
		w.MinDelay, w.MaxDelay = 20*time.Millisecond, 5*time.Second
	})
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(c.table(id))}, maxTableWait); err != nil {
		return fmt.Errorf("wait until it is active: %w", err)
	}
	if found, err = c.describe(ctx, id); err != nil {
		return err
	}
	if found == nil {
		return errors.New("it vanished while it was made")
	}
	if err := same(def, found); err != nil {
		return fmt.Errorf("it was not made by qrie: %w", err)
	}
	return c.protect(ctx, id)
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
		return fmt.Errorf("its key is (%s), not (%s)", got, want)
	}
	have := map[string]string{}
	for _, x := range found.GlobalSecondaryIndexes {
		have[aws.ToString(x.IndexName)] = keyNames(x.KeySchema)
	}
	for _, x := range def.indexes {
		if want := keyNames(def.keys(&x)); have[x.name] != want {
			return fmt.Errorf("its index %s is on (%s), not (%s)", x.name, have[x.name], want)
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

// protect turns point-in-time recovery on. A server that does not know the
// request is not AWS's, and has nothing to recover.
func (c *client) protect(ctx context.Context, id tableID) error {
	_, err := c.db.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{TableName: aws.String(c.table(id)),
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "UnknownOperationException" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("turn on point-in-time recovery: %w", err)
	}
	return nil
}
