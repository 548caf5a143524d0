package processor

import "sync"

// memo keeps marks that this worker has published until it reads them from the
// stream, mostly a moment later and mostly itself: finding them by their bytes
// takes a tenth of the time of decoding those. It is no part of what a mark
// means: one that is forgotten is decoded. It is safe for concurrent use.
type memo struct {
	mu         sync.Mutex
	old, fresh map[string][]touched // by the record that holds them
	bytes      int                  // of the records that came to fresh
}

// memoBytes bounds the records of each of the two halves of a memo.
const memoBytes = 8 << 20

// keep remembers what a record holds. Neither may be changed any more.
func (m *memo) keep(record []byte, marks []touched) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fresh == nil || m.bytes+len(record) > memoBytes {
		m.old, m.fresh, m.bytes = m.fresh, map[string][]touched{}, 0
	}
	m.fresh[string(record)] = marks
	m.bytes += len(record)
}

// take gives what a record holds, once.
func (m *memo) take(record []byte) (marks []touched, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, half := range []map[string][]touched{m.fresh, m.old} {
		if marks, ok = half[string(record)]; ok {
			delete(half, string(record))
			return marks, true
		}
	}
	return nil, false
}
