package ingest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// What is kept is what clip gives, however the texts fall into pieces.
func TestKeptTexts(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	kept := texts{piece: 64}
	var got, want []string
	for range 1000 {
		text := strings.Repeat("aé\n", rng.IntN(30))
		bound := 1 + rng.IntN(100)
		got, want = append(got, kept.keep(text, bound)), append(want, clip(text, bound))
	}
	if !slices.Equal(got, want) {
		t.Error("a text is not what it was when it was kept")
	}
}
