package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/store/memory"
)

const removed = "111122223333"

var evening = time.Date(2026, 3, 14, 20, 0, 0, 0, time.UTC)

// bucketsOf stores so many resources of an account that is not watched.
func bucketsOf(t *testing.T, s store.Store, n int) {
	t.Helper()
	for i := range n {
		ref := qrie.Ref{Account: removed, Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: fmt.Sprintf("b%03d", i), Global: true}
		e := store.Evaluation{Changed: true, Next: store.Resource{Ref: ref, ObservedAt: evening, ChangedAt: evening, FirstSeen: evening, Hash: "h", Document: json.RawMessage(`{}`)}}
		if err := s.Apply(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// sparse is a store whose lists begin with a page of nothing that has a Next,
// as those of an adapter do that read many tombstones.
type sparse struct{ store.Store }

func (s sparse) ListResources(ctx context.Context, q store.ResourceQuery, p store.PageRequest) (store.Page[store.Resource], error) {
	if p.Token == "" {
		return store.Page[store.Resource]{Next: "go on"}, nil
	}
	p.Token = ""
	return s.Store.ListResources(ctx, q, p)
}

func TestCloseAccountReadsPastEmptyPages(t *testing.T) {
	s := sparse{memory.New(memory.Options{})}
	bucketsOf(t, s, 7)
	for _, want := range []int{7, 0} {
		if closed, err := store.CloseAccount(t.Context(), s, removed, evening.Add(time.Minute), nil); err != nil || closed != want {
			t.Errorf("closed %d, %v; want %d", closed, err, want)
		}
	}
}

// counted counts the resources that lists give.
type counted struct {
	store.Store
	read int
}

func (s *counted) ListResources(ctx context.Context, q store.ResourceQuery, p store.PageRequest) (store.Page[store.Resource], error) {
	page, err := s.Store.ListResources(ctx, q, p)
	s.read += len(page.Items)
	return page, err
}

// What is closed is read once, however much there is.
func TestCloseAccountReadsEachResourceOnce(t *testing.T) {
	s := &counted{Store: memory.New(memory.Options{})}
	const n = 3*store.MaxPage + 7
	bucketsOf(t, s, n)
	var told []int
	closed, err := store.CloseAccount(t.Context(), s, removed, evening.Add(time.Minute), func(n int) { told = append(told, n) })
	if err != nil || closed != n || s.read != n {
		t.Errorf("closed %d of %d and read %d, %v", closed, n, s.read, err)
	}
	if !slices.IsSorted(told) || len(told) < 4 || told[0] != store.MaxPage || told[len(told)-1] != n {
		t.Errorf("told %v", told)
	}
}

// A worker whose clock is ahead may have seen a resource after the moment at
// which another closes it.
func TestCloseAccountOfWhatWasSeenLater(t *testing.T) {
	s := memory.New(memory.Options{})
	bucketsOf(t, s, 3)
	for _, want := range []int{3, 0} {
		closed, err := store.CloseAccount(t.Context(), s, removed, evening.Add(-time.Minute), nil)
		if err != nil {
			t.Fatal(err)
		}
		if closed != want {
			t.Errorf("closed %d, want %d", closed, want)
		}
	}
	page, err := s.ListResources(t.Context(), store.ResourceQuery{Accounts: []string{removed}}, store.PageRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Items) > 0 {
		t.Errorf("%d resources are left", len(page.Items))
	}
}
