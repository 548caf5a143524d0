package stream

import "time"

// Sightings remember since when a value has stood still, on the watcher's own
// clock. Nothing is compared with a time that somebody else wrote. They are
// unsafe for concurrent use.
type Sightings[K, V comparable] map[K]sighting[V]

type sighting[V comparable] struct {
	value V
	since time.Time
}

// Still notes that value was read at now and tells for how long it has been
// the same.
func (s Sightings[K, V]) Still(key K, value V, now time.Time) time.Duration {
	seen, ok := s[key]
	if !ok || seen.value != value {
		s[key] = sighting[V]{value, now}
		return 0
	}
	return now.Sub(seen.since)
}

// share is how many shards one of so many workers may hold.
func share(shards, workers int) int {
	return (shards + workers - 1) / workers
}

// Surplus is how many shards a worker gives up for the sake of the others,
// when none is free. held counts the shards of every live worker, also of those
// that have none. What is above the share goes at once. Below it, only the
// fullest worker gives, and one at a time: three workers with 2, 2 and 0 of
// four shards are all within the share of two, and yet one is idle.
func Surplus(me string, held map[string]int, shards int) int {
	if over := held[me] - share(shards, len(held)); over > 0 {
		return over
	}
	least := shards
	for owner, n := range held {
		if n > held[me] || n == held[me] && owner < me {
			return 0 // somebody else is the one to give
		}
		least = min(least, n)
	}
	if held[me]-least >= 2 {
		return 1
	}
	return 0
}

// Allowed is how many of the free shards a worker takes: up to its share, and
// so that enough is left for those who have less, or what the fullest has given
// up would come back to him.
func Allowed(me string, held map[string]int, free, shards int) int {
	room := share(shards, len(held)) - held[me]
	for owner, n := range held {
		if owner != me && n < held[me] {
			free -= held[me] - n
		}
	}
	return max(0, min(room, free))
}
