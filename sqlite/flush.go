package sqlite

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// flusher brings groups that are committed to the disk while the next one runs:
// waiting for the disk would otherwise be half of the writer's time.
//
// SQLite itself syncs the log before it copies pages from it and before it
// begins it anew (synchronous NORMAL); in between, a sync of the log's file by
// anybody makes every commit before it durable.
type flusher struct {
	log    *os.File
	free   chan struct{} // holds a token while nothing is flushed
	groups chan *group   // of whoever took the token
	broken atomic.Pointer[error]
}

func newFlusher(log *os.File) *flusher {
	f := &flusher{log: log, free: make(chan struct{}, 1), groups: make(chan *group, 1)}
	f.free <- struct{}{}
	return f
}

// run flushes groups until groups is closed. Their callers are answered beside the
// next flush.
func (f *flusher) run() {
	flushed := make(chan *group, 1)
	var answering sync.WaitGroup
	answering.Go(func() {
		for g := range flushed {
			g.answer()
		}
	})
	for g := range f.groups {
		if g.err == nil {
			g.err = f.sync()
		}
		f.free <- struct{}{}
		flushed <- g
	}
	close(flushed)
	answering.Wait()
}

// sync brings the log to the disk. After an error nobody knows what of it the
// disk has, and asking again would report success without it: only reading the
// file anew tells.
func (f *flusher) sync() error {
	if err := f.failed(); err != nil {
		return err
	}
	if err := f.log.Sync(); err != nil {
		err = fmt.Errorf("the disk did not take what was written; see to the disk, then start again, and what was acknowledged before is there: %w", err)
		f.broken.Store(&err)
		return err
	}
	return nil
}

func (f *flusher) failed() error {
	if err := f.broken.Load(); err != nil {
		return *err
	}
	return nil
}
