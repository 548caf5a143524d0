package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/qrie-sec/qrie/store"
)

// errCondition: a condition of a write did not hold. Nothing was written.
var errCondition = errors.New("a condition does not hold")

// client is DynamoDB in the words of this package. Reads are strongly
// consistent unless they are of a global index, which cannot be.
type client struct {
	db         *dynamodb.Client
	prefix     string
	now        func() time.Time
	metrics    *metrics
	attempts   int
	maxBackoff time.Duration
}

func (c *client) table(t tableID) string { return c.prefix + string(t) }

// row is the key of a row, to which a put adds the rest.
func (c *client) row(t tableID, pk, sk string) item {
	def := tables[t]
	out := item{def.pk: text(pk)}
	if def.sk != "" {
		out[def.sk] = text(sk)
	}
	return out
}

var alias = regexp.MustCompile(`#[A-Za-z][A-Za-z0-9]*`)

// aliases names every attribute of some expressions, because many an innocent
// word is reserved. Those in given stand for other names than their own.
func aliases(given map[string]string, expressions ...string) map[string]string {
	var out map[string]string
	for _, e := range expressions {
		for _, a := range alias.FindAllString(e, -1) {
			if out == nil {
				out = map[string]string{}
			}
			out[a] = a[1:]
			if name, ok := given[a]; ok {
				out[a] = name
			}
		}
	}
	return out
}

func optional(expression string) *string {
	if expression == "" {
		return nil
	}
	return &expression
}

// failed classes the error of a request in the words of the port.
func failed(ctx context.Context, err error) error {
	var condition *types.ConditionalCheckFailedException
	var spent *retry.MaxAttemptsError
	switch {
	case errors.As(err, &condition):
		return errCondition
	case errors.As(err, &spent) && ctx.Err() == nil:
		// What the SDK tries again: throttling, 5xx, time-outs, lost connections.
		return unavailable{err}
	}
	return err
}

// unavailable says that what failed may do better later.
type unavailable struct{ error }

func (u unavailable) Unwrap() []error { return []error{store.ErrUnavailable, u.error} }

func (c *client) get(ctx context.Context, t tableID, pk, sk string) (item, error) {
	out, err := c.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(c.table(t)), Key: c.row(t, pk, sk),
		ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", c.table(t), failed(ctx, err))
	}
	c.metrics.consumed("get", "read", out.ConsumedCapacity)
	return out.Item, nil
}

// put writes a whole row.
func (c *client) put(ctx context.Context, t tableID, row item, condition string, values item) error {
	out, err := c.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(c.table(t)), Item: row,
		ConditionExpression: optional(condition), ExpressionAttributeNames: aliases(nil, condition), ExpressionAttributeValues: values,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
	if err != nil {
		return fmt.Errorf("write to %s: %w", c.table(t), failed(ctx, err))
	}
	c.metrics.consumed("put", "write", out.ConsumedCapacity)
	return nil
}

// change is an update of a row.
type change struct {
	update    string
	condition string
	values    item
	names     map[string]string // of aliases that stand for another name than their own
}

// update changes a row and returns it as it is then.
func (c *client) update(ctx context.Context, t tableID, pk, sk string, u change) (item, error) {
	out, err := c.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: aws.String(c.table(t)), Key: c.row(t, pk, sk),
		UpdateExpression: optional(u.update), ConditionExpression: optional(u.condition),
		ExpressionAttributeNames: aliases(u.names, u.update, u.condition), ExpressionAttributeValues: u.values,
		ReturnValues: types.ReturnValueAllNew, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
	if err != nil {
		return nil, fmt.Errorf("write to %s: %w", c.table(t), failed(ctx, err))
	}
	c.metrics.consumed("update", "write", out.ConsumedCapacity)
	return out.Attributes, nil
}

// remove deletes a row. Without a condition, one that is not there is no error.
func (c *client) remove(ctx context.Context, t tableID, pk, sk, condition string, values item) error {
	out, err := c.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String(c.table(t)), Key: c.row(t, pk, sk),
		ConditionExpression: optional(condition), ExpressionAttributeNames: aliases(nil, condition), ExpressionAttributeValues: values,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
	if err != nil {
		return fmt.Errorf("delete from %s: %w", c.table(t), failed(ctx, err))
	}
	c.metrics.consumed("delete", "write", out.ConsumedCapacity)
	return nil
}

// stretch is a part of a table or an index that lies together: one partition
// key and a closed range of sort keys. Without low and high it is all of them.
type stretch struct {
	table     tableID
	index     *index // nil: the table
	pk        string
	low, high string
	backwards bool
	limit     int
	only      string // attributes to read, separated by commas, as aliases; empty: all
}

// read reads one page of a stretch, at most limit rows or 1 MB. done says that
// it ends there; otherwise last is the sort key to go on after.
func (c *client) read(ctx context.Context, s stretch) (rows []item, last string, done bool, err error) {
	def := tables[s.table]
	pk, sk, consistent := def.pk, def.sk, true
	in := &dynamodb.QueryInput{TableName: aws.String(c.table(s.table)), ScanIndexForward: aws.Bool(!s.backwards),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal}
	if s.index != nil {
		in.IndexName = aws.String(s.index.name)
		pk, sk, consistent = s.index.pk, s.index.sk, false
	}
	if s.limit > 0 {
		in.Limit = aws.Int32(int32(s.limit))
	}
	condition := "#pk = :pk"
	in.ExpressionAttributeValues = item{":pk": text(s.pk)}
	given := map[string]string{"#pk": pk, "#sk": sk}
	if s.low != "" || s.high != "" {
		condition += " AND #sk BETWEEN :low AND :high"
		in.ExpressionAttributeValues[":low"], in.ExpressionAttributeValues[":high"] = text(lowest(s.low)), text(highest(s.high))
		if lowest(s.low) > highest(s.high) {
			return nil, "", true, nil // DynamoDB takes it for a mistake
		}
	}
	in.KeyConditionExpression, in.ProjectionExpression = &condition, optional(s.only)
	in.ExpressionAttributeNames = aliases(given, condition, s.only)
	in.ConsistentRead = &consistent
	out, err := c.db.Query(ctx, in)
	if err != nil {
		return nil, "", false, fmt.Errorf("query %s: %w", c.table(s.table), failed(ctx, err))
	}
	c.metrics.consumed("query", "read", out.ConsumedCapacity)
	rows = make([]item, len(out.Items))
	for i, it := range out.Items {
		rows[i] = it
	}
	return rows, item(out.LastEvaluatedKey).str(sk), len(out.LastEvaluatedKey) == 0, nil
}

func lowest(key string) string {
	if key == "" {
		return "\x00"
	}
	return key
}

func highest(key string) string {
	if key == "" {
		return "\U0010ffff"
	}
	return key
}

// following is the least sort key greater than key.
func following(key string) string { return key + "\x00" }

// all reads a whole stretch, however many pages it takes.
func (c *client) all(ctx context.Context, s stretch, each func(item) error) error {
	for {
		rows, last, done, err := c.read(ctx, s)
		if err != nil {
			return err
		}
		for _, it := range rows {
			if err := each(it); err != nil {
				return err
			}
		}
		if done {
			return nil
		}
		if s.backwards {
			return fmt.Errorf("BUG: a whole stretch of %s is read backwards", s.table)
		}
		s.low = following(last)
	}
}

// pause waits before attempt n+1, longer each time, with jitter so that those
// who met do not meet again.
func (c *client) pause(ctx context.Context, n int) error {
	t := time.NewTimer(backoff(n, c.maxBackoff))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const leastBackoff = 8 * time.Millisecond

func backoff(n int, most time.Duration) time.Duration {
	ceiling := min(most, leastBackoff<<min(n, 16))
	return ceiling/4 + rand.N(ceiling*3/4+1)
}
