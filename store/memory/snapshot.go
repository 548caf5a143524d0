package memory

import (
	"maps"
	"slices"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Snapshot is what is stored of the world at one moment.
type Snapshot struct {
	Resources   []store.Resource        // with documents, tombstones among them, in the order of their list
	Findings    []qrie.Finding          // with evidence, in the order of their list
	Transitions []qrie.Transition       // the whole history, by Seq
	Counters    map[store.Counter]int64 // without those that are zero
	Counted     map[store.Counter]int64 // what the counters must be, counted anew
}

// Snapshot looks from behind: no Call carries it.
func (s *Store) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Snapshot{Counters: map[store.Counter]int64{}, Counted: s.recount()}
	for _, r := range s.resources {
		out.Resources = append(out.Resources, cloneResource(r.Resource))
	}
	for _, f := range s.findings {
		out.Findings = append(out.Findings, s.joined(f))
	}
	for _, t := range s.history {
		out.Transitions = append(out.Transitions, cloneTransition(t.Transition))
	}
	for key, c := range s.counters {
		if c.n != 0 {
			out.Counters[key] = c.n
		}
	}
	maps.DeleteFunc(out.Counted, func(_ store.Counter, n int64) bool { return n == 0 })
	slices.SortFunc(out.Resources, by(placeOfResource))
	slices.SortFunc(out.Findings, by(placeOfFinding))
	return out
}
