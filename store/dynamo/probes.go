package dynamo

import (
	"context"
	"errors"
	"fmt"
)

// probe tries one call on one table and changes nothing.
type probe struct {
	action string // of IAM
	try    func(ctx context.Context, c *client, id tableID) error
}

// nobody is a key that no row of this package has.
const nobody = "\x00qrie examines"

// unmet is a condition that cannot hold for it.
func unmet(id tableID) string { return "attribute_exists(#" + tables[id].pk + ")" }

// met passes over the refusal that was meant.
func met(err error) error {
	if errors.Is(err, errCondition) {
		return nil
	}
	if err == nil {
		return errors.New("BUG: a condition held that cannot")
	}
	return err
}

// probes are the calls that the store makes. A transaction has no action of its
// own: each of its writes has that of a single one.
var probes = []probe{
	{"dynamodb:GetItem", func(ctx context.Context, c *client, id tableID) error {
		_, err := c.get(ctx, id, nobody, nobody)
		return err
	}},
	{"dynamodb:BatchGetItem", func(ctx context.Context, c *client, id tableID) error {
		_, err := c.many(ctx, id, []key{{nobody, nobody}}, "")
		return err
	}},
	{"dynamodb:Query", func(ctx context.Context, c *client, id tableID) error {
		if _, _, _, err := c.read(ctx, stretch{table: id, pk: nobody, limit: 1}); err != nil {
			return err
		}
		for _, x := range tables[id].indexes {
			if _, _, _, err := c.read(ctx, stretch{table: id, index: &x, pk: nobody, limit: 1}); err != nil {
				return fmt.Errorf("index %s: %w", x.name, err)
			}
		}
		return nil
	}},
	{"dynamodb:PutItem", func(ctx context.Context, c *client, id tableID) error {
		return met(c.put(ctx, id, c.row(id, nobody, nobody), unmet(id), nil))
	}},
	{"dynamodb:UpdateItem", func(ctx context.Context, c *client, id tableID) error {
		_, err := c.update(ctx, id, nobody, nobody, change{update: "SET #Nothing = :n", condition: unmet(id), values: item{":n": number(0)}})
		return met(err)
	}},
	{"dynamodb:DeleteItem", func(ctx context.Context, c *client, id tableID) error {
		return met(c.remove(ctx, id, nobody, nobody, unmet(id), nil))
	}},
	{"dynamodb:BatchWriteItem", func(ctx context.Context, c *client, id tableID) error {
		return c.writeAll(ctx, id, nil, []key{{nobody, nobody}})
	}},
	{"dynamodb:ConditionCheckItem", func(ctx context.Context, c *client, id tableID) error {
		tx := &transaction{c: c}
		tx.check(id, nobody, nobody, unmet(id), nil)
		return met(tx.commit(ctx))
	}},
}
