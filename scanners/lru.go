package scanners

import (
	"container/list"
	"sync"
)

// lru keeps the most recently used values, at most max of them. It is safe for
// concurrent use.
type lru[K comparable, V any] struct {
	mu    sync.Mutex
	max   int
	order *list.List // of pair, the most recently used first
	items map[K]*list.Element
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](max int) *lru[K, V] {
	return &lru[K, V]{max: max, order: list.New(), items: map[K]*list.Element{}}
}

// get returns the value of key and makes it if it is not kept. make runs under
// the lock and must not block.
func (l *lru[K, V]) get(key K, make func() V) V {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.items[key]; ok {
		l.order.MoveToFront(e)
		return e.Value.(pair[K, V]).value
	}
	value := make()
	l.items[key] = l.order.PushFront(pair[K, V]{key, value})
	if l.order.Len() > l.max {
		oldest := l.order.Back()
		l.order.Remove(oldest)
		delete(l.items, oldest.Value.(pair[K, V]).key)
	}
	return value
}
