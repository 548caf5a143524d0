package sim

import (
	"slices"
	"time"
)

// move is one thing that an actor can do, with the calls it takes.
type move struct {
	id, title string
	kind      kind
	bad       bool
	policy    string   // the policy whose finding it opens or resolves; empty if none
	undo      string   // the move that mends what a bad one broke
	weight    int      // how often it is done, beside the others; 0: never unasked
	birth     bool     // it makes a new thing and needs none
	shown     bool     // a person may ask for it
	load      bool     // changes one thing by one call: fit for making load
	by        []caller // who does it
	// able says why the move is of no use on a thing; empty if it can be done.
	able func(w *World, t *thing) string
	// best prefers some of the things on which the move can be done; nil: none.
	best func(w *World, t *thing) bool
	// do makes the calls and changes the world. A birth gets a nil thing and
	// returns the new one.
	do func(s *scene, t *thing) *thing
}

// caller chooses who makes a move in an account.
type caller func(w *World, a *account) actor

// Who does what. Listing one twice makes it twice as likely.
var (
	byPeople    = []caller{(*World).person}
	byMany      = []caller{(*World).person, (*World).person, (*World).iamUser, (*World).pipeline, (*World).formation}
	byPipelines = []caller{(*World).pipeline, (*World).pipeline, (*World).terraformer, (*World).formation}
	byMenders   = []caller{(*World).person, (*World).pipeline, (*World).terraformer, (*World).lambda}
	byRoot      = []caller{(*World).root}
	byScaling   = []caller{(*World).scaling, (*World).scaling, (*World).terraformer}
)

// moves are all of them, in a fixed order.
var moves = slices.Concat(bucketMoves, accountMoves, userMoves, policyMoves, groupMoves, instanceMoves, volumeMoves, databaseMoves)

func moveByID(id string) *move {
	for _, m := range moves {
		if m.id == id {
			return m
		}
	}
	return nil
}

// scene is one move being made: its calls, in order.
type scene struct {
	w       *World
	who     actor
	account *account
	at      time.Time
	events  []event
	touched []*thing // what changed
	repeat  bool     // the calls set what is set already: nothing changes
}

// call records one call. The calls of a scene follow one another closely.
func (s *scene) call(c call) {
	at := s.at.Add(time.Duration(len(s.events)) * 350 * time.Millisecond)
	s.events = append(s.events, s.w.record(s.who, &c, at))
}

func (s *scene) set(t *thing, next state) {
	if s.repeat {
		return
	}
	s.w.set(t, next, s.at)
	s.touched = append(s.touched, t)
}

func (s *scene) remove(t *thing) {
	s.w.remove(t, s.at)
	s.touched = append(s.touched, t)
}

// made notes a thing that the scene added and that somebody may delete later.
func (s *scene) made(t *thing) *thing {
	t.passing = true
	if list := s.w.passing[t.kind]; len(list) < mostPassing {
		s.w.passing[t.kind] = append(list, t)
	}
	s.touched = append(s.touched, t)
	return t
}

// now is the moment of the scene as documents have it.
func (s *scene) now() time.Time { return s.at.UTC().Truncate(time.Second) }

// play makes a move. The thing is nil for a birth.
func (w *World) play(m *move, t *thing, who actor, at time.Time) (*scene, *thing) {
	s := &scene{w: w, who: who, account: who.account, at: at}
	return s, m.do(s, t)
}

// able makes the condition of a move out of one on the state of a thing.
func able[S state](reason func(w *World, t *thing, s S) string) func(*World, *thing) string {
	return func(w *World, t *thing) string {
		s, ok := t.now.(S)
		if !ok {
			return "it does not exist any more"
		}
		return reason(w, t, s)
	}
}

// change makes the doing of a move out of one that returns the next state.
func change[S state](next func(s *scene, t *thing, old S) S) func(*scene, *thing) *thing {
	return func(s *scene, t *thing) *thing {
		s.set(t, next(s, t, t.now.(S)))
		return t
	}
}

// unless gives the reason if the condition holds.
func unless(condition bool, reason string) string {
	if condition {
		return reason
	}
	return ""
}

// chance finds a thing on which a move can be done by so many looks at
// random, and one that the move likes best if it meets any; nil if it meets
// none.
func (w *World) chance(m *move, looks int) *thing {
	all := w.byKind[m.kind]
	if len(all) == 0 {
		return nil
	}
	var second *thing
	for range looks {
		t := pick(w.rng, all)
		if m.able(w, t) != "" {
			continue
		}
		if m.best == nil || m.best(w, t) {
			return t
		}
		second = t
	}
	return second
}

// candidate looks at everything, from a random place on, for a thing on which
// a move can be done, and takes the first that the move likes best if there is
// any; nil if it can be done nowhere.
func (w *World) candidate(m *move, keep func(*thing) bool) *thing {
	all := w.byKind[m.kind]
	if len(all) == 0 {
		return nil
	}
	var second *thing
	from := w.rng.IntN(len(all))
	for i := range min(len(all), sweepAtMost) {
		t := all[(from+i)%len(all)]
		if keep != nil && !keep(t) || m.able(w, t) != "" {
			continue
		}
		if m.best == nil || m.best(w, t) {
			return t
		}
		if second == nil {
			second = t
		}
	}
	return second
}

// sweepAtMost bounds the search: a large world has a fitting thing nearby.
const sweepAtMost = 5000
