package main

import "runtime/debug"

// What a worker holds at once is some tens of megabytes, and what it makes and
// drops in a second a few hundred: collecting as often as Go does by itself costs
// a tenth of the processors. The limit keeps that from growing with what is held.
const (
	collectAt   = 400     // percent of what is in use
	memoryLimit = 1 << 30 // bytes from which on it is collected more often
)

// tuneMemory sets how often memory is collected, where the environment (Go's own
// GOGC and GOMEMLIMIT) does not.
func tuneMemory(lookup func(name string) (string, bool)) {
	if _, ok := lookup("GOGC"); !ok {
		debug.SetGCPercent(collectAt)
	}
	if _, ok := lookup("GOMEMLIMIT"); !ok {
		debug.SetMemoryLimit(memoryLimit)
	}
}
