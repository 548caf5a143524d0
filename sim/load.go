package sim

import "time"

// loadMoves are the moves that make load, by kind.
var loadMoves = func() (byKind [kinds][]*move) {
	for _, m := range moves {
		if m.load {
			byKind[m.kind] = append(byKind[m.kind], m)
		}
	}
	return byKind
}()

// eventsPerThing is how many events Load makes of a thing before it goes on
// to another: a change is seldom one call.
const eventsPerThing = 3

// Load makes n deliveries for a benchmark: random resources are changed, each
// by about three calls, with the faults of delivery applied. It is cheaper
// than Step, for it looks for nothing: every change is one that any resource
// of the kind can take. The world changes with it, and the oracle still holds.
func (w *World) Load(n int) []Delivery {
	out := make([]Delivery, 0, n+eventsPerThing)
	for tries := 0; len(out) < n && tries < 10*n+100; tries++ {
		out = append(out, w.loadOne()...)
	}
	return out[:min(n, len(out))]
}

// LoadIn is Load of the things of one account alone.
func (w *World) LoadIn(account string, n int) []Delivery {
	now := w.clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	var things []*thing
	for k := range kinds {
		for _, t := range w.byKind[k] {
			if t.account.ID == account && len(loadMoves[k]) > 0 {
				things = append(things, t)
			}
		}
	}
	var out []Delivery
	for tries := 0; len(things) > 0 && len(out) < n && tries < 10*n+100; tries++ {
		out = append(out, w.load(pick(w.rng, things), now)...)
	}
	return out[:min(n, len(out))]
}

func (w *World) loadOne() []Delivery {
	now := w.clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	k, total := w.loadKind()
	list, things := loadMoves[k], w.byKind[k]
	if w.busy > 0 {
		things = things[:min(len(things), 1+len(things)*w.busy/total)]
	}
	if len(list) == 0 || len(things) == 0 {
		return nil
	}
	return w.load(pick(w.rng, things), now)
}

// load changes a thing by some calls, if it can be changed.
func (w *World) load(t *thing, now time.Time) []Delivery {
	list := loadMoves[t.kind]
	s := &scene{w: w, account: t.account, at: now}
	for range eventsPerThing {
		from := w.rng.IntN(len(list))
		for i := range list {
			m := list[(from+i)%len(list)]
			if m.able(w, t) == "" {
				s.who = w.actorFor(m, t.account)
				m.do(s, t)
				break
			}
		}
	}
	return w.deliver(s.events)
}

// loadKind draws a kind as often as there are things of it, and counts all.
func (w *World) loadKind() (k kind, total int) {
	for k := range kinds {
		total += len(w.byKind[k])
	}
	n := w.rng.IntN(total)
	for k := range kinds {
		if n -= len(w.byKind[k]); n < 0 {
			return k, total
		}
	}
	return kindBucket, total
}
