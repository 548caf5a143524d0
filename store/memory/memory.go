// Package memory keeps the store in memory, for tests and simulations. It is
// the plainest adapter of the port and so the reference of what the port means:
// one mutex, each call one step, every list sorted out anew.
//
// Nothing is left to chance: the same calls in the same order give the same
// answers, page tokens included. Nothing is bounded but what the port bounds.
package memory

import (
	"context"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Options of a store. The zero value is ready.
type Options struct {
	// Wrote is told of every write of a resource, in order and before the
	// write is seen. It must not call the store.
	Wrote func(Written)
}

// Written is what a write made of a resource's version.
type Written struct {
	Ref        qrie.Ref
	Version    int64
	ObservedAt time.Time
	Deleted    bool
}

// Call carries one call to the store. It decides when the effect comes to be
// and what the caller is told: it may call effect at any time, also after it
// has returned an error, again, or not at all. The name says what is asked of
// the store and is the same whenever the same is asked.
type Call func(ctx context.Context, name string, effect func() error) error

// Store is a store in memory, or one way to it. It is safe for concurrent use.
type Store struct {
	*state
	call Call
}

var _ store.Store = (*Store)(nil)

// state is what is stored. Its maps are read in no order that an answer may
// show.
type state struct {
	opts   Options
	signer *store.Signer

	mu          sync.Mutex
	accounts    table[qrie.Account]
	stamp       int64              // of the accounts
	launches    table[qrie.Launch] // by policy
	generation  int64
	resources   map[string]resource // by id
	findings    map[string]finding  // by id
	history     []transition        // by Seq
	historyIDs  map[string]bool     // of history
	seq         int64               // the last one given
	daysTrimmed string              // transitions up to the end of this day may be gone
	counters    map[store.Counter]counter
	summaries   map[string]*summary
	locks       map[string]lock
	dirty       map[string]store.DirtyMark // by resource id
	revision    int64
	letters     table[store.DeadLetter]
	jobs        table[*job]
	tokens      table[store.Token]
	exceptions  table[store.Exception]
	audit       table[store.AuditEntry]
	health      table[store.AccountHealth]
	deliveries  table[store.Delivery]
}

// New makes an empty store.
func New(o Options) *Store {
	return &Store{state: &state{
		opts:       o,
		signer:     store.NewSigner([]byte("a store in memory keeps no secrets")),
		accounts:   table[qrie.Account]{what: "account"},
		launches:   table[qrie.Launch]{what: "launch of policy"},
		resources:  map[string]resource{},
		findings:   map[string]finding{},
		historyIDs: map[string]bool{},
		counters:   map[store.Counter]counter{},
		summaries:  map[string]*summary{},
		locks:      map[string]lock{},
		dirty:      map[string]store.DirtyMark{},
		letters:    table[store.DeadLetter]{what: "dead letter"},
		jobs:       table[*job]{what: "job"},
		tokens:     table[store.Token]{what: "API token"},
		exceptions: table[store.Exception]{what: "exception"},
		audit:      table[store.AuditEntry]{what: "audit entry"},
		health:     table[store.AccountHealth]{what: "health of account"},
		deliveries: table[store.Delivery]{what: "delivery"},
	}}
}

// Through is another way to the same store, on which every call is carried by
// call: that of one process, for which the way may be long or end.
func (s *Store) Through(call Call) *Store { return &Store{state: s.state, call: call} }

// do has an effect, in one step.
func (s *Store) do(ctx context.Context, name string, effect func() error) error {
	step := func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return effect()
	}
	if s.call != nil {
		return s.call(ctx, name, step)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return step()
}

// ask does what has an answer. After an error nobody reads the answer: the
// effect may still be to come.
func ask[T any](ctx context.Context, s *Store, name string, effect func() (T, error)) (T, error) {
	var answer, none T
	err := s.do(ctx, name, func() (err error) {
		answer, err = effect()
		return err
	})
	if err != nil {
		return none, err
	}
	return answer, nil
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, "Ping", func() error { return nil })
}

// Close implements store.Store. What is stored stays, for those who share it.
func (s *Store) Close() error { return nil }
