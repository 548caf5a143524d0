package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/sim/machine"
	streammemory "github.com/qrie-sec/qrie/stream/memory"
)

// fleet is the workers, each with one life after another.
type fleet struct {
	r    *run
	wait sync.WaitGroup

	mu       sync.Mutex
	calm     bool
	stopping bool
	lives    []*life // the present one of each worker; nil while it has none
}

// life is a worker from its start to its end.
type life struct {
	name   string
	m      *machine.Machine
	links  []link
	cancel context.CancelFunc
}

type link struct {
	*machine.Link
	calm machine.Faults
}

func (f *fleet) start() {
	f.lives = make([]*life, len(f.r.plan.workers))
	for n := range f.lives {
		f.wait.Go(func() { f.work(n) })
	}
}

// work lives one life after another until the fleet is stopped.
func (f *fleet) work(n int) {
	p := f.r.plan.workers[n]
	rng := rand.New(rand.NewPCG(p.dice, uint64(n)))
	time.Sleep(p.first)
	for i := 0; ; i++ {
		l, worker, ctx := f.begin(n, i, p.skews[min(i, len(p.skews)-1)], rng)
		if l == nil {
			return
		}
		err := worker.Run(ctx)
		l.cancel()
		l.m.Kill()
		f.r.trace.note(f.r.now(), "worker %d ended life %d: %v", n, i, err)
		if !f.end(n) {
			return
		}
		time.Sleep(p.pauses[min(i, len(p.pauses)-1)])
	}
}

// begin starts a life, unless the fleet is stopping.
func (f *fleet) begin(n, i int, skew time.Duration, rng *rand.Rand) (*life, *processor.Worker, context.Context) {
	r, name := f.r, fmt.Sprintf("worker-%d-%d", n, i)
	m := machine.New(machine.Options{Name: name, Skew: skew, Now: r.now, Trace: r.trace.step}, rng)
	l := &life{name: name, m: m}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopping {
		m.Kill()
		return nil, nil, nil
	}
	add := func(to string, faults machine.Faults) *machine.Link {
		calm := machine.Faults{LatencyMin: faults.LatencyMin, LatencyMax: faults.LatencyMax}
		if f.calm {
			faults = calm
		}
		added := m.Link(to, faults)
		l.links = append(l.links, link{added, calm})
		return added
	}
	store := carry(add("store", r.plan.store), add("store (idle)", lessKilling(r.plan.store)))
	stream := carry(add("stream", r.plan.stream), add("stream (idle)", lessKilling(r.plan.stream)))
	log := r.log.Open(streammemory.Process{Owner: name, Now: m.Steady, Call: stream, Killed: m.Killed()})
	jobs := 0
	worker, err := processor.New(processor.Options{
		Starter: processor.Starter{Stream: paced{log, r.watch, r.plan.unread}, Store: r.store.Through(store), Policies: r.catalogue, Now: m.Now, NewID: func() string {
			jobs++
			return fmt.Sprintf("%s-job-%d", name, jobs)
		}},
		Reader: reader{r.world, r.watch, name, add("aws", r.plan.aws), r.now},
		Owner:  name, Jitter: jitter(r.now), InFlight: r.plan.inFlight, Schedule: r.plan.scheduled, ParkFor: time.Second, ListFloor: 10 * time.Second,
		Rereads: []time.Duration{5 * time.Second, 15 * time.Second, staleFor + 5*time.Second},
	})
	if err != nil {
		panic(err) // a mistake of this package
	}
	ctx, cancel := context.WithCancel(m.Context())
	l.cancel = cancel
	f.lives[n] = l
	r.trace.note(r.now(), "worker %d begins life %d, its clock ahead by %s", n, i, skew)
	return l, worker, ctx
}

// end reports whether the worker is to live again.
func (f *fleet) end(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lives[n] = nil
	return !f.stopping
}

// one is the present life of one of the workers; nil if it has none.
func (f *fleet) one(n uint64) *life {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lives[n%uint64(len(f.lives))]
}

// pause lets a machine stand still, if it still lives.
func (f *fleet) pause(name string, long time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.lives {
		if l != nil && l.name == name {
			l.m.Pause(long)
		}
	}
}

// calmDown switches the faults of all links off.
func (f *fleet) calmDown() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calm = true
	for _, l := range f.lives {
		if l != nil {
			for _, link := range l.links {
				link.SetFaults(link.calm)
			}
		}
	}
}

// stop ends every worker and waits for its last goroutine.
func (f *fleet) stop() {
	f.mu.Lock()
	f.stopping = true
	for _, l := range f.lives {
		if l != nil {
			l.cancel()
		}
	}
	f.mu.Unlock()
	f.wait.Wait()
}

// carry sends what a worker asks all the time by a link of its own, so that
// what may end a machine meets those calls that matter.
func carry(busy, idle *machine.Link) func(ctx context.Context, name string, effect func() error) error {
	return func(ctx context.Context, name string, effect func() error) error {
		for _, prefix := range []string{"LaunchSet", "ListAccounts", "AccountsStamp", "ListHealth", "DueDirty", "DueResources", "Lock ", "look "} {
			if strings.HasPrefix(name, prefix) {
				return idle.Call(ctx, name, effect)
			}
		}
		return busy.Call(ctx, name, effect)
	}
}

func lessKilling(f machine.Faults) machine.Faults {
	f.Kill /= 50
	return f
}

// jitter throws no dice: who asks at another moment gets another answer.
func jitter(now func() time.Time) func(time.Duration) time.Duration {
	return func(d time.Duration) time.Duration {
		x := uint64(now().UnixNano()) * 0x9e3779b97f4a7c15
		return time.Duration(x>>33) % max(d, 1)
	}
}

var catalogue = sync.OnceValues(policies.Catalogue)
