package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// row is the lease of one shard.
type row struct {
	shard      string
	owner      string // empty: nobody
	epoch      int64  // grows with every change of owner; 0: there is no row yet
	counter    int64  // grows with every renewal
	checkpoint string // empty: none yet
	// caughtUp: everything that had arrived by then is done, by the owner's
	// clock; zero: not known. It is compared with the retention only, which is
	// a day at the least.
	caughtUp time.Time
	ended    bool // every record of the closed shard is done
}

// errFenced is a write that was refused because the row is not what the writer
// took it for: another owner has the lease.
var errFenced = errors.New("the lease is another owner's")

// leaseTable keeps the leases of one stream and the heartbeats of its workers.
// Every write names what it was decided on and is refused otherwise.
type leaseTable interface {
	// read gives every lease, and every worker with its heartbeat.
	read(ctx context.Context) ([]row, map[string]int64, error)
	// claim makes owner the owner of a lease that still is as it was seen, in
	// the next epoch.
	claim(ctx context.Context, seen row, owner string) (row, error)
	// renew writes owner, checkpoint, caughtUp and end of next to the lease that
	// by.owner holds in by.epoch, and advances its counter. What next leaves
	// empty stays, but for the owner. A checkpoint never goes back.
	renew(ctx context.Context, by, next row) error
	// remove deletes an ended lease.
	remove(ctx context.Context, shard string) error
	// beat advances the heartbeat of a worker.
	beat(ctx context.Context, worker string) error
	// bury removes a worker that still is as it was seen.
	bury(ctx context.Context, worker string, seen int64) error
	// leave removes a worker.
	leave(ctx context.Context, worker string) error
}

// The table: the partition key is the stream, the sort key names a shard or a
// worker. The checkpoint is kept twice, once padded to a fixed width, because
// sequence numbers are longer than DynamoDB's numbers and their text does not
// sort as they do.
const (
	keyStream = "Stream"
	keyItem   = "Item"

	itemShard  = "shard#"
	itemWorker = "worker#"

	seqWidth = 128
)

func padded(seq string) string { return strings.Repeat("0", max(0, seqWidth-len(seq))) + seq }

// dynamoAPI is what is asked of DynamoDB, as *dynamodb.Client has it.
type dynamoAPI interface {
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
}

// createTable makes the lease table if there is none, and waits until it can
// be used. Only "there is none" is taken for that.
func createTable(ctx context.Context, db dynamoAPI, table string) error {
	_, err := db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		_, err = db.CreateTable(ctx, &dynamodb.CreateTableInput{
			TableName: aws.String(table),
			AttributeDefinitions: []types.AttributeDefinition{
				{AttributeName: aws.String(keyStream), AttributeType: types.ScalarAttributeTypeS},
				{AttributeName: aws.String(keyItem), AttributeType: types.ScalarAttributeTypeS},
			},
			KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String(keyStream), KeyType: types.KeyTypeHash},
				{AttributeName: aws.String(keyItem), KeyType: types.KeyTypeRange},
			},
			BillingMode:               types.BillingModePayPerRequest,
			DeletionProtectionEnabled: aws.Bool(true),
		})
		var made *types.ResourceInUseException // by another worker that starts now
		if errors.As(err, &made) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("create lease table %s (or create it beforehand: keys %s and %s, both strings): %w", table, keyStream, keyItem, err)
		}
	}
	if err != nil {
		return fmt.Errorf("describe lease table %s: %w", table, err)
	}
	ready := dynamodb.NewTableExistsWaiter(db, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = time.Second })
	if err := ready.Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)}, 2*time.Minute); err != nil {
		return fmt.Errorf("wait for lease table %s: %w", table, err)
	}
	return nil
}

// dynamoTable is the leaseTable on DynamoDB.
type dynamoTable struct {
	db     dynamoAPI
	table  string
	stream string
}

type item = map[string]types.AttributeValue

func str(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func num(v int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}
}

func (t *dynamoTable) key(name string) item {
	return item{keyStream: str(t.stream), keyItem: str(name)}
}

// names of the attributes. Half of them are words that DynamoDB reserves.
var names = map[string]string{
	"#owner": "Owner", "#epoch": "Epoch", "#counter": "Counter",
	"#checkpoint": "Checkpoint", "#padded": "CheckpointPadded", "#caughtup": "CaughtUp", "#ended": "Ended",
}

// named picks the names that an expression uses: DynamoDB refuses others.
func named(expressions ...string) map[string]string {
	used := map[string]string{}
	for name, attribute := range names {
		for _, e := range expressions {
			if strings.Contains(e, name) {
				used[name] = attribute
			}
		}
	}
	return used
}

func (t *dynamoTable) update(ctx context.Context, name, update, condition string, values item) (item, error) {
	in := &dynamodb.UpdateItemInput{
		TableName: aws.String(t.table), Key: t.key(name), ReturnValues: types.ReturnValueAllNew,
		UpdateExpression: aws.String(update), ExpressionAttributeValues: values,
		ExpressionAttributeNames: named(update, condition),
	}
	if condition != "" {
		in.ConditionExpression = aws.String(condition)
	}
	out, err := t.db.UpdateItem(ctx, in)
	if err != nil {
		return nil, fenced(err)
	}
	return out.Attributes, nil
}

func fenced(err error) error {
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return errFenced
	}
	return err
}

func (t *dynamoTable) read(ctx context.Context) ([]row, map[string]int64, error) {
	var rows []row
	workers := map[string]int64{}
	pages := dynamodb.NewQueryPaginator(t.db, &dynamodb.QueryInput{
		TableName: aws.String(t.table), ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("#stream = :stream"),
		ExpressionAttributeNames:  map[string]string{"#stream": keyStream},
		ExpressionAttributeValues: item{":stream": str(t.stream)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("read leases from %s: %w", t.table, err)
		}
		for _, i := range page.Items {
			name := text(i[keyItem])
			if worker, ok := strings.CutPrefix(name, itemWorker); ok {
				workers[worker] = number(i["Counter"])
			} else if shard, ok := strings.CutPrefix(name, itemShard); ok {
				rows = append(rows, rowOf(shard, i))
			}
		}
	}
	return rows, workers, nil
}

func rowOf(shard string, i item) row {
	ended, _ := i["Ended"].(*types.AttributeValueMemberBOOL)
	r := row{
		shard: shard, owner: text(i["Owner"]), epoch: number(i["Epoch"]), counter: number(i["Counter"]),
		checkpoint: text(i["Checkpoint"]), ended: ended != nil && ended.Value,
	}
	if ms := number(i["CaughtUp"]); ms > 0 {
		r.caughtUp = time.UnixMilli(ms)
	}
	return r
}

func text(v types.AttributeValue) string {
	s, ok := v.(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	return s.Value
}

func number(v types.AttributeValue) int64 {
	s, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(s.Value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (t *dynamoTable) claim(ctx context.Context, seen row, owner string) (row, error) {
	condition := "attribute_not_exists(#epoch)"
	values := item{":me": str(owner), ":one": num(1)}
	if seen.epoch > 0 {
		condition = "#owner = :owner AND #epoch = :epoch AND #counter = :counter"
		values[":owner"], values[":epoch"], values[":counter"] = str(seen.owner), num(seen.epoch), num(seen.counter)
	}
	won, err := t.update(ctx, itemShard+seen.shard, "SET #owner = :me ADD #epoch :one, #counter :one", condition, values)
	if err != nil {
		return row{}, fmt.Errorf("take lease of %s: %w", seen.shard, err)
	}
	return rowOf(seen.shard, won), nil
}

func (t *dynamoTable) renew(ctx context.Context, by, next row) error {
	update, condition := "SET #owner = :owner", "#owner = :me AND #epoch = :epoch"
	values := item{":owner": str(next.owner), ":me": str(by.owner), ":epoch": num(by.epoch), ":one": num(1)}
	if next.checkpoint != "" {
		update += ", #checkpoint = :checkpoint, #padded = :padded"
		condition += " AND (attribute_not_exists(#padded) OR #padded <= :padded)"
		values[":checkpoint"], values[":padded"] = str(next.checkpoint), str(padded(next.checkpoint))
	}
	if !next.caughtUp.IsZero() {
		update += ", #caughtup = :caughtup"
		values[":caughtup"] = num(next.caughtUp.UnixMilli())
	}
	if next.ended {
		update += ", #ended = :ended"
		values[":ended"] = &types.AttributeValueMemberBOOL{Value: true}
	}
	if _, err := t.update(ctx, itemShard+by.shard, update+" ADD #counter :one", condition, values); err != nil {
		return fmt.Errorf("renew lease of %s: %w", by.shard, err)
	}
	return nil
}

func (t *dynamoTable) remove(ctx context.Context, shard string) error {
	return t.delete(ctx, itemShard+shard, "#ended = :ended", item{":ended": &types.AttributeValueMemberBOOL{Value: true}})
}

func (t *dynamoTable) beat(ctx context.Context, worker string) error {
	if _, err := t.update(ctx, itemWorker+worker, "ADD #counter :one", "", item{":one": num(1)}); err != nil {
		return fmt.Errorf("write heartbeat of %s: %w", worker, err)
	}
	return nil
}

func (t *dynamoTable) bury(ctx context.Context, worker string, seen int64) error {
	return t.delete(ctx, itemWorker+worker, "#counter = :counter", item{":counter": num(seen)})
}

func (t *dynamoTable) leave(ctx context.Context, worker string) error {
	return t.delete(ctx, itemWorker+worker, "", nil)
}

// delete removes an item; that it is not as expected, or not there, is no
// error.
func (t *dynamoTable) delete(ctx context.Context, name, condition string, values item) error {
	in := &dynamodb.DeleteItemInput{TableName: aws.String(t.table), Key: t.key(name)}
	if condition != "" {
		in.ConditionExpression = aws.String(condition)
		in.ExpressionAttributeNames = named(condition)
		in.ExpressionAttributeValues = values
	}
	if _, err := t.db.DeleteItem(ctx, in); err != nil && !errors.Is(fenced(err), errFenced) {
		return fmt.Errorf("delete %s from %s: %w", name, t.table, err)
	}
	return nil
}
