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
)

// DynamoDB's bounds for one request.
const (
	maxBatchRead   = 100
	maxBatchWrite  = 25
	maxTransaction = 100
)

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
				RequestItems: map[string]types.KeysAndAttributes{name: {Keys: left, ConsistentRead: aws.Bool(true),
					ProjectionExpression: optional(only), ExpressionAttributeNames: aliases(nil, only)}}})
			if err != nil {
				return nil, fmt.Errorf("read from %s: %w", name, err)
			}
			for i := range res.ConsumedCapacity {
				c.metrics.consumed("read", &res.ConsumedCapacity[i])
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

var errThrottled = errors.New("DynamoDB throttles")

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
	name := c.table(t)
	for chunk := range slices.Chunk(requests, maxBatchWrite) {
		left := chunk
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
				return fmt.Errorf("write to %s: %w", name, err)
			}
			for i := range res.ConsumedCapacity {
				c.metrics.consumed("write", &res.ConsumedCapacity[i])
			}
			left = res.UnprocessedItems[name]
		}
	}
	return nil
}

// transaction gathers writes that are seen all or none.
type transaction struct {
	c   *client
	ops []types.TransactWriteItem
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
				tx.c.metrics.consumed("write", &out.ConsumedCapacity[i])
			}
			return nil
		}
		var cancelled *types.TransactionCanceledException
		if !errors.As(err, &cancelled) {
			return fmt.Errorf("write a transaction: %w", err)
		}
		if again, why := contended(cancelled); !again {
			return why
		}
		tx.c.metrics.contention.Inc()
		if n >= maxContention {
			return fmt.Errorf("a transaction met others %d times: %w", n, err)
		}
		if err := tx.c.pause(ctx, n); err != nil {
			return err
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
