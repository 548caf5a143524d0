package dynamo

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// meter adds up the write units of requests by the rules of Amazon's developer
// guide ("Write capacity unit consumption", "Secondary indexes: write
// capacity", "Transactions: capacity management"): a unit for each started
// kilobyte of the larger of the old and the new row; twice that in a
// transaction; and for each index one row written if what it holds changed, two
// if the key did. DynamoDB Local tells other figures for transactions.
type meter struct {
	t     testing.TB
	clear *client // reads rows and is not metered itself
	units float64
}

func (m *meter) stack(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meter", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		if m.clear == nil {
			return next.HandleInitialize(ctx, in)
		}
		touched := m.touched(in.Parameters)
		before := m.read(ctx, touched)
		out, meta, err := next.HandleInitialize(ctx, in)
		if err != nil {
			return out, meta, err
		}
		after := m.read(ctx, touched)
		for i, r := range touched {
			m.units += writeUnits(r.table, before[i], after[i], r.transaction)
		}
		return out, meta, err
	}), middleware.After)
}

type touchedRow struct {
	table       tableID
	key         item
	transaction bool
}

func (m *meter) touched(input any) (out []touchedRow) {
	add := func(name *string, row item, transaction bool) {
		id := tableID((*name)[len(m.clear.prefix):])
		def := tables[id]
		k := item{def.pk: row[def.pk]}
		if def.sk != "" {
			k[def.sk] = row[def.sk]
		}
		out = append(out, touchedRow{id, k, transaction})
	}
	switch in := input.(type) {
	case *dynamodb.PutItemInput:
		add(in.TableName, in.Item, false)
	case *dynamodb.UpdateItemInput:
		add(in.TableName, in.Key, false)
	case *dynamodb.DeleteItemInput:
		add(in.TableName, in.Key, false)
	case *dynamodb.BatchWriteItemInput:
		for name, requests := range in.RequestItems {
			for _, r := range requests {
				if r.PutRequest != nil {
					add(&name, r.PutRequest.Item, false)
				} else {
					add(&name, r.DeleteRequest.Key, false)
				}
			}
		}
	case *dynamodb.TransactWriteItemsInput:
		for _, op := range in.TransactItems {
			switch {
			case op.Put != nil:
				add(op.Put.TableName, op.Put.Item, true)
			case op.Update != nil:
				add(op.Update.TableName, op.Update.Key, true)
			case op.Delete != nil:
				add(op.Delete.TableName, op.Delete.Key, true)
			case op.ConditionCheck != nil:
				add(op.ConditionCheck.TableName, op.ConditionCheck.Key, true)
			}
		}
	}
	return out
}

func (m *meter) read(ctx context.Context, rows []touchedRow) []item {
	out := make([]item, len(rows))
	for i, r := range rows {
		def := tables[r.table]
		var err error
		if out[i], err = m.clear.get(ctx, r.table, r.key.str(def.pk), r.key.str(def.sk)); err != nil {
			m.t.Fatal(err)
		}
	}
	return out
}

func writeUnits(id tableID, old, next item, transaction bool) float64 {
	units := max(kilobytes(old), kilobytes(next), 1)
	if transaction {
		units *= 2
	}
	def := tables[id]
	for _, x := range def.indexes {
		was, is := indexRow(def, x, old), indexRow(def, x, next)
		switch {
		case was == nil:
			units += kilobytes(is)
		case is == nil:
			units += kilobytes(was)
		case was.str(x.pk) != is.str(x.pk) || was.str(x.sk) != is.str(x.sk):
			units += kilobytes(was) + kilobytes(is)
		case fmt.Sprint(plain(was)) != fmt.Sprint(plain(is)):
			units += max(kilobytes(was), kilobytes(is))
		}
	}
	return units
}

// indexRow is what an index holds of a row, nil if it has no part in it.
func indexRow(def table, x index, row item) item {
	if row[x.pk] == nil || row[x.sk] == nil {
		return nil
	}
	out := item{}
	for _, name := range append([]string{def.pk, def.sk, x.pk, x.sk}, x.with...) {
		if v, ok := row[name]; ok {
			out[name] = v
		}
	}
	return out
}

func kilobytes(row item) float64 {
	n := 0
	for name, v := range row {
		n += len(name) + sizeOf(v)
	}
	return float64((n + 1023) / 1024)
}

func sizeOf(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return (len(v.Value)+1)/2 + 1
	case *types.AttributeValueMemberL:
		n := 3
		for _, e := range v.Value {
			n += 1 + sizeOf(e)
		}
		return n
	case *types.AttributeValueMemberM:
		n := 3
		for name, e := range v.Value {
			n += 1 + len(name) + sizeOf(e)
		}
		return n
	}
	return 1
}

// plain makes rows comparable.
func plain(row item) map[string]string {
	out := map[string]string{}
	for name := range maps.Keys(row) {
		switch v := row[name].(type) {
		case *types.AttributeValueMemberS:
			out[name] = v.Value
		case *types.AttributeValueMemberN:
			out[name] = v.Value
		case *types.AttributeValueMemberB:
			out[name] = string(v.Value)
		default:
			out[name] = fmt.Sprint(row.flag(name), row.list(name))
		}
	}
	return out
}

func TestMeter(t *testing.T) {
	f := func(order, body string) item {
		return item{"FindingId": text("f"), "StateShelf": text("ACTIVE#1"), "PolicyShelf": text("p"), "AccountService": text("a"), "Order": text(order), "Body": text(body)}
	}
	long := string(make([]byte, 1500))
	for _, c := range []struct {
		what        string
		old, next   item
		transaction bool
		want        float64
	}{
		{"new, in three indexes", nil, f("1", ""), false, 4},
		{"new in a transaction", nil, f("1", ""), true, 5},
		{"moved in three indexes", f("1", ""), f("2", ""), false, 7},
		{"changed in none", f("1", ""), f("1", "x"), false, 1},
		{"larger before", f("1", long), f("1", ""), false, 2},
		{"a check of what is not there", nil, nil, true, 2},
	} {
		if got := writeUnits(findingsTable, c.old, c.next, c.transaction); got != c.want {
			t.Errorf("%s: %.0f units, want %.0f", c.what, got, c.want)
		}
	}
}
