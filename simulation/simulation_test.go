package simulation

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds = flag.Uint64("seeds", 50, "how many seeds are run")
	first = flag.Uint64("first", 1, "the first seed")
	step  = flag.Uint64("step", 1, "from one seed to the next")
	one   = flag.Uint64("seed", 0, "run this one and print what happens")
	twice = flag.Uint64("twice", 10, "how many seeds are run twice to compare what happens")
	stop  = flag.Bool("stop", false, "stop at the first seed that fails")
)

// inBubble runs a seed.
func inBubble(t *testing.T, seed uint64, trace io.Writer) (o Outcome) {
	synctest.Test(t, func(*testing.T) { o = Run(seed, trace) })
	return o
}

func replay(seed uint64) string {
	return fmt.Sprintf("make test-sim SEED=%d", seed)
}

func TestSeeds(t *testing.T) {
	if _, err := catalogue(); err != nil {
		t.Fatal(err)
	}
	if *one != 0 {
		o := inBubble(t, *one, os.Stdout)
		t.Logf("%+v", o)
		if len(o.Wrong) > 0 {
			t.Errorf("seed %d:\n%s", *one, strings.Join(o.Wrong, "\n"))
		}
		return
	}
	began, calls, exact, failed := time.Now(), 0, 0, 0
	told := began
	var mistaken []string
	var virtual time.Duration
	for n := range *seeds {
		seed := *first + n**step
		o := inBubble(t, seed, nil)
		calls += o.Calls
		exact += o.Exact
		for _, m := range o.Mistaken {
			mistaken = append(mistaken, fmt.Sprintf("seed %d: %s", seed, m))
		}
		virtual += o.Virtual
		if held := heap(); held > maxHeap {
			t.Errorf("seed %d: %d bytes of memory are in use after it, more than %d\nto see it again: %s", seed, held, maxHeap, replay(seed))
		}
		if len(o.Wrong) > 0 {
			failed++
			t.Errorf("seed %d: %d things are wrong, the first:\n%.2000s\nto see it again: %s", seed, len(o.Wrong), o.Wrong[0], replay(seed))
			if *stop {
				return
			}
		}
		if time.Since(told) > time.Minute {
			told = time.Now()
			t.Logf("%d of %d seeds, of which %d fail", n+1, *seeds, failed)
		}
	}
	if len(mistaken)*mistakenShare > max(exact, mistakenShare) {
		t.Errorf("more than one in %d of the causes that are said to be exact is another's", mistakenShare)
	}
	t.Logf("%d of %d causes that are said to be exact are another's\n%s", len(mistaken), exact, strings.Join(mistaken, "\n"))
	t.Logf("%d seeds, %.1f a second, %d calls and %s of virtual time each, %d MiB in use at the end", *seeds, float64(*seeds)/time.Since(began).Seconds(), calls/int(*seeds), (virtual / time.Duration(*seeds)).Round(time.Second), heap()>>20)
}

// mistakenShare bounds how many of the causes that are said to be exact may be
// another's: one in so many. There are some: of two changes between two looks the
// event of one may be all that is known, for a mark lists the newest five.
const mistakenShare = 150

// maxHeap bounds what is in use after a seed, and after all before it.
const maxHeap = 64 << 20

// heap is how much memory is in use. Garbage counts only while there is little.
func heap() uint64 {
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapAlloc > maxHeap {
		runtime.GC()
		runtime.ReadMemStats(&m)
	}
	return m.HeapAlloc
}

// The same seed gives the same steps. It is run as it is replayed, on one thread:
// with several, two records of one page may be begun in either order.
func TestReplay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for seed := *first; seed < *first+*twice; seed++ {
		var traces [2]strings.Builder
		a, b := inBubble(t, seed, &traces[0]), inBubble(t, seed, &traces[1])
		if a.Digest == b.Digest {
			continue
		}
		x, y := strings.Split(traces[0].String(), "\n"), strings.Split(traces[1].String(), "\n")
		n := 0
		for n < min(len(x), len(y)) && x[n] == y[n] {
			n++
		}
		t.Errorf("seed %d goes two ways after %d of %d steps:\n%s\nthen either\n%s\nor\n%s", seed, n, len(x),
			strings.Join(x[max(0, n-8):n], "\n"), strings.Join(x[n:min(len(x), n+4)], "\n"), strings.Join(y[n:min(len(y), n+4)], "\n"))
	}
}
