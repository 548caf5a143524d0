package memory

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// Faults are what befalls records on their way from Publish to their shard. All
// are off in the zero value. Chances are from 0 to 1.
type Faults struct {
	Duplicate float64       // chance that a record comes again, later, and once more after that; five times at the most
	Delay     float64       // chance that a record comes late, and so behind others of its key
	Within    time.Duration // bounds how much later
	Stray     float64       // chance that what comes again or late comes in any open shard
	Lose      float64       // chance that a record never comes, where MayLose says it may
	MayLose   func(stream.Record) bool
}

const maxCopies = 5

// courier brings records to their shards. Of each record it draws what befalls
// it by what the record is, so that the order in which records are published at
// one moment does not matter. Of the mutex of the log.
type courier struct {
	faults   Faults
	seed     uint64
	seen     map[uint64]uint64 // how often, by the hash of a record
	underWay int
}

// SetFaults replaces the faults of delivery from now on. What is under way comes
// when it was to come. Everything random is drawn from rng, here and now.
func (l *Log) SetFaults(f Faults, rng *rand.Rand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.courier.faults, l.courier.seed, l.courier.seen = f, rng.Uint64(), map[uint64]uint64{}
}

// UnderWay counts what is published and is yet to come.
func (l *Log) UnderWay() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.courier.underWay
}

// accept takes a record that is now durable.
func (l *Log) accept(r stream.Record) {
	f := l.courier.faults
	if f.Duplicate == 0 && f.Delay == 0 && f.Lose == 0 {
		l.witness(r, 1)
		l.append(l.shardOf(r.Key), r)
		return
	}
	dice := l.courier.dice(r)
	late, lost := dice.Float64() < f.Delay, dice.Float64() < f.Lose
	first, copies := later(dice, f), 1
	for copies < maxCopies && dice.Float64() < f.Duplicate {
		copies++
	}
	if lost && f.MayLose != nil && f.MayLose(r) {
		l.witness(r, 0)
		return
	}
	l.witness(r, copies)
	if late {
		l.deliver(r, first)
	} else {
		l.append(l.shardOf(r.Key), r)
	}
	for range copies - 1 {
		l.deliver(r, later(dice, f))
	}
}

func (l *Log) witness(r stream.Record, copies int) {
	if l.opts.Witness != nil {
		l.opts.Witness.Accepted(r, copies)
	}
}

// dice are those of a record: the same for the n-th record of its content in
// every run of a seed.
func (c *courier) dice(r stream.Record) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.Key)) // never fails
	_, _ = h.Write(r.Data)
	content := h.Sum64()
	c.seen[content]++
	return rand.New(rand.NewPCG(c.seed^content, c.seen[content]))
}

// arrival is when a record comes, and where.
type arrival struct {
	in    time.Duration
	stray bool
	shard uint64 // of the open ones, for a stray
}

func later(dice *rand.Rand, f Faults) arrival {
	return arrival{in: time.Duration(1 + dice.Int64N(int64(max(1, f.Within)))), stray: dice.Float64() < f.Stray, shard: dice.Uint64()}
}

// deliver brings a record later.
func (l *Log) deliver(r stream.Record, a arrival) {
	l.courier.underWay++
	time.AfterFunc(a.in, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.courier.underWay--
		to := l.shardOf(r.Key)
		if a.stray {
			to = l.anyOpen(a.shard)
		}
		l.append(to, r)
	})
}

// anyOpen is one of the open shards.
func (l *Log) anyOpen(n uint64) *shard {
	var open []*shard
	for _, s := range l.shards {
		if !s.closed {
			open = append(open, s)
		}
	}
	return open[n%uint64(len(open))]
}
