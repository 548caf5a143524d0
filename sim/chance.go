package sim

import (
	"math/rand/v2"
)

// mix spreads the bits of x (the finaliser of SplitMix64). It derives what
// never changes about a thing, such as the addresses of an instance, from its
// id, so that these need no memory.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hashText is FNV-1a.
func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// appendHex appends the last n hexadecimal digits of x.
func appendHex(b []byte, x uint64, n int) []byte {
	for i := n - 1; i >= 0; i-- {
		b = append(b, hexDigits[x>>(4*i)&15])
	}
	return b
}

// awsID is an id as EC2 makes them: a prefix, a zero and sixteen hex digits.
func awsID(prefix string, x uint64) string {
	b := make([]byte, 0, len(prefix)+17)
	b = append(append(b, prefix...), '0')
	return string(appendHex(b, x, 16))
}

const base32Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// uniqueID is an id as IAM makes them: a four-letter prefix that tells the
// kind (AIDA user, AROA role, ANPA policy, AKIA and ASIA keys) and base32.
func uniqueID(prefix string, x uint64, digits int) string {
	b := append(make([]byte, 0, len(prefix)+digits), prefix...)
	for i := range digits {
		if i == 12 {
			x = mix(x)
		}
		b = append(b, base32Digits[x>>(5*(i%12))&31])
	}
	return string(b)
}

// uuid is a random UUID, version 4.
func uuid(rng *rand.Rand) string {
	hi := rng.Uint64()&^0xf000 | 0x4000
	lo := rng.Uint64()&^(3<<62) | 2<<62
	b := make([]byte, 0, 36)
	b = appendHex(b, hi>>32, 8)
	b = append(b, '-')
	b = appendHex(b, hi>>16, 4)
	b = append(b, '-')
	b = appendHex(b, hi, 4)
	b = append(b, '-')
	b = appendHex(b, lo>>48, 4)
	b = append(b, '-')
	return string(appendHex(b, lo, 12))
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// often is true with the probability p.
func often(rng *rand.Rand, p float64) bool { return rng.Float64() < p }
