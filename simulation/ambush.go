package simulation

import (
	"context"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/stream"
)

// ambush makes an instance and, once it is stored, waits for somebody to read
// it. Just then it is terminated, and who has read it stands still for long: what
// he has in hand is a late snapshot of what is gone.
func (r *run) ambush(d doing) {
	publish := func(_ context.Context, account string, data []byte) error {
		// The event comes a little later than the change, as events do.
		time.Sleep(time.Duration(d.n%uint64(2*time.Second)) + time.Millisecond)
		r.publish(stream.Record{Key: account, Data: data})
		return nil
	}
	made, err := r.change("instance-launch-unencrypted", "", publish)
	if err != nil {
		return // there is no account where qrie sees it
	}
	key := made.Ref.Key()
	if !r.watch.await(key, 2*time.Minute, func() bool { return r.watch.isStored(key) }) {
		return
	}
	reader := ""
	if !r.watch.await(key, 2*time.Minute, func() bool { reader = r.watch.readerOf(key); return true }) {
		return
	}
	r.trace.note(r.now(), "ambush of %s, which has read %s", reader, key)
	// Before the reader writes: a call takes a millisecond at the least.
	time.Sleep(time.Microsecond)
	r.fleet.pause(reader, d.long)
	_, _ = r.change("instance-terminate", made.ARN, publish) // or somebody else did
}

// panics lets the reading of one of the resources panic for a while.
func (r *run) panics(d doing) {
	key := r.watch.someResource(d.n)
	if key == "" {
		return
	}
	r.blind = true // a mark that makes the worker panic is buried
	r.trace.note(r.now(), "reading %s panics for %s", key, d.long)
	r.watch.setPanic(key)
	time.AfterFunc(d.long, func() { r.watch.setPanic("") })
}

// oneShard is one of the shards, in whatever state.
func (r *run) oneShard(n uint64) string {
	shards, err := r.bus.Shards(r.ctx)
	if err != nil {
		r.watch.wrong("the log does not tell its shards: %v", err)
		return ""
	}
	return shards[n%uint64(len(shards))].ID
}

// merge merges two shards that lie next to each other, if there are any.
func (r *run) merge(n uint64) {
	shards, err := r.bus.Shards(r.ctx)
	if err != nil {
		r.watch.wrong("the log does not tell its shards: %v", err)
	}
	for i := range shards {
		a := shards[(uint64(i)+n)%uint64(len(shards))]
		for _, b := range shards {
			if a.ID != b.ID && r.log.Merge(a.ID, b.ID) == nil {
				return
			}
		}
	}
}

// await waits for the next answer about a resource after which a condition
// holds, and reports false if none comes in time.
func (w *watch) await(key string, long time.Duration, holds func() bool) bool {
	for until := w.r.now().Add(long); ; {
		c := make(chan struct{})
		w.mu.Lock()
		w.waiting[key] = append(w.waiting[key], c)
		w.mu.Unlock()
		timer := time.NewTimer(until.Sub(w.r.now()))
		select {
		case <-c:
			timer.Stop()
		case <-timer.C:
			return false
		}
		if holds() {
			return true
		}
	}
}

func (w *watch) isStored(key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.resources[key]
	return ok && !r.Deleted
}

// readerOf is the machine to which AWS answered last about a resource.
func (w *watch) readerOf(key string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readers[key]
}

// someResource is one of those that are stored, by the time of their first
// writing; empty if none is.
func (w *watch) someResource(n uint64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 {
		return ""
	}
	return w.order[n%uint64(len(w.order))]
}

func (w *watch) setPanic(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.panicking = key
}

// mayPanic panics if reading a resource is to.
func (w *watch) mayPanic(ref qrie.Ref) {
	w.mu.Lock()
	panicking := w.panicking == ref.Key()
	w.mu.Unlock()
	if panicking {
		panic("the simulation panics when it reads " + ref.Key())
	}
}
