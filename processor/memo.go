package processor

import (
	"bytes"
	"hash/maphash"
	"sync"
)

// memo keeps marks that this worker has published until it reads them from the
// stream, mostly a moment later and mostly itself: finding them by their bytes
// takes a tenth of the time of decoding those. It is no part of what a mark
// means: one that is forgotten is decoded. It is safe for concurrent use.
type memo struct {
	mu         sync.Mutex
	old, fresh map[uint64]published // by the hash of the record
	bytes      int                  // of the records that came to fresh
}

// published is a record and the marks that it holds.
type published struct {
	record []byte
	marks  []touched
}

// memoSeed is of this process, so that nobody can have made records of one hash.
var memoSeed = maphash.MakeSeed()

// memoBytes bounds the records of each of the two halves of a memo.
const memoBytes = 8 << 20

// keep remembers what a record holds. Neither may be changed any more.
func (m *memo) keep(record []byte, marks []touched) {
	hash := maphash.Bytes(memoSeed, record)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fresh == nil || m.bytes+len(record) > memoBytes {
		m.old, m.fresh, m.bytes = m.fresh, map[uint64]published{}, 0
	}
	m.fresh[hash] = published{record, marks}
	m.bytes += len(record)
}

// take gives what a record holds, once.
func (m *memo) take(record []byte) (marks []touched, ok bool) {
	hash := maphash.Bytes(memoSeed, record)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, half := range []map[uint64]published{m.fresh, m.old} {
		if p, ok := half[hash]; ok && bytes.Equal(p.record, record) {
			delete(half, hash)
			return p.marks, true
		}
	}
	return nil, false
}
