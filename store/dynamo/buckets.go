package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/qrie-sec/qrie"
)

// A partition of an index takes 1,000 writes a second, and an index that is
// throttled throttles its table. The findings of an account's service share one
// partition until they prove too many for it; then they are spread over twice
// as many, as often as it takes.
//
// The number only grows, and is a power of two. Who reads a list asks for it
// each time and merges so many partitions. Who writes may not have heard of the
// latest: a finding then lies in one of the first ones, where it is found as
// well. A finding is in one partition at a time, so it is not listed twice, and
// it moves when it is next written.

// MaxBuckets bounds over how many partitions an account's service is spread.
const MaxBuckets = 64

// bucketsPart holds the numbers that are not 1, in the meta table.
const bucketsPart = "buckets"

// recallBuckets is for how long a writer trusts what it has read.
const recallBuckets = time.Minute

// Spread is over how many partitions an account's service lies.
type Spread struct {
	AccountService string
	Buckets        int
}

// Spreads lists what was spread, by account and service.
func (s *Store) Spreads(ctx context.Context) (out []Spread, err error) {
	defer s.metrics.Request("qrie_meta", "spreads")(&err)
	err = s.all(ctx, stretch{table: metaTable, pk: bucketsPart}, func(it item) error {
		out = append(out, Spread{it.str("Item"), int(it.num("Buckets"))})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is spread: %w", err)
	}
	return out, nil
}

// Grow spreads the findings of an account's service over at least so many
// partitions, a power of two up to MaxBuckets. It may be called while anybody
// reads and writes; the store does so itself when an account's findings are
// throttled. A smaller number than there are changes nothing.
func (s *Store) Grow(ctx context.Context, accountService string, buckets int) (err error) {
	defer s.metrics.Request("qrie_meta", "grow")(&err)
	if !keyable(accountService) || buckets < 1 || buckets > MaxBuckets || buckets&(buckets-1) != 0 {
		return fmt.Errorf("spread %s over %d partitions: 1, 2, 4 and so on up to %d are possible", accountService, buckets, MaxBuckets)
	}
	_, err = s.update(ctx, metaTable, bucketsPart, accountService, change{update: "SET #Buckets = :n",
		condition: "attribute_not_exists(#Buckets) OR #Buckets < :n", values: item{":n": number(int64(buckets))}})
	if errors.Is(err, errCondition) {
		return nil // another was quicker, or did more
	}
	if err != nil {
		return fmt.Errorf("spread %s over %d partitions: %w", accountService, buckets, err)
	}
	s.metrics.grown.Inc()
	s.spread.remember(accountService, buckets, s.now())
	return nil
}

// bucketsNow reads over how many partitions each lies, as readers must.
func (s *Store) bucketsNow(ctx context.Context, accountServices []string) (map[string]int, error) {
	keys := make([]key, len(accountServices))
	for i, a := range accountServices {
		keys[i] = key{bucketsPart, a}
	}
	rows, err := s.many(ctx, metaTable, keys, "#Part, #Item, #Buckets")
	if err != nil {
		return nil, fmt.Errorf("read over how many partitions accounts are spread: %w", err)
	}
	out := make(map[string]int, len(keys))
	for i, a := range accountServices {
		out[a] = cmp.Or(int(rows[keys[i]].num("Buckets")), 1)
	}
	return out, nil
}

// bucketsOf tells a writer, from memory if it can.
func (s *Store) bucketsOf(ctx context.Context, accountService string) (int, error) {
	now := s.now()
	if n := s.spread.recall(accountService, now); n > 0 {
		return n, nil
	}
	read, err := s.bucketsNow(ctx, []string{accountService})
	if err != nil {
		return 0, err
	}
	return s.spread.remember(accountService, read[accountService], now), nil
}

// spread remembers the numbers.
type spread struct {
	mu sync.Mutex
	of map[string]remembered
}

type remembered struct {
	buckets int
	at      time.Time
}

// maxRemembered bounds what is kept in memory of single accounts: tens of
// thousands of them have a few services each.
const maxRemembered = 100_000

func (sp *spread) recall(accountService string, now time.Time) int {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if r, ok := sp.of[accountService]; ok && now.Sub(r.at) < recallBuckets {
		return r.buckets
	}
	return 0
}

func (sp *spread) remember(accountService string, buckets int, now time.Time) int {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.of == nil || len(sp.of) >= maxRemembered {
		sp.of = map[string]remembered{}
	}
	buckets = max(buckets, sp.of[accountService].buckets)
	sp.of[accountService] = remembered{buckets, now}
	return buckets
}

// heat counts throttled writes of findings, by account and service.
type heat struct {
	mu sync.Mutex
	of map[string]throttles
}

type throttles struct {
	n     int
	since time.Time
}

// An account's service is spread further after so many throttled writes within
// so long a time. A single one may be anybody's.
const (
	heatLimit  = 20
	heatWindow = time.Minute
)

// add reports that the limit is reached, and begins anew.
func (h *heat) add(accountService string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil || len(h.of) >= maxRemembered {
		h.of = map[string]throttles{}
	}
	t := h.of[accountService]
	if now.Sub(t.since) >= heatWindow {
		t = throttles{since: now}
	}
	if t.n++; t.n < heatLimit {
		h.of[accountService] = t
		return false
	}
	delete(h.of, accountService)
	return true
}

// onThrottled returns what is to be done about a throttled write of a resource:
// DynamoDB does not say which index it was, and of all that a finding lies in
// this one has the narrowest partitions.
func (s *Store) onThrottled(ref qrie.Ref) func(context.Context, types.TransactWriteItem) {
	return func(ctx context.Context, op types.TransactWriteItem) {
		if op.Put == nil || *op.Put.TableName != s.table(findingsTable) || !s.heat.add(ref.AccountService(), s.now()) {
			return
		}
		now, err := s.bucketsNow(ctx, []string{ref.AccountService()})
		if n := 2 * now[ref.AccountService()]; err == nil && n <= MaxBuckets {
			err = s.Grow(ctx, ref.AccountService(), n)
		}
		if err != nil {
			s.metrics.Failed("qrie_meta", "grow", err) // the write itself is tried again in any case
		}
	}
}

// ownerShelves are the partitions of an account's service.
func ownerShelves(state qrie.State, account, service string, buckets map[string]int) (out []string) {
	accountService := account + "_" + service
	for b := range buckets[accountService] {
		out = append(out, ownerShelf(state, accountService, b))
	}
	return out
}

// pairs are all accounts with all services.
func pairs(accounts, services []string) (out []string) {
	for _, a := range accounts {
		for _, s := range services {
			out = append(out, a+"_"+s)
		}
	}
	return slices.Compact(out)
}
