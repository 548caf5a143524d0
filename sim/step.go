package sim

import (
	"time"
)

// undo is something broken that somebody is going to mend.
type undo struct {
	t  *thing
	by *move
}

// How a step divides among noise, mending, deleting and everything else.
// Mending and deleting grow with what there is to do, so that a world that
// runs for long stays about as good, and as large, as it began.
const (
	noiseShare  = 0.28
	mendEach    = 0.03 // for each thing that is broken
	mendAtMost  = 0.5
	mendsAtAll  = 0.97 // of what is broken; the rest is forgotten, as it is in life
	mostBroken  = 200  // remembered at one time
	mendLooks   = 1    // at random, by whoever mends unasked
	breakLooks  = 64   // by whoever changes anything else
	movesATurn  = 12   // moves tried before a step gives up and makes noise
	tidyAtMost  = 0.5
	mostPassing = 1000 // things of one kind remembered for deletion
	roomToGrow  = 0.08 // of the world, for things that will be deleted
)

// Step lets one actor do one thing: the world changes, and the CloudTrail
// events of it are returned with the times at which they arrive. Some steps
// change nothing and only make noise, and where events are lost a step may
// return none.
func (w *World) Step(now time.Time) []Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.step(now)
	return w.deliver(s.events)
}

func (w *World) step(now time.Time) *scene {
	w.forget(now)
	if !often(w.rng, noiseShare) {
		if s := w.act(now); s != nil {
			return s
		}
	}
	return w.noise(now)
}

// act makes one change; nil if none was found that could be made.
func (w *World) act(now time.Time) *scene {
	if often(w.rng, min(mendEach*float64(len(w.broken)), mendAtMost)) {
		if s := w.mend(now); s != nil {
			return s
		}
	}
	if often(w.rng, tidyAtMost*float64(w.passingNow())/w.room()) {
		if s := w.tidy(now); s != nil {
			return s
		}
	}
	for range movesATurn {
		if s := w.try(w.drawMove(), now); s != nil {
			return s
		}
	}
	return nil
}

// mend undoes something broken, not always the oldest; nil if what was drawn
// is well again or gone.
func (w *World) mend(now time.Time) *scene {
	i := w.rng.IntN(len(w.broken))
	u := w.broken[i]
	w.broken = append(w.broken[:i], w.broken[i+1:]...)
	if u.by.able(w, u.t) != "" {
		return nil
	}
	s, _ := w.play(u.by, u.t, w.actorFor(u.by, u.t.account), now)
	return s
}

// deletes are the moves that delete a thing of each kind.
var deletes = func() (byKind [kinds]*move) {
	for k, id := range map[kind]string{
		kindBucket: "bucket-delete", kindUser: "user-delete", kindPolicy: "policy-delete", kindInstance: "instance-terminate",
		kindVolume: "volume-delete", kindGroup: "group-delete", kindDatabase: "database-delete",
	} {
		byKind[k] = moveByID(id)
	}
	return byKind
}()

// passingNow counts the things that actors made and may delete.
func (w *World) passingNow() int {
	n := 0
	for _, list := range w.passing {
		n += len(list)
	}
	return n
}

// room is how many such things the world has room for.
func (w *World) room() float64 { return 20 + roomToGrow*float64(len(w.things)) }

// tidy deletes one of the things that actors made; nil if the one that was
// drawn cannot be deleted now.
func (w *World) tidy(now time.Time) *scene {
	n := w.passingNow()
	if n == 0 {
		return nil
	}
	n = w.rng.IntN(n)
	var k kind
	for n >= len(w.passing[k]) {
		n -= len(w.passing[k])
		k++
	}
	list := w.passing[k]
	i := w.rng.IntN(len(list))
	t := list[i]
	m := deletes[k]
	if t.now != nil && m.able(w, t) != "" {
		return nil
	}
	list[i] = list[len(list)-1]
	w.passing[k] = list[:len(list)-1]
	if t.now == nil {
		return nil
	}
	s, _ := w.play(m, t, w.actorFor(m, t.account), now)
	return s
}

// totalWeight is the sum of the weights of all moves.
var totalWeight = func() (sum int) {
	for _, m := range moves {
		sum += m.weight
	}
	return sum
}()

func (w *World) drawMove() *move {
	n := w.rng.IntN(totalWeight)
	for _, m := range moves {
		if n -= m.weight; n < 0 {
			return m
		}
	}
	panic("BUG: the weights of the moves do not add up")
}

// try makes a move somewhere; nil if there is no place for it.
func (w *World) try(m *move, now time.Time) *scene {
	var t *thing
	a := pick(w.rng, w.accounts)
	switch looks := breakLooks; {
	case m.birth && float64(w.passingNow()) > w.room():
		return nil
	case m.birth:
	default:
		if m.policy != "" && !m.bad {
			looks = mendLooks
		}
		if t = w.chance(m, looks); t == nil {
			return nil
		}
		a = t.account
	}
	s, made := w.play(m, t, w.actorFor(m, a), now)
	w.remember(m, made)
	return s
}

// remember notes what is broken, so that it is mended some day.
func (w *World) remember(m *move, t *thing) {
	if m.undo == "" || m.policy != "" && !often(w.rng, mendsAtAll) {
		return
	}
	if len(w.broken) >= mostBroken {
		w.broken = append(w.broken[:0], w.broken[1:]...)
	}
	w.broken = append(w.broken, undo{t, moveByID(m.undo)})
}

func (w *World) actorFor(m *move, a *account) actor { return pick(w.rng, m.by)(w, a) }
