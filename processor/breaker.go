package processor

import (
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
)

// When a circuit opens, and for how long.
const (
	// unreachedLimit is how often in a row an account's role may fail.
	unreachedLimit = 3
	// deniedLimit is how many resources of a type in a row may be denied: more
	// than a few that lock everybody out each for itself.
	deniedLimit = 10

	leastOpen         = time.Minute
	mostOpenUnreached = 30 * time.Minute
	mostOpenDenied    = 5 * time.Minute
)

// breakers stop the calls into what refuses them all: an account whose role
// cannot be assumed, or a resource type that may not be read there. What would
// be asked waits, and now and then one call tries. They are safe for
// concurrent use.
type breakers struct {
	now    func() time.Time
	jitter func(time.Duration) time.Duration // a random part of it

	mu       sync.Mutex
	circuits map[circuitKey]*circuit // those with a failure
}

// circuitKey is an account, or a resource type in it.
type circuitKey struct{ account, resourceType string }

type circuit struct {
	failures  int             // in a row
	resources map[string]bool // of a type: those that failed
	fault     qrie.Fault      // the last
	since     time.Time
	pause     time.Duration // zero: closed
	until     time.Time
	trying    bool
	tried     time.Time // when the try under way began
}

func newBreakers(now func() time.Time, jitter func(time.Duration) time.Duration) *breakers {
	return &breakers{now: now, jitter: jitter, circuits: map[circuitKey]*circuit{}}
}

// ask tells whether a resource may be read now. If not, it says when to try
// again, and the fault that is why.
func (b *breakers) ask(ref qrie.Ref) (wait time.Duration, why *qrie.Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, k := range keysOf(ref) {
		c := b.circuits[k]
		if c == nil || c.pause == 0 {
			continue
		}
		left := c.until.Sub(now)
		if left <= 0 && (!c.trying || now.Sub(c.tried) > leastOpen) { // a try may have been given up
			c.trying, c.tried = true, now
			continue
		}
		fault := c.fault
		return max(left, 0) + b.jitter(leastOpen/4), &fault
	}
	return 0, nil
}

func keysOf(ref qrie.Ref) [2]circuitKey {
	return [2]circuitKey{{ref.Account, ""}, {ref.Account, ref.Type}}
}

// tell notes how a call ended; nil is well. It returns the circuits that have
// opened or closed with it.
func (b *breakers) tell(ref qrie.Ref, fault *qrie.Fault) []change {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := keysOf(ref)
	switch {
	case fault == nil:
		return append(b.closed(keys[0]), b.closed(keys[1])...)
	case fault.Kind == qrie.Unreached:
		return b.failed(keys[0], ref, *fault, unreachedLimit, mostOpenUnreached)
	case fault.Kind == qrie.Denied: // the account was entered
		return append(b.closed(keys[0]), b.failed(keys[1], ref, *fault, deniedLimit, mostOpenDenied)...)
	}
	return nil // throttles and failures of the network say nothing of either
}

// closed forgets the failures of a circuit.
func (b *breakers) closed(k circuitKey) []change {
	c := b.circuits[k]
	delete(b.circuits, k)
	if c == nil || c.pause == 0 {
		return nil
	}
	return []change{{k, nil, b.now()}}
}

// change is a circuit that has opened, with the fault, or closed.
type change struct {
	circuitKey
	fault *qrie.Fault
	since time.Time
}

// failed counts a failure and opens the circuit at the limit.
func (b *breakers) failed(k circuitKey, ref qrie.Ref, fault qrie.Fault, limit int, most time.Duration) []change {
	now := b.now()
	c := b.circuits[k]
	if c == nil {
		c = &circuit{resources: map[string]bool{}, since: now}
		b.circuits[k] = c
	}
	c.fault = fault
	c.failures++
	if k.resourceType != "" && c.pause == 0 {
		c.resources[ref.Key()] = true
		c.failures = len(c.resources)
	}
	switch {
	case c.pause == 0 && c.failures < limit:
		return nil
	case c.pause == 0:
		c.resources = nil
		c.pause = leastOpen
		c.until = now.Add(c.pause + b.jitter(c.pause/4))
		return []change{{k, &fault, c.since}}
	case c.trying:
		c.trying = false
		c.pause = min(2*c.pause, most)
		c.until = now.Add(c.pause + b.jitter(c.pause/4))
	}
	return nil
}

// open counts the circuits that are open, by what they are of.
func (b *breakers) open() (accounts, types int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, c := range b.circuits {
		switch {
		case c.pause == 0:
		case k.resourceType == "":
			accounts++
		default:
			types++
		}
	}
	return accounts, types
}
