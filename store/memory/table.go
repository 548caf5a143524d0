package memory

import (
	"fmt"
	"slices"

	"github.com/qrie-sec/qrie"
)

// table keeps values of a sort in the order of their ids.
type table[V any] struct {
	what   string // for people
	ids    []string
	values []V
}

func (t *table[V]) get(id string) (v V, err error) {
	at, ok := slices.BinarySearch(t.ids, id)
	if !ok {
		return v, fmt.Errorf("%s %s: %w", t.what, id, qrie.ErrNotFound)
	}
	return t.values[at], nil
}

func (t *table[V]) has(id string) bool {
	_, ok := slices.BinarySearch(t.ids, id)
	return ok
}

func (t *table[V]) put(id string, v V) {
	at, ok := slices.BinarySearch(t.ids, id)
	if !ok {
		var none V
		t.ids, t.values = slices.Insert(t.ids, at, id), slices.Insert(t.values, at, none)
	}
	t.values[at] = v
}

func (t *table[V]) remove(id string) error {
	at, ok := slices.BinarySearch(t.ids, id)
	if !ok {
		return fmt.Errorf("%s %s: %w", t.what, id, qrie.ErrNotFound)
	}
	t.ids, t.values = slices.Delete(t.ids, at, at+1), slices.Delete(t.values, at, at+1)
	return nil
}

// trim removes what meets a condition and counts it.
func (t *table[V]) trim(gone func(V) bool) (n int) {
	for i := len(t.ids) - 1; i >= 0; i-- {
		if gone(t.values[i]) {
			_ = t.remove(t.ids[i]) // it is there
			n++
		}
	}
	return n
}
