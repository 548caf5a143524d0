package sim

// loadMoves are the moves that make load, by kind; quietMoves are those of them
// that open and resolve no finding.
var loadMoves, quietMoves = func() (all, quiet [kinds][]*move) {
	for _, m := range moves {
		if !m.load {
			continue
		}
		all[m.kind] = append(all[m.kind], m)
		if m.policy == "" {
			quiet[m.kind] = append(quiet[m.kind], m)
		}
	}
	return all, quiet
}()

// Of the things that Load takes, so many percent are given what they have
// already, and so many may come to open or resolve a finding: with them three
// in five describes find another document, and one in twenty leads to a
// transition, which is what a large organisation is taken to do.
const (
	loadRepeats  = 33
	loadFindings = 22
)

// eventsPerThing is how many events Load makes of a thing before it goes on
// to another: a change is seldom one call.
const eventsPerThing = 3

// Load makes n deliveries for a benchmark: random resources are changed, each
// by about three calls, with the faults of delivery applied. It is cheaper
// than Step, for it looks for nothing: every change is one that any resource
// of the kind can take. The world changes with it, and the oracle still holds.
func (w *World) Load(n int) []Delivery {
	return w.load(n, func() (t *thing, list []*move, repeat bool) {
		if t = w.drawBusy(); t == nil {
			return nil, nil, false
		}
		roll := w.rng.IntN(100)
		if roll < loadFindings {
			return t, loadMoves[t.kind], false
		}
		return t, quietMoves[t.kind], roll >= 100-loadRepeats
	})
}

// LoadIn is the load of a storm: things of one account, each of which changes
// in any way.
func (w *World) LoadIn(account string, n int) []Delivery {
	things := w.busyIn(account)
	if len(things) == 0 {
		return nil
	}
	return w.load(n, func() (*thing, []*move, bool) {
		t := pick(w.rng, things)
		return t, loadMoves[t.kind], false
	})
}

// load changes things, each by one of a list of moves that any thing of its kind
// can take, or lets these repeat what is so already. choose is called with the
// lock of the world; it may give nothing.
func (w *World) load(n int, choose func() (t *thing, list []*move, repeat bool)) []Delivery {
	out := make([]Delivery, 0, n+eventsPerThing)
	for tries := 0; len(out) < n && tries < 10*n+100; tries++ {
		out = append(out, w.loadOne(choose)...)
	}
	return out[:min(n, len(out))]
}

// drawBusy draws among all things, or those that are busy.
func (w *World) drawBusy() *thing {
	k, total := w.loadKind()
	things := w.byKind[k]
	if w.busy > 0 {
		things = things[:min(len(things), 1+len(things)*w.busy/total)]
	}
	if len(loadMoves[k]) == 0 || len(things) == 0 {
		return nil
	}
	return pick(w.rng, things)
}

// busyIn are the things of an account that load can change.
func (w *World) busyIn(account string) (things []*thing) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for k := range kinds {
		for _, t := range w.byKind[k] {
			if t.account.ID == account && len(loadMoves[k]) > 0 {
				things = append(things, t)
			}
		}
	}
	return things
}

// loadOne changes a thing by some calls, if it can be changed.
func (w *World) loadOne(choose func() (*thing, []*move, bool)) []Delivery {
	now := w.clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	t, list, repeat := choose()
	if t == nil || len(list) == 0 {
		return nil
	}
	s := &scene{w: w, account: t.account, at: now, repeat: repeat}
	for range eventsPerThing {
		first := w.rng.IntN(len(list))
		for i := range list {
			m := list[(first+i)%len(list)]
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
