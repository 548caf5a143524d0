package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie/store"
)

// Rows are trimmed here and not by DynamoDB's time to live, which would delete
// behind the counters' back and up to days late. What is to be trimmed is found
// through indexes that exist for other reasons; how far it went is kept in one
// row, so that nothing is looked at twice.

// trimmedTo reads how far a sort of rows is trimmed.
func (s *Store) trimmedTo(ctx context.Context, sort string) (int64, error) {
	it, err := s.get(ctx, metaTable, metaPart, trimItem)
	if err != nil {
		return 0, fmt.Errorf("read how far the tables are trimmed: %w", err)
	}
	return it.num(sort), nil
}

func (s *Store) setTrimmed(ctx context.Context, sort string, to int64) error {
	_, err := s.update(ctx, metaTable, metaPart, trimItem, change{update: "SET #Sort = :to", condition: "attribute_not_exists(#Sort) OR #Sort < :to",
		values: item{":to": number(to)}, names: map[string]string{"#Sort": sort}})
	if err != nil && !errors.Is(err, errCondition) {
		return fmt.Errorf("keep how far the tables are trimmed: %w", err)
	}
	return nil
}

// trimmedDay is the last day of which transitions may be gone.
func (s *Store) trimmedDay(ctx context.Context) (string, error) {
	n, err := s.trimmedTo(ctx, "Day")
	if n == 0 || err != nil {
		return "", err
	}
	return moment(n).Format(time.DateOnly), nil
}

// Maintain trims what is past its retention, until nothing is left or ctx ends.
func (s *Store) Maintain(ctx context.Context, now time.Time) (trimmed int, err error) {
	defer s.metrics.Request("qrie_meta", "maintain")(&err)
	for _, step := range []struct {
		what string
		trim func(context.Context, time.Time) (int, error)
	}{
		{"the outbox", s.trimOutbox},
		{"transitions", s.trimTransitions},
		{"versions", s.trimVersions},
		{"findings", s.trimFindings},
		{"dead letters", s.trimLetters},
		{"jobs", s.trimJobs},
		{"the audit", s.trimAudit},
		{"deliveries", s.trimDeliveries},
		{"the log", func(ctx context.Context, _ time.Time) (int, error) { return 0, s.tend(ctx) }},
	} {
		n, err := step.trim(ctx, now)
		trimmed += n
		if err != nil {
			return trimmed, fmt.Errorf("trim %s: %w", step.what, err)
		}
	}
	return trimmed, nil
}

// trimTransitions trims from the oldest batch of the log on, and stops at the
// first that holds what is to be kept. The newest batch stays, emptied: the next
// is numbered after it.
func (s *Store) trimTransitions(ctx context.Context, now time.Time) (trimmed int, err error) {
	end, err := s.newestBatch(ctx)
	if err != nil {
		return 0, err
	}
	begin, err := s.trimmedTo(ctx, "Log")
	if err != nil {
		return 0, err
	}
	folded, err := s.folded(ctx)
	if err != nil {
		return 0, err
	}
	cutoff := now.Add(-store.KeepHistory)
	err = s.eachBatch(ctx, begin, end.n, logPage, func(b logBatch) (bool, error) {
		all, err := s.transitionsOf(ctx, b)
		if err != nil {
			return false, err
		}
		var newest time.Time
		var old []key
		whole := len(b.at) > 0 || b.time < nanos(cutoff)
		for i, t := range all {
			switch {
			case t.ID == "":
			case t.At.Before(cutoff):
				old, newest = append(old, b.at[i].key()), latest(newest, t.At)
			default:
				whole = false
			}
		}
		if len(old) > 0 {
			// From here on a recount must leave these days alone.
			if err := s.setTrimmed(ctx, "Day", nanos(newest)); err != nil {
				return false, err
			}
		}
		if err := s.writeAll(ctx, transitionsTable, nil, old); err != nil {
			return false, err
		}
		trimmed += len(old)
		if !whole || b.n >= end.n {
			return false, nil
		}
		if b.n > folded {
			return true, nil // what it changed of the counters is needed still
		}
		// Settled, because a later batch was appended.
		if err := s.setTrimmed(ctx, "Log", b.n); err != nil {
			return false, err
		}
		return true, s.remove(ctx, transitionsTable, logPart(b.n), digits(b.n), "", nil)
	})
	return trimmed, err
}
