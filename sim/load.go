package sim

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
func (w *World) Load(n int) []Delivery { return w.load(n, w.drawBusy) }

// LoadIn is Load of the things of one account alone.
func (w *World) LoadIn(account string, n int) []Delivery {
	return w.load(n, func() *thing { return w.drawIn(account) })
}

// load changes things that draw gives, which may be none.
func (w *World) load(n int, draw func() *thing) []Delivery {
	out := make([]Delivery, 0, n+eventsPerThing)
	for tries := 0; len(out) < n && tries < 10*n+100; tries++ {
		out = append(out, w.loadOne(draw)...)
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

func (w *World) drawIn(account string) *thing {
	var things []*thing
	for k := range kinds {
		for _, t := range w.byKind[k] {
			if t.account.ID == account && len(loadMoves[k]) > 0 {
				things = append(things, t)
			}
		}
	}
	if len(things) == 0 {
		return nil
	}
	return pick(w.rng, things)
}

// loadOne changes a thing by some calls, if it can be changed.
func (w *World) loadOne(draw func() *thing) []Delivery {
	now := w.clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	t := draw()
	if t == nil {
		return nil
	}
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
