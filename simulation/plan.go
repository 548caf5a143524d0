package simulation

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/qrie-sec/qrie/sim"
	"github.com/qrie-sec/qrie/sim/machine"
	streammemory "github.com/qrie-sec/qrie/stream/memory"
)

// plan is what a seed makes happen. It is drawn before anything runs.
type plan struct {
	seed      uint64
	accounts  int
	resources int
	late      int // accounts that are watched only after a while
	pageSize  int // of AWS's listings
	shards    int
	inFlight  int // marks that a worker holds for a shard
	unread    int // records of a shard that it takes before those before are done
	scheduled bool

	store, stream, aws machine.Faults
	log                streammemory.Faults
	world              sim.Faults
	workers            []workerPlan
	doings             []doing // by time
}

// workerPlan is the lives of one worker. The last of each list goes on.
type workerPlan struct {
	first  time.Duration   // when it starts
	skews  []time.Duration // of its clock, by life
	pauses []time.Duration // until it starts again, by life
	dice   uint64
}

// doing is something that happens at its time.
type doing struct {
	at   time.Duration // since the beginning
	what action
	n    uint64 // chooses among what there is
	long time.Duration
}

type action int

// The actions.
const (
	actStep    action = iota // somebody in the organisation does something
	actBurst                 // many do at once
	actKill                  // a worker ends without notice
	actPause                 // a worker stands still for long
	actRestart               // a worker is told to end, and starts anew
	actLaunch                // a policy that is not launched is
	actChange                // a launch gets another severity or scope
	actSuspend
	actResume
	actDelete
	actScan    // of everything
	actWatch   // a further account is watched
	actUnwatch // one no longer
	actGarbage // a record that nobody understands
	actSplit   // a shard becomes two
	actMerge   // two become one
	actRevoke  // the lease of a shard is taken from its owner
	actPanic   // reading a resource makes the worker panic, for long
	actAmbush  // a resource is deleted, and who has just read it stands still for long
	actClock   // the wall clock of a worker's machine is set
	actStorm   // in one account a hundred times as much happens
	actForeign // a policy is launched as another version defines it
	actDenied  // qrie's role of an account cannot be assumed for long
	actLacking // it lacks a permission for long
)

// staleFor bounds how old a read of AWS may be.
const staleFor = 30 * time.Second

// workFor bounds how long AWS is at work on a database: longer than any event is
// looked at again for.
const workFor = 15 * time.Minute

// busy is for how long things happen.
const busy = 5 * time.Minute

// draw makes the plan of a seed.
func draw(seed uint64) *plan {
	rng := rand.New(rand.NewPCG(seed, 0x73696d))
	chance := func(p float64) bool { return rng.Float64() < p }
	upTo := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d)) + 1) }
	p := &plan{seed: seed, accounts: 1 + rng.IntN(3), pageSize: 2 + rng.IntN(6), shards: 1 + rng.IntN(4), inFlight: 40 + rng.IntN(200), unread: 40 + rng.IntN(200)}
	p.resources = 10 + rng.IntN(12)
	if p.accounts > 1 && chance(0.3) {
		p.late = 1
	}
	calm := calmFaults()
	p.store, p.stream, p.aws = calm, calm, calm
	p.aws.LatencyMin, p.aws.LatencyMax = 20*time.Millisecond, 300*time.Millisecond
	// Not every seed has every fault: what one hides another shows.
	if chance(0.7) {
		p.log.Duplicate, p.log.Within = 0.3*rng.Float64(), upTo(5*time.Minute)
	}
	if chance(0.7) {
		p.log.Delay, p.log.Within = 0.3*rng.Float64(), upTo(5*time.Minute)
	}
	if chance(0.5) {
		p.log.Stray = rng.Float64()
	}
	if chance(0.25) {
		p.world.Loss = 0.3 * rng.Float64()
	}
	if chance(0.5) {
		p.world.Stale = upTo(staleFor)
	}
	p.world.LagMin, p.world.LagMax = 500*time.Millisecond, upTo(10*time.Second)+time.Second
	for _, f := range []*machine.Faults{&p.store, &p.stream, &p.aws} {
		if chance(0.5) {
			f.Slow, f.SlowBy = 0.05*rng.Float64(), upTo(20*time.Second)
		}
		if chance(0.5) {
			f.Refuse = 0.1 * rng.Float64()
		}
		if chance(0.5) {
			f.Unanswer, f.Repeat, f.Late = 0.1*rng.Float64(), 0.1*rng.Float64(), rng.Float64()
		}
		if chance(0.5) {
			f.Kill = 0.01 * rng.Float64()
		}
	}
	if chance(0.3) {
		from := epoch.Add(upTo(busy))
		f := []*machine.Faults{&p.store, &p.stream, &p.aws}[rng.IntN(3)]
		f.Stretches = append(f.Stretches, machine.Stretch{From: from, Until: from.Add(upTo(time.Minute)), Refuse: 0.3 + 0.7*rng.Float64()})
	}
	for range 1 + rng.IntN(3) {
		w := workerPlan{first: upTo(5 * time.Second), dice: rng.Uint64()}
		for range 4 {
			skew := time.Duration(0)
			if chance(0.4) {
				skew = upTo(20*time.Minute) - 10*time.Minute
			}
			w.skews = append(w.skews, skew)
			w.pauses = append(w.pauses, upTo(30*time.Second))
		}
		p.workers = append(p.workers, w)
	}
	add := func(n int, what action, long time.Duration) {
		for range n {
			d := doing{at: upTo(busy), what: what, n: rng.Uint64()}
			if long > 0 {
				d.long = upTo(long)
			}
			p.doings = append(p.doings, d)
		}
	}
	add(20+rng.IntN(60), actStep, 0)
	if chance(0.2) {
		add(1, actBurst, 0)
	}
	if chance(0.6) {
		add(rng.IntN(4), actKill, 0)
		add(rng.IntN(3), actPause, time.Minute)
		add(rng.IntN(3), actRestart, 0)
	}
	if chance(0.6) {
		add(rng.IntN(4), actLaunch, 0)
		add(rng.IntN(5), actChange, 0)
		add(rng.IntN(3), actSuspend, 0)
		add(rng.IntN(3), actResume, 0)
		add(rng.IntN(4), actDelete, 0)
	}
	if chance(0.3) {
		add(1+rng.IntN(2), actScan, 0)
	}
	add(p.late, actWatch, 0)
	if p.scheduled = chance(0.3); p.scheduled && p.accounts-p.late > 1 && chance(0.5) {
		add(1, actUnwatch, 0) // the schedule closes what was in somebody's hands
		if chance(0.5) {
			add(1, actWatch, 0) // perhaps again
		}
	}
	if chance(0.3) {
		add(1+rng.IntN(4), actGarbage, 0)
	}
	if chance(0.3) {
		add(rng.IntN(3), actSplit, 0)
		add(rng.IntN(3), actMerge, 0)
		add(rng.IntN(3), actRevoke, 0)
	}
	if chance(0.15) {
		add(1, actPanic, time.Minute)
	}
	if chance(0.25) {
		add(1+rng.IntN(2), actAmbush, time.Minute)
	}
	if chance(0.25) {
		add(1, actDenied, 3*time.Minute)
	}
	if chance(0.25) {
		add(1, actLacking, 3*time.Minute)
	}
	if chance(0.3) {
		add(1+rng.IntN(3), actClock, 20*time.Minute)
	}
	if chance(0.1) {
		add(1, actStorm, 0)
	}
	if p.scheduled && chance(0.5) {
		add(1, actForeign, 0) // the schedule takes it over
	}
	if chance(0.5) {
		p.world.Work = upTo(workFor)
	}
	slices.SortFunc(p.doings, func(a, b doing) int { return cmp.Compare(a.at, b.at) })
	return p
}

// calmFaults are none, and the latency without which calls would have their
// effects at one instant, in any order.
func calmFaults() machine.Faults {
	return machine.Faults{LatencyMin: time.Millisecond, LatencyMax: 20 * time.Millisecond}
}

// epoch is when the clock of a bubble of testing/synctest begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
