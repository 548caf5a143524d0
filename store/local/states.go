package local

import (
	"sync"
	"time"
	"unique"
)

// statesKept is how many rows each of two generations of states holds, of some
// 650 bytes each, and statesAge for how long rows are added to one.
const (
	statesKept = 65536
	statesAge  = time.Minute
)

// states are rows of resources as this process has read or written them last. A
// resource that has changed is soon looked at again: events come in bursts, and
// AWS's answers settle late.
//
// A row may be older than what another process has written. Whoever decides by it
// writes on the condition of its version and of its plan's number, and learns of the
// conflict; then the row is forgotten or read again. Rows are not changed once they are
// here. Tombstones are not kept: one may be trimmed at any time, and a new resource
// count its versions anew.
type states struct {
	now func() time.Time

	mu         sync.Mutex
	fresh, old map[string]*stateRow // by rid
	since      time.Time            // when fresh was begun
}

// get gives a row, or nil.
func (s *states) get(rid []byte) *stateRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(rid)
}

// read keeps a row that was read, unless there is a later one.
func (s *states) read(rid []byte, row *stateRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(rid, row)
}

// applied keeps the row that an evaluation has written. If it has written none, the
// row that it rested on is forgotten.
func (s *states) applied(c *change, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || c.row == nil {
		s.drop(c.rid)
		return
	}
	s.keep(c.rid, c.row)
}

// taken is told that a planned look was removed.
func (s *states) taken(rid []byte, revision int64) {
	_, n := ofAgain(revision)
	s.mu.Lock()
	defer s.mu.Unlock()
	if row := s.find(rid); row != nil && row.again.at > 0 && row.again.n&againMask == n {
		next := *row
		next.again = again{n: row.again.n + 1}
		s.keep(rid, &next)
	}
}

func (s *states) forget(rid []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(rid)
}

// find, keep and drop are called with the lock held. find begins a new generation
// once the last one is full or old, and with it drops the one before.
func (s *states) find(rid []byte) *stateRow {
	if now := s.now(); s.fresh == nil || len(s.fresh) >= statesKept || now.Sub(s.since) >= statesAge {
		s.old, s.fresh, s.since = s.fresh, map[string]*stateRow{}, now
	}
	if row := s.fresh[string(rid)]; row != nil {
		return row
	}
	return s.old[string(rid)]
}

// keep keeps a row, unless there is a later one. What was read and what an event
// names come with texts of their own, of which there are few.
func (s *states) keep(rid []byte, row *stateRow) {
	if known := s.find(rid); known != nil && known.later(row) {
		return
	}
	if row.deleted {
		s.drop(rid)
		return
	}
	for _, text := range []*string{&row.kind, &row.account, &row.region} {
		*text = unique.Make(*text).Value()
	}
	s.fresh[string(rid)] = row
}

// later reports whether a row was written after another.
func (r *stateRow) later(other *stateRow) bool {
	return r.version > other.version || r.version == other.version && r.again.n > other.again.n
}

func (s *states) drop(rid []byte) {
	delete(s.fresh, string(rid))
	delete(s.old, string(rid))
}

// follow makes of a row what a change leaves, but for its history and its plan.
func (r *stateRow) follow(c *change) {
	r.version, r.generation, r.hash, r.heads = c.Base+1, c.Next.Generation, c.Next.Hash, c.heads
	r.listedAt, r.dueAt = max(r.listedAt, nanos(c.Next.ListedAt)), nanos(c.Next.DueAt)
	if !c.Reread {
		r.observedAt = nanos(c.Next.ObservedAt)
	}
	if r.n == 0 {
		r.firstSeen = nanos(c.Next.FirstSeen)
	}
	if c.detail == nil {
		return
	}
	if c.Changed {
		r.changedAt = nanos(c.Next.ChangedAt)
	}
	r.deleted, r.region, r.detail, r.open = c.Next.Deleted, c.Next.Ref.Region, c.detail, c.open
}
