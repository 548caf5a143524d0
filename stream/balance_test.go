package stream

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestStill(t *testing.T) {
	s := Sightings[string, int]{}
	start := time.Now()
	for i, step := range []struct {
		value int
		after time.Duration
		want  time.Duration
	}{
		{1, 0, 0},
		{1, time.Second, time.Second},
		{1, 3 * time.Second, 3 * time.Second},
		{2, 4 * time.Second, 0},
		{2, 5 * time.Second, time.Second},
		{1, 6 * time.Second, 0}, // back to what it was is a change too
	} {
		if got := s.Still("k", step.value, start.Add(step.after)); got != step.want {
			t.Errorf("step %d: still for %v, want %v", i, got, step.want)
		}
	}
}

func TestSurplusAndAllowed(t *testing.T) {
	f := func(name string, held map[string]int, free, shards int, wantSurplus, wantAllowed int) {
		t.Helper()
		if got := Surplus("me", held, shards); got != wantSurplus {
			t.Errorf("%s: surplus %d, want %d", name, got, wantSurplus)
		}
		if got := Allowed("me", held, free, shards); got != wantAllowed {
			t.Errorf("%s: allowed %d, want %d", name, got, wantAllowed)
		}
	}
	f("alone, all free", map[string]int{"me": 0}, 4, 4, 0, 4)
	f("alone, all held", map[string]int{"me": 4}, 0, 4, 0, 0)
	f("another came", map[string]int{"me": 4, "b": 0}, 0, 4, 2, 0)
	f("both start", map[string]int{"me": 0, "b": 0}, 4, 4, 0, 2)
	f("even", map[string]int{"me": 2, "b": 2}, 0, 4, 0, 0)
	f("odd, fuller", map[string]int{"me": 3, "b": 2}, 0, 5, 0, 0)
	f("a third is idle, fullest by name", map[string]int{"me": 2, "z": 2, "b": 0}, 0, 4, 1, 0)
	f("a third is idle, another gives", map[string]int{"me": 2, "a": 2, "b": 0}, 0, 4, 0, 0)
	f("what was given up is left to the third", map[string]int{"me": 1, "z": 2, "b": 0}, 1, 4, 0, 0)
	f("the third takes it", map[string]int{"me": 0, "z": 2, "b": 1}, 1, 4, 0, 1)
	f("more workers than shards", map[string]int{"me": 1, "b": 1, "c": 0}, 0, 2, 0, 0)
	f("a dead worker's shards", map[string]int{"me": 2}, 2, 4, 0, 2)
}

// Workers that act one at a time, in any order, reach shares that differ by
// one at the most, and then nothing moves any more.
func TestBalanceConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := rapid.IntRange(1, 12).Draw(t, "shards")
		workers := rapid.IntRange(1, 6).Draw(t, "workers")
		held, free := map[string]int{}, shards
		for w := range workers {
			n := rapid.IntRange(0, free).Draw(t, "held")
			held[fmt.Sprint("w", w)] = n
			free -= n
		}
		moves := 0
		for round := range 20 * shards {
			me := fmt.Sprint("w", rapid.IntRange(0, workers-1).Draw(t, "next"))
			if round%workers == 0 {
				me = fmt.Sprint("w", round/workers%workers) // everybody has his turn
			}
			got := Allowed(me, held, free, shards)
			held[me] += got
			free -= got
			gives := 0
			if free == 0 && got == 0 {
				gives = Surplus(me, held, shards)
				held[me] -= gives
				free += gives
			}
			if got+gives > 0 {
				moves++
			}
		}
		least, most := shards, 0
		for _, n := range held {
			least, most = min(least, n), max(most, n)
		}
		if free != 0 || most-least > 1 {
			t.Fatalf("%d free, held %v", free, held)
		}
		if moves > 4*shards+4*workers {
			t.Fatalf("%d moves for %d shards and %d workers: they go round in circles", moves, shards, workers)
		}
	})
}
