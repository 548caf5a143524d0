package simulation

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	storememory "github.com/qrie-sec/qrie/store/memory"
)

// watch sees every step of the store, the log and AWS, and holds it against what
// must be at every moment. It is safe for concurrent use.
type watch struct {
	r *run

	mu        sync.Mutex
	mistakes  []string
	resources map[string]storememory.Written // what is stored, by key
	answers   map[answer]bool                // whether AWS said that there is no such resource
	gone      map[string]time.Time           // the newest look that found none, by key
	always    map[string]bool                // accounts that are watched from the beginning on; of one that comes later a scan tells
	left      map[string]bool                // accounts that are no longer watched
	readers   map[string]string              // whom AWS answered last, by key
	waiting   map[string][]chan struct{}     // closed by the next answer, by key
	order     []string                       // keys of what is stored, by the first writing
	panicking string                         // key of the resource that cannot be read without a panic
	journal
}

// answer is a look at a resource that AWS answered.
type answer struct {
	key string
	at  int64 // in nanoseconds
}

func newWatch(r *run) *watch {
	return &watch{r: r, resources: map[string]storememory.Written{}, answers: map[answer]bool{}, gone: map[string]time.Time{},
		always: map[string]bool{}, left: map[string]bool{}, readers: map[string]string{}, waiting: map[string][]chan struct{}{}, journal: newJournal()}
}

// wrong notes what must not be.
func (w *watch) wrong(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(format, args...)
}

func (w *watch) note(format string, args ...any) {
	text := w.r.now().UTC().Format("15:04:05.000000000 ") + fmt.Sprintf(format, args...)
	w.mistakes = append(w.mistakes, text)
	w.r.trace.note(w.r.now(), "WRONG: "+format, args...)
}

func (w *watch) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.mistakes)
}

// removed notes that an account is no longer watched.
func (w *watch) removed(account string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left[account] = true
	delete(w.always, account)
}

// added notes that an account is watched, perhaps again.
func (w *watch) added(account string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.left, account)
}

// answered notes what AWS said.
func (w *watch) answered(machine string, obs qrie.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := obs.Ref.Key()
	w.answers[answer{key, obs.ObservedAt.UnixNano()}] = obs.Deleted
	w.readers[key] = machine
	for _, c := range w.waiting[key] {
		close(c)
	}
	delete(w.waiting, key)
	if obs.Deleted && obs.ObservedAt.After(w.gone[key]) {
		w.gone[key] = obs.ObservedAt
	}
}

// wrote holds a write of a resource against the last one, and against what AWS
// said.
func (w *watch) wrote(now storememory.Written) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := now.Ref.Key()
	last, known := w.resources[key]
	if !known {
		w.order = append(w.order, key)
	}
	w.resources[key] = now
	if now.ObservedAt.Before(last.ObservedAt) {
		w.note("%s goes back in time, from %s to %s", key, last.ObservedAt, now.ObservedAt)
	}
	if now.Version != last.Version+1 {
		w.note("%s goes from version %d to %d", key, last.Version, now.Version)
	}
	if now.Deleted && w.left[now.Ref.Account] || now.Deleted == last.Deleted && now.ObservedAt.Equal(last.ObservedAt) {
		return // closed with its account, or judged anew as it is stored
	}
	if gone, ok := w.answers[answer{key, now.ObservedAt.UnixNano()}]; !ok || gone != now.Deleted {
		w.note("%s is stored as observed at %s (deleted: %v), which AWS did not say", key, now.ObservedAt, now.Deleted)
	}
}
