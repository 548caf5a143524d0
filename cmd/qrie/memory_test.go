package main

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestTuneMemory(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}()
	for _, c := range []struct {
		set     map[string]string
		percent int
		limit   int64
	}{
		{nil, collectAt, memoryLimit},
		{map[string]string{"GOGC": "50"}, 100, memoryLimit},
		{map[string]string{"GOMEMLIMIT": "256MiB"}, collectAt, math.MaxInt64},
	} {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		tuneMemory(func(name string) (string, bool) { v, ok := c.set[name]; return v, ok })
		if got := debug.SetGCPercent(100); got != c.percent {
			t.Errorf("with %v memory is collected at %d percent, want %d", c.set, got, c.percent)
		}
		if got := debug.SetMemoryLimit(-1); got != c.limit {
			t.Errorf("with %v the limit is %d, want %d", c.set, got, c.limit)
		}
	}
}
