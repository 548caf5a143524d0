package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// DynamoDB's bounds for one request.
const (
	maxBatchRead   = 100
	maxBatchWrite  = 25
	maxTransaction = 100 // a finding and a gate for each of store.MaxTransitions, and the rest
)

// The requests that one call makes at once, at the most.
const (
	readers = 8
	writers = 8
)

// limited runs f for each, so many at once.
func limited[T any](ctx context.Context, all []T, atOnce int, f func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, v := range all {
		group.Go(func() error { return f(ctx, v) })
	}
	return group.Wait()
}

// key names a row.
type key struct{ pk, sk string }

func keyOf(t tableID, it item) key {
	def := tables[t]
	k := key{pk: it.str(def.pk)}
	if def.sk != "" {
		k.sk = it.str(def.sk)
	}
	return k
}

// many reads rows by key, strongly consistent; those that are not there are
// not in the result.
func (c *client) many(ctx context.Context, t tableID, keys []key, only string) (map[key]item, error) {
	return c.rowsBy(ctx, t, keys, only, true)
}

// manyLately reads rows as they were a moment ago, for half the units.
func (c *client) manyLately(ctx context.Context, t tableID, keys []key) (map[key]item, error) {
	return c.rowsBy(ctx, t, keys, "", false)
}

func (c *client) rowsBy(ctx context.Context, t tableID, keys []key, only string, consistent bool) (map[key]item, error) {
	out := make(map[key]item, len(keys))
	unique := map[key]bool{}
	var wanted []map[string]types.AttributeValue
	for _, k := range keys {
		if !unique[k] {
			unique[k] = true
			wanted = append(wanted, c.row(t, k.pk, k.sk))
		}
	}
	name := c.table(t)
	for chunk := range slices.Chunk(wanted, maxBatchRead) {
		left := slices.Clone(chunk)
		for n := 0; len(left) > 0; n++ {
			if n > 0 {
				if n > c.attempts*4 {
					return nil, fmt.Errorf("read from %s: %d rows were left out time and again: %w", name, len(left), errThrottled)
				}
				if err := c.pause(ctx, n); err != nil {
					return nil, err
				}
			}
			res, err := c.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
				RequestItems: map[string]types.KeysAndAttributes{name: {Keys: left, ConsistentRead: aws.Bool(consistent),
					ProjectionExpression: optional(only), ExpressionAttributeNames: aliases(nil, only)}}})
			if err != nil {
				return nil, fmt.Errorf("read from %s: %w", name, failed(ctx, err))
			}
			for i := range res.ConsumedCapacity {
				c.metrics.consumed("batch_get", "read", &res.ConsumedCapacity[i])
			}
			for _, it := range res.Responses[name] {
				out[keyOf(t, it)] = it
			}
			got := len(left) - len(res.UnprocessedKeys[name].Keys)
			left = res.UnprocessedKeys[name].Keys
			if got > 0 {
				n = 0
			}
		}
	}
	return out, nil
}

var errThrottled = unavailable{errors.New("DynamoDB throttles")}

// writeAll puts and deletes rows of one table, each for itself: a crash leaves
// some of them unwritten.
func (c *client) writeAll(ctx context.Context, t tableID, puts []item, deletes []key) error {
	var requests []types.WriteRequest
	for _, it := range puts {
		requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: it}})
	}
	for _, k := range deletes {
		requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: c.row(t, k.pk, k.sk)}})
	}
	return limited(ctx, slices.Collect(slices.Chunk(requests, maxBatchWrite)), writers, func(ctx context.Context, chunk []types.WriteRequest) error {
		return c.writeBatch(ctx, c.table(t), chunk)
	})
}

// writeBatch writes until nothing is left over.
func (c *client) writeBatch(ctx context.Context, name string, left []types.WriteRequest) error {
	for n := 0; len(left) > 0; n++ {
		if n > 0 {
			if n > c.attempts {
				return fmt.Errorf("write to %s: %d rows were refused time and again: %w", name, len(left), errThrottled)
			}
			if err := c.pause(ctx, n); err != nil {
				return err
			}
		}
		res, err := c.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
			RequestItems: map[string][]types.WriteRequest{name: left}})
		if err != nil {
			return fmt.Errorf("write to %s: %w", name, failed(ctx, err))
		}
		for i := range res.ConsumedCapacity {
			c.metrics.consumed("batch_write", "write", &res.ConsumedCapacity[i])
		}
		left = res.UnprocessedItems[name]
	}
	return nil
}

// transaction gathers writes that are seen all or none.
type transaction struct {
	c   *client
	ops []types.TransactWriteItem
	// throttled is told of a throttled write, if it is set.
	throttled func(context.Context, types.TransactWriteItem)
}

func (tx *transaction) put(t tableID, row item, condition string, values item) {
	tx.ops = append(tx.ops, types.TransactWriteItem{Put: &types.Put{TableName: aws.String(tx.c.table(t)), Item: row,
		ConditionExpression: optional(condition), ExpressionAttributeNames: aliases(nil, condition), ExpressionAttributeValues: values}})
}

func (tx *transaction) update(t tableID, pk, sk string, u change) {
	tx.ops = append(tx.ops, types.TransactWriteItem{Update: &types.Update{TableName: aws.String(tx.c.table(t)), Key: tx.c.row(t, pk, sk),
		UpdateExpression: optional(u.update), ConditionExpression: optional(u.condition),
		ExpressionAttributeNames: aliases(u.names, u.update, u.condition), ExpressionAttributeValues: u.values}})
}

func (tx *transaction) remove(t tableID, pk, sk, condition string, values item) {
	tx.ops = append(tx.ops, types.TransactWriteItem{Delete: &types.Delete{TableName: aws.String(tx.c.table(t)), Key: tx.c.row(t, pk, sk),
		ConditionExpression: optional(condition), ExpressionAttributeNames: aliases(nil, condition), ExpressionAttributeValues: values}})
}

func (tx *transaction) check(t tableID, pk, sk, condition string, values item) {
	tx.ops = append(tx.ops, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: aws.String(tx.c.table(t)), Key: tx.c.row(t, pk, sk),
		ConditionExpression: optional(condition), ExpressionAttributeNames: aliases(nil, condition), ExpressionAttributeValues: values}})
}

// commit writes them. A transaction that met another is tried again. With
// errCondition nothing was written, or, after an answer that was lost, all of
// it was before: read again to tell.
func (tx *transaction) commit(ctx context.Context) error {
	if len(tx.ops) > maxTransaction {
		return fmt.Errorf("a transaction of %d writes; DynamoDB takes %d", len(tx.ops), maxTransaction)
	}
	token := make([]byte, 16)
	if _, err := rand.Read(token); err != nil {
		return fmt.Errorf("name a transaction: %w", err)
	}
	in := &dynamodb.TransactWriteItemsInput{TransactItems: tx.ops, ClientRequestToken: aws.String(hex.EncodeToString(token)),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal}
	for n := 1; ; n++ {
		out, err := tx.c.db.TransactWriteItems(ctx, in)
		if err == nil {
			for i := range out.ConsumedCapacity {
				tx.c.metrics.consumed("transact", "write", &out.ConsumedCapacity[i])
			}
			return nil
		}
		var cancelled *types.TransactionCanceledException
		if !errors.As(err, &cancelled) {
			return fmt.Errorf("write a transaction: %w", failed(ctx, err))
		}
		if again, why := contended(cancelled); !again {
			return why
		}
		tx.told(ctx, cancelled)
		tx.c.metrics.contention.Inc()
		if n >= maxContention {
			return fmt.Errorf("a transaction met others %d times: %w", n, unavailable{err})
		}
		if err := tx.c.pause(ctx, n); err != nil {
			return err
		}
	}
}

// told tells of the writes that were throttled.
func (tx *transaction) told(ctx context.Context, e *types.TransactionCanceledException) {
	if tx.throttled == nil {
		return
	}
	for i, r := range e.CancellationReasons {
		if code := aws.ToString(r.Code); i < len(tx.ops) && (code == "ThrottlingError" || code == "ProvisionedThroughputExceeded") {
			tx.throttled(ctx, tx.ops[i])
		}
	}
}

// maxContention bounds how often a transaction is tried that meets others.
const maxContention = 40

// contended tells a cancelled transaction that may do better from one that
// may not.
func contended(e *types.TransactionCanceledException) (again bool, err error) {
	for _, r := range e.CancellationReasons {
		switch code := aws.ToString(r.Code); code {
		case "ConditionalCheckFailed":
			return false, errCondition
		case "", "None":
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			again = true
		default: // ItemCollectionSizeLimitExceeded, ValidationError
			return false, fmt.Errorf("a transaction was refused: %s: %s", code, aws.ToString(r.Message))
		}
	}
	if !again {
		return false, fmt.Errorf("a transaction was refused without a reason: %w", e)
	}
	return true, nil
}
