package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Summary reads an entry of the summary cache.
func (s *Store) Summary(ctx context.Context, key string) (v store.Summary, err error) {
	defer s.metrics.Request("qrie_summary", "get")(&err)
	missing := fmt.Errorf("summary %s: %w", key, qrie.ErrNotFound)
	if !keyable(key) {
		return v, missing
	}
	it, err := s.get(ctx, summaryTable, key, "")
	if err != nil {
		return v, fmt.Errorf("read summary %s: %w", key, err)
	}
	if it == nil || it.bytes("Payload") == nil {
		return v, missing
	}
	v = store.Summary{Key: key, ComputedAt: moment(it.num("ComputedAt")), Fence: it.num("WrittenFence")}
	v.Payload, err = s.pack.expand("summary "+key, it.bytes("Payload"))
	return v, err
}

// LockSummary takes the right to refresh an entry. Each taking gives another
// fence, also to the same owner: of two refreshes the later one counts.
func (s *Store) LockSummary(ctx context.Context, key, owner string, now time.Time, ttl time.Duration) (fence int64, ok bool, err error) {
	defer s.metrics.Request("qrie_summary", "lock")(&err)
	if err := store.ValidLock("summary", key, owner); err != nil {
		return 0, false, err
	}
	it, err := s.update(ctx, summaryTable, key, "", change{
		update:    "SET #Owner = :owner, #Until = :until ADD #Fence :one",
		condition: "attribute_not_exists(#Owner) OR #Owner IN (:none, :owner) OR #Until <= :now",
		values: item{":owner": text(owner), ":none": text(""), ":until": number(nanos(now.Add(ttl))),
			":now": number(nanos(now)), ":one": number(1)}})
	if errors.Is(err, errCondition) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("lock summary %s: %w", key, err)
	}
	return it.num("Fence"), true, nil
}

const heldBy = "#Fence = :fence AND #Owner IN (:none, :owner)"

// PutSummary stores an entry under the fence of its refresh and gives the lock
// back. A lock that ran out and that nobody took still counts.
func (s *Store) PutSummary(ctx context.Context, v store.Summary, owner string) (err error) {
	defer s.metrics.Request("qrie_summary", "put")(&err)
	if err := v.Valid(); err != nil {
		return err
	}
	_, err = s.update(ctx, summaryTable, v.Key, "", change{
		update:    "SET #Payload = :payload, #ComputedAt = :at, #WrittenFence = #Fence, #Owner = :none, #Until = :zero",
		condition: heldBy,
		values: item{":payload": binary(s.pack.compress(v.Payload)), ":at": number(nanos(v.ComputedAt)), ":none": text(""), ":zero": number(0),
			":fence": number(v.Fence), ":owner": text(owner)}})
	return fenced(err, "summary "+v.Key, owner, v.Fence)
}

// UnlockSummary gives the lock back.
func (s *Store) UnlockSummary(ctx context.Context, key, owner string, fence int64) (err error) {
	defer s.metrics.Request("qrie_summary", "unlock")(&err)
	_, err = s.update(ctx, summaryTable, key, "", change{update: "SET #Owner = :none, #Until = :zero", condition: heldBy,
		values: item{":none": text(""), ":zero": number(0), ":fence": number(fence), ":owner": text(owner)}})
	return fenced(err, "summary "+key, owner, fence)
}

func fenced(err error, what, owner string, fence int64) error {
	if errors.Is(err, errCondition) {
		return fmt.Errorf("%s, owner %s with fence %d: %w", what, owner, fence, qrie.ErrFenced)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

// Lock takes or renews a named lock. A renewal keeps the fence; taking it
// after it ran out, or from another owner, gives the next.
func (s *Store) Lock(ctx context.Context, name, owner string, now time.Time, ttl time.Duration) (fence int64, ok bool, err error) {
	defer s.metrics.Request("qrie_locks", "lock")(&err)
	if err := store.ValidLock("lock", name, owner); err != nil {
		return 0, false, err
	}
	values := item{":owner": text(owner), ":until": number(nanos(now.Add(ttl))), ":now": number(nanos(now))}
	for _, u := range []change{
		{update: "SET #Until = :until", condition: "#Owner = :owner AND #Until > :now", values: values},
		{update: "SET #Owner = :owner, #Until = :until ADD #Fence :one", condition: "attribute_not_exists(#Owner) OR #Until <= :now",
			values: item{":owner": text(owner), ":until": values[":until"], ":now": values[":now"], ":one": number(1)}},
	} {
		it, err := s.update(ctx, locksTable, name, "", u)
		if err == nil {
			return it.num("Fence"), true, nil
		}
		if !errors.Is(err, errCondition) {
			return 0, false, fmt.Errorf("take lock %s: %w", name, err)
		}
	}
	return 0, false, nil
}
