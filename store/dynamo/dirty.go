package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// dirtyBuckets spreads the marks that wait.
const dirtyBuckets = 4

func dirtyShelf(bucket int) string { return fmt.Sprintf("due#%d", bucket) }

// PutDirty adds a mark or merges it into the one that waits.
func (s *Store) PutDirty(ctx context.Context, m store.DirtyMark) (err error) {
	defer s.metrics.Request("qrie_dirty", "put")(&err)
	id := m.Ref.ResourceID()
	for n := 1; ; n++ {
		it, err := s.get(ctx, dirtyTable, id, "")
		if err != nil {
			return fmt.Errorf("mark %s: %w", m.Ref, err)
		}
		next, condition, values := m, "attribute_not_exists(#Revision)", item(nil)
		if it != nil {
			var old store.DirtyMark
			if err := s.pack.decode("a dirty mark", it.bytes("Body"), &old); err != nil {
				return err
			}
			next, condition, values = old.Merge(m), "#Revision = :r", item{":r": number(old.Revision)}
		} else {
			next.Events = qrie.NewestEvents(m.Events)
		}
		// By chance, so that a mark that was deleted never matches a later one.
		next.Revision = 1 + rand.Int64N(1<<62)
		row := s.row(dirtyTable, id, "")
		if row["Body"], err = s.pack.encode("a dirty mark", next); err != nil {
			return err
		}
		row["Revision"], row["Since"] = number(next.Revision), number(nanos(next.Since))
		row["Bucket"], row["Due"] = text(dirtyShelf(bucketOf(id, dirtyBuckets))), text(digits(nanos(next.DueAt))+"#"+id)
		err = s.put(ctx, dirtyTable, row, condition, values)
		if !errors.Is(err, errCondition) {
			return err
		}
		if n >= s.attempts {
			return fmt.Errorf("mark %s: it changed %d times meanwhile: %w", m.Ref, n, qrie.ErrConflict)
		}
		if err := s.pause(ctx, n); err != nil {
			return err
		}
	}
}

// DueDirty reads what is due, earliest first.
func (s *Store) DueDirty(ctx context.Context, now time.Time, limit int) (due []store.DirtyMark, err error) {
	defer s.metrics.Request("qrie_dirty", "due")(&err)
	m := merge{c: s.client, bound: limit * (dirtyBuckets + 1)}
	for b := range dirtyBuckets {
		m.sources = append(m.sources, &source{fetch: limit, stretch: stretch{table: dirtyTable, index: &dirtyDue, pk: dirtyShelf(b),
			low: lowest(""), high: digits(nanos(now)) + "#" + highest("")}})
	}
	var keys []key
	for len(keys) < limit {
		r, ok, err := m.next(ctx)
		if err != nil {
			return nil, fmt.Errorf("read due marks: %w", err)
		}
		if !ok {
			break
		}
		keys = append(keys, key{pk: r.item.str("ResourceId")})
	}
	rows, err := s.many(ctx, dirtyTable, keys, "")
	if err != nil {
		return nil, fmt.Errorf("read due marks: %w", err)
	}
	for _, k := range keys {
		it := rows[k]
		if it == nil {
			continue
		}
		var mark store.DirtyMark
		if err := s.pack.decode("a dirty mark", it.bytes("Body"), &mark); err != nil {
			return nil, err
		}
		if !mark.DueAt.After(now) { // put off since the index was written
			due = append(due, mark)
		}
	}
	return due, nil
}

// DeleteDirty removes marks that nobody has touched since they were read.
func (s *Store) DeleteDirty(ctx context.Context, marks []store.DirtyMark) (err error) {
	defer s.metrics.Request("qrie_dirty", "delete")(&err)
	return limited(ctx, marks, writers, func(ctx context.Context, m store.DirtyMark) error {
		err := s.remove(ctx, dirtyTable, m.Ref.ResourceID(), "", "#Revision = :r", item{":r": number(m.Revision)})
		if err != nil && !errors.Is(err, errCondition) {
			return fmt.Errorf("remove the mark of %s: %w", m.Ref, err)
		}
		return nil
	})
}

// CountDirty counts in the index. A counter would cost every mark a second
// write to a row that all of them share, and few wait at any time.
func (s *Store) CountDirty(ctx context.Context) (n int64, oldest time.Time, err error) {
	defer s.metrics.Request("qrie_dirty", "count")(&err)
	for b := range dirtyBuckets {
		err := s.all(ctx, stretch{table: dirtyTable, index: &dirtyDue, pk: dirtyShelf(b), only: "#Since"}, func(it item) error {
			n++
			if since := moment(it.num("Since")); oldest.IsZero() || !since.IsZero() && since.Before(oldest) {
				oldest = since
			}
			return nil
		})
		if err != nil {
			return 0, oldest, fmt.Errorf("count waiting marks: %w", err)
		}
	}
	return n, oldest, nil
}
