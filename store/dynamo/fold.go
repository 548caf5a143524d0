package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// foldEvery is how many batches of the log are added to the rows of counters at
// once. Fewer cost more writes, more are read by whoever reads a counter.
const foldEvery = 32

// writerRows bounds what a write that sees to the log adds to the counters: a
// fraction of a second.
const writerRows = 500

// lastPrefix begins the attribute that says when the last one was added.
const lastPrefix = "at/"

// folded is the batch up to which every row of counters holds what the log
// changed.
func (s *Store) folded(ctx context.Context) (int64, error) {
	it, err := s.get(ctx, metaTable, metaPart, foldItem)
	if err != nil {
		return 0, fmt.Errorf("read how far the counters are: %w", err)
	}
	return it.num("Batch"), nil
}

// fold adds what the log changed to the rows of counters, in steps that begin
// and end at the same batches whoever takes them. Each row is written for
// itself, under the condition that it is not that far: whatever crashed or
// works on it as well, each change is added once.
// It ends once it has written so many rows.
func (s *Store) fold(ctx context.Context, most int) error {
	at, err := s.folded(ctx)
	if err != nil {
		return err
	}
	end, err := s.newestBatch(ctx)
	if err != nil {
		return err
	}
	for written := 0; at+s.foldEvery <= end.n && written < most; at += s.foldEvery {
		n, err := s.foldStep(ctx, at, at+s.foldEvery)
		if err != nil {
			return fmt.Errorf("add batches %d to %d of the log to the counters: %w", at+1, at+s.foldEvery, err)
		}
		written += n
	}
	return nil
}

// foldStep takes one step and tells how many rows it wrote.
func (s *Store) foldStep(ctx context.Context, from, to int64) (written int, err error) {
	rows := map[key]map[string]amount{}
	err = s.eachBatch(ctx, from+1, to, 0, func(b logBatch) (bool, error) {
		for _, sh := range b.shares {
			sh.spread(func(c cell, a amount) {
				row := rows[c.row]
				if row == nil {
					row = map[string]amount{}
					rows[c.row] = row
				}
				row[c.attribute] = row[c.attribute].plus(a)
			})
		}
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	var keys []key
	for k := range rows {
		keys = append(keys, k)
	}
	err = limited(ctx, keys, writers, func(ctx context.Context, k key) error {
		_, err := s.update(ctx, countersTable, k.pk, k.sk, additions(rows[k], to))
		if errors.Is(err, errCondition) {
			return nil // another was quicker
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	_, err = s.update(ctx, metaTable, metaPart, foldItem, change{update: "SET #Batch = :to",
		condition: "attribute_not_exists(#Batch) OR #Batch < :to", values: item{":to": number(to)}})
	if err != nil && !errors.Is(err, errCondition) {
		return 0, err
	}
	return len(keys), nil
}

// additions is the update of one row of counters.
func additions(of map[string]amount, to int64) change {
	u := change{condition: "attribute_not_exists(#Folded) OR #Folded < :to", values: item{":to": number(to)}, names: map[string]string{}}
	set, add := []string{"#Folded = :to"}, []string(nil)
	n := 0
	for attribute, a := range of {
		n++
		if a.n != 0 {
			u.names[fmt.Sprintf("#C%d", n)], u.values[fmt.Sprintf(":c%d", n)] = attribute, number(a.n)
			add = append(add, fmt.Sprintf("#C%d :c%d", n, n))
		}
		if a.lastAt != 0 {
			u.names[fmt.Sprintf("#T%d", n)], u.values[fmt.Sprintf(":t%d", n)] = lastPrefix+attribute, number(a.lastAt)
			set = append(set, fmt.Sprintf("#T%d = :t%d", n, n))
		}
	}
	u.update = "SET " + strings.Join(set, ", ")
	if len(add) > 0 {
		u.update += " ADD " + strings.Join(add, ", ")
	}
	return u
}
