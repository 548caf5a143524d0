package machine

import "time"

// dice are a stream of random numbers that costs nothing to begin: each call
// has one of its own (SplitMix64).
type dice uint64

// roll is from 0 to below 1.
func (d *dice) roll() float64 {
	*d += 0x9e3779b97f4a7c15
	x := uint64(*d)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

func (d *dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.roll()*float64(most-least))
}

// hash is FNV-1a.
func hash(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}
