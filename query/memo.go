package query

import (
	"context"
	"time"
)

// memo keeps a value that is dear to compute for a short while. One caller
// computes it while the others wait. It is safe for concurrent use.
type memo[T any] struct {
	load func(context.Context) (T, error)
	age  time.Duration
	now  func() time.Time

	turn   chan struct{} // holds one token: a mutex that a context can leave
	value  T
	read   time.Time
	loaded bool
}

func newMemo[T any](now func() time.Time, age time.Duration, load func(context.Context) (T, error)) *memo[T] {
	return &memo[T]{load: load, age: age, now: now, turn: make(chan struct{}, 1)}
}

// get returns the value, at most age old. A failure is not kept.
func (m *memo[T]) get(ctx context.Context) (T, error) {
	var none T
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	defer func() { <-m.turn }()
	if m.loaded && m.now().Sub(m.read) < m.age {
		return m.value, nil
	}
	value, err := m.load(ctx)
	if err != nil {
		return none, err
	}
	m.value, m.read, m.loaded = value, m.now(), true
	return value, nil
}
