package dynamo

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// listed reads all findings of the account in pages, and fails if one is given
// twice that did not change meanwhile.
func (w *world) listed(s *Store, size int, between func()) map[string]int {
	w.Helper()
	seen := map[string]int{}
	p := store.PageRequest{Size: size}
	for {
		page, err := s.ListFindings(w.Context(), store.FindingQuery{States: []qrie.State{qrie.Active}, Accounts: []string{bucket("").Account}}, p)
		if err != nil {
			w.Fatal(err)
		}
		for _, f := range page.Items {
			seen[f.ID]++
		}
		if p.Token = page.Next; p.Token == "" {
			return seen
		}
		between()
	}
}

func TestBucketsGrowUnderWritersAndReaders(t *testing.T) {
	// A writer that never hears of the growth, one that hears late, and one
	// that grows.
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	o := options(t, "")
	o.Prefix, o.Now = w.s.prefix, func() time.Time { return start } // its memory never ages
	deaf, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	const old, young = 60, 120
	for i := range old {
		if err := w.refresh(w.s, bucket(fmt.Sprint("old-", i)), "a", start.Add(time.Duration(i)*time.Second), public); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := deaf.bucketsOf(t.Context(), bucket("").AccountService()); n != 1 || err != nil {
		t.Fatalf("%d buckets at first, %v", n, err)
	}
	var wg sync.WaitGroup
	var grown atomic.Int64
	for n, s := range []*Store{w.s, w.faulty, deaf} {
		wg.Go(func() {
			for i := range young / 3 {
				if n == 0 && i%8 == 7 {
					to := 1 << grown.Add(1)
					if err := s.Grow(t.Context(), bucket("").AccountService(), to); err != nil {
						t.Error(err)
					}
				}
				if err := w.refresh(s, bucket(fmt.Sprintf("young-%d-%d", n, i)), "a", start.Add(time.Hour), public); err != nil {
					t.Error(err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() {
		wg.Wait()
		close(written)
	}()
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		seen := w.listed(w.s, 9, func() {})
		for i := range old {
			if n := seen[bucket(fmt.Sprint("old-", i)).FindingID(public)]; n != 1 {
				t.Fatalf("an old finding was given %d times while the buckets grew to %d", n, 1<<grown.Load())
			}
		}
		for id, n := range seen {
			if n != 1 {
				t.Fatalf("finding %s was given %d times", id, n)
			}
		}
	}
	if got := len(w.listed(w.s, 50, func() {})); got != old+young {
		t.Errorf("%d findings are listed, of %d", got, old+young)
	}
	spreads, err := w.s.Spreads(t.Context())
	if err != nil || len(spreads) != 1 || spreads[0].Buckets != 1<<grown.Load() || spreads[0].Buckets < 16 {
		t.Errorf("spread %v, %v", spreads, err)
	}
	// They do lie apart, and the one that never heard wrote where it always did.
	in := map[int]int{}
	for b := range spreads[0].Buckets {
		rows, _, _, err := w.s.read(t.Context(), stretch{table: findingsTable, index: &findingsByOwner, pk: ownerShelf(qrie.Active, bucket("").AccountService(), b)})
		if err != nil {
			t.Fatal(err)
		}
		in[b] = len(rows)
	}
	if in[0] < old+young/3 || in[0] == old+young {
		t.Errorf("findings by bucket: %v", in)
	}
	// Those of old are spread as they change.
	for i := range old {
		if err := w.refresh(w.s, bucket(fmt.Sprint("old-", i)), "b", start.Add(2*time.Hour), public); err != nil {
			t.Fatal(err)
		}
	}
	w.countersAgree("after the growth")
	w.sound()
}

// A page that was begun before the growth goes on after it.
func TestBucketsGrowBetweenPages(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	for i := range 40 {
		if err := w.refresh(w.s, bucket(fmt.Sprint(i)), "a", start.Add(time.Duration(i)*time.Second), public); err != nil {
			t.Fatal(err)
		}
	}
	n, page := 1, 0
	seen := w.listed(w.faulty, 5, func() {
		if n *= 2; n <= MaxBuckets {
			if err := w.s.Grow(t.Context(), bucket("").AccountService(), n); err != nil {
				t.Fatal(err)
			}
		}
		// It moves to another bucket and another place, and must not push one
		// out of its page.
		page++
		if err := w.refresh(w.s, bucket(fmt.Sprint(page)), "b", start.Add(time.Hour), public); err != nil {
			t.Fatal(err)
		}
	})
	for i := page + 1; i < 40; i++ {
		if got := seen[bucket(fmt.Sprint(i)).FindingID(public)]; got != 1 {
			t.Errorf("finding %d was given %d times", i, got)
		}
	}
	for _, n := range []int{0, 3, -2, 2 * MaxBuckets} {
		if err := w.s.Grow(t.Context(), bucket("").AccountService(), n); err == nil {
			t.Errorf("grown to %d", n)
		}
	}
	if err := w.s.Grow(t.Context(), bucket("").AccountService(), 2); err != nil {
		t.Error(err)
	}
	if got, err := w.faulty.bucketsNow(t.Context(), []string{bucket("").AccountService()}); err != nil || got[bucket("").AccountService()] != MaxBuckets {
		t.Errorf("after asking for fewer: %v, %v", got, err)
	}
}

// throttleFindings refuses transactions as DynamoDB does while a partition of an
// index takes no more.
func throttleFindings(refuse func() bool) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("throttle findings", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (out middleware.InitializeOutput, m middleware.Metadata, err error) {
			tx, ok := in.Parameters.(*dynamodb.TransactWriteItemsInput)
			if !ok || !refuse() {
				return next.HandleInitialize(ctx, in)
			}
			e := &types.TransactionCanceledException{}
			for _, op := range tx.TransactItems {
				code := "None"
				if op.Put != nil && item(op.Put.Item)["FindingId"] != nil {
					code = "ThrottlingError"
				}
				e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
			}
			return out, m, e
		}), middleware.After)
	}
}

func TestThrottledFindingsAreSpread(t *testing.T) {
	n := 0
	w := newWorld(t, throttleFindings(func() bool { n++; return n%4 != 0 }))
	hot := bucket("").AccountService()
	for i := range 20 {
		if err := w.refresh(w.faulty, bucket(fmt.Sprint(i)), "a", start, public); err != nil {
			t.Fatal(err)
		}
	}
	spreads, err := w.s.Spreads(t.Context())
	if err != nil || len(spreads) != 1 || spreads[0].AccountService != hot || spreads[0].Buckets < 4 {
		t.Errorf("after 60 throttled writes: %v, %v", spreads, err)
	}
	if got := len(w.listed(w.s, 7, func() {})); got != 20 {
		t.Errorf("%d findings are listed", got)
	}
	w.sound()
}

func TestHeatIsOfAWindow(t *testing.T) {
	var h heat
	now := start
	for i := range 10 * heatLimit {
		if h.add("calm", now) {
			t.Fatalf("hot after %d throttled writes, one in each %s", i, heatWindow/heatLimit+time.Second)
		}
		now = now.Add(heatWindow/heatLimit + time.Second)
	}
	for i := range heatLimit {
		if got := h.add("hot", now); got != (i == heatLimit-1) {
			t.Errorf("throttled write %d: %v", i+1, got)
		}
	}
}
