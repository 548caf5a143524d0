package processor

import "sync/atomic"

// hands bound how many jobs of a worker do something themselves at a time: they read,
// judge and write. A job that waits for AWS needs none. Where the store is what
// everybody waits for, more hands would only make each job wait longer for it, and
// what has begun to be looked at shares its look with nothing that comes meanwhile.
//
// They are safe for concurrent use.
type hands struct {
	taken chan struct{}
	over  atomic.Int64 // jobs back from AWS that are at work without having taken any
}

func newHands(n int) *hands { return &hands{taken: make(chan struct{}, n)} }

// release gives back what a job has.
func (h *hands) release() {
	for {
		n := h.over.Load()
		if n == 0 {
			<-h.taken
			return
		}
		if h.over.CompareAndSwap(n, n-1) {
			return
		}
	}
}

// without runs f, which waits for AWS, for a job that gives back what it has and
// takes it again. It does not wait for that: what was read should be written soon,
// and it is new jobs that must wait.
func (h *hands) without(f func()) {
	h.release()
	defer func() {
		select {
		case h.taken <- struct{}{}:
		default:
			h.over.Add(1)
		}
	}()
	f()
}
