package simulation

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/sim"
	"github.com/qrie-sec/qrie/store"
	storememory "github.com/qrie-sec/qrie/store/memory"
	"github.com/qrie-sec/qrie/stream"
	streammemory "github.com/qrie-sec/qrie/stream/memory"
)

// Outcome is what came of a seed.
type Outcome struct {
	Digest      uint64        // of everything that happened, in order
	Wrong       []string      // what must not be; none is well
	Calls       int           // of the stream, the store and AWS
	Events      int           // of the organisation
	Transitions int           // of findings
	Virtual     time.Duration // how long it took
	Exact       int           // causes that are said to be exact, where they can be known
	Mistaken    []string      // those of them that are another's
}

// Run runs a seed to its end. It must be called in a bubble of
// testing/synctest, which also sees that no goroutine is left. Steps are written
// to trace as they happen, if it is not nil.
func Run(seed uint64, trace io.Writer) Outcome {
	r, err := newRun(seed, trace)
	if err != nil {
		return Outcome{Wrong: []string{err.Error()}}
	}
	r.fleet.start()
	r.play()
	r.calmDown()
	r.settle()
	r.fleet.stop()
	snap := r.store.Snapshot()
	r.judge(snap)
	for _, f := range snap.Findings {
		r.trace.note(r.now(), "finding %s %s %s version %d", f.ID, f.State, f.Resolution, f.Version)
	}
	exact, mistaken := r.judgeCauses(snap.Findings)
	return Outcome{Exact: exact, Mistaken: mistaken, Digest: r.trace.end(), Wrong: r.watch.all(), Calls: r.trace.calls, Events: r.events, Transitions: len(snap.Transitions), Virtual: r.now().Sub(epoch)}
}

// run is a seed while it runs.
type run struct {
	plan      *plan
	rng       *rand.Rand
	now       func() time.Time // the true time
	ctx       context.Context
	catalogue *policies.Set
	world     *sim.World
	log       *streammemory.Log
	bus       *streammemory.Stream // by which the organisation's events come
	store     *storememory.Store
	starter   processor.Starter // of people
	watch     *watch
	trace     *trace
	fleet     *fleet

	watched  []qrie.Account // in the order in which they are watched from
	hidden   []qrie.Account // that are not watched yet
	faults   sim.Faults
	due      []sim.Delivery // by time
	events   int
	jobs     int
	ambushes sync.WaitGroup
	makers   makers
	blind    bool // something was missed that only a scan can find
}

func newRun(seed uint64, out io.Writer) (*run, error) {
	all, err := catalogue()
	if err != nil {
		return nil, fmt.Errorf("load the catalogue: %w", err)
	}
	p := draw(seed)
	r := &run{plan: p, rng: rand.New(rand.NewPCG(seed, 0x72756e)), now: time.Now, ctx: context.Background(), catalogue: all, faults: p.world, trace: newTrace(out)}
	r.watch = newWatch(r)
	r.log = streammemory.NewLog(streammemory.Options{Shards: p.shards, MaxUnfinished: p.unread, Witness: r.watch})
	r.log.SetFaults(p.log, r.rng)
	r.bus = r.log.Open(streammemory.Process{})
	r.store = storememory.New(storememory.Options{Wrote: r.watch.wrote})
	r.world = sim.New(sim.Options{Seed: seed, Accounts: p.accounts, Resources: p.resources, PageSize: p.pageSize, Faults: p.world})
	r.starter = processor.Starter{Stream: r.bus, Store: r.store, Policies: all, Now: r.now, NewID: func() string {
		r.jobs++
		return fmt.Sprintf("job-%d", r.jobs)
	}}
	r.fleet = &fleet{r: r}
	r.makers = makers{opened: map[string][]maker{}, closed: map[string][]maker{}}
	r.blind = p.world.Loss > 0

	accounts := r.world.Accounts()
	for _, a := range accounts[:len(accounts)-p.late] {
		r.watchAccount(a)
		r.watch.always[a.ID] = true
	}
	r.hidden = accounts[len(accounts)-p.late:]
	for _, policy := range all.All() {
		if r.rng.IntN(4) > 0 {
			l := r.someLaunch(policy)
			if r.rng.IntN(10) == 0 {
				l.Definition = foreignDefinition // until a worker starts
			}
			if _, err := r.store.PutLaunch(r.ctx, l, 0); err != nil {
				return nil, err
			}
		}
	}
	_, err = r.starter.Inventory(r.ctx, "bootstrap", processor.Extent{})
	return r, err
}

// play does what the plan says, each at its time, and brings the events.
func (r *run) play() {
	for _, d := range r.plan.doings {
		at := epoch.Add(d.at)
		r.deliver(at)
		time.Sleep(at.Sub(r.now()))
		r.do(d)
	}
	r.deliver(r.now().Add(24 * time.Hour))
	r.ambushes.Wait()
}

// deliver brings the events that are due until a moment, each at its time.
func (r *run) deliver(until time.Time) {
	for len(r.due) > 0 && r.due[0].At.Before(until) {
		d := r.due[0]
		r.due = r.due[1:]
		time.Sleep(d.At.Sub(r.now()))
		r.publish(stream.Record{Key: d.Account, Data: d.Data})
	}
}

func (r *run) publish(record stream.Record) {
	if err := r.bus.Publish(r.ctx, []stream.Record{record}); err != nil {
		r.watch.wrong("the log refuses an event: %v", err)
	}
}

func (r *run) do(d doing) {
	r.trace.note(r.now(), "%s", d.what)
	switch d.what {
	case actStep:
		r.step()
	case actBurst:
		for range 20 + d.n%80 {
			r.step()
		}
	case actKill:
		if l := r.fleet.one(d.n); l != nil {
			l.m.Kill()
		}
	case actPause:
		if l := r.fleet.one(d.n); l != nil {
			l.m.Pause(d.long)
		}
	case actRestart:
		if l := r.fleet.one(d.n); l != nil {
			l.cancel()
		}
	case actClock:
		if l := r.fleet.one(d.n); l != nil {
			l.m.SetClock(d.long - 10*time.Minute)
		}
	case actStorm:
		id := r.watched[d.n%uint64(len(r.watched))].ID
		r.happen(func() []sim.Delivery { return r.world.LoadIn(id, stormEvents) })
	case actScan:
		r.scan("request", processor.Extent{})
	case actWatch:
		if len(r.hidden) == 0 {
			return
		}
		a := r.hidden[0]
		r.hidden = r.hidden[1:]
		r.watchAccount(a)
		r.blind = true // a read may be stale, and an event have been dropped just before
		r.scan("account", processor.Extent{Accounts: []string{a.ID}})
	case actUnwatch:
		r.unwatchAccount(d.n)
	case actGarbage:
		r.publish(stream.Record{Key: fmt.Sprint(d.n), Data: garbage[d.n%uint64(len(garbage))]})
	case actSplit:
		_ = r.log.Split(r.oneShard(d.n)) // or it cannot be split any more
	case actMerge:
		r.merge(d.n)
	case actRevoke:
		if err := r.log.Revoke(r.oneShard(d.n)); err != nil {
			r.watch.wrong("the log does not revoke a lease: %v", err)
		}
	case actPanic:
		r.panics(d)
	case actAmbush:
		r.ambushes.Go(func() { r.ambush(d) })
	case actDenied:
		id := r.watched[d.n%uint64(len(r.watched))].ID
		r.faults.Unreached = append(slices.Clone(r.faults.Unreached), id)
		r.setFaults(d.long, func() { r.faults.Unreached = nil })
	case actLacking:
		id, action := r.watched[d.n%uint64(len(r.watched))].ID, lacking[d.n%uint64(len(lacking))]
		r.faults.Denied = append(slices.Clone(r.faults.Denied), sim.Denial{Account: id, Action: action})
		r.setFaults(d.long, func() { r.faults.Denied = nil })
	default:
		r.people(d)
	}
}

// garbage is what nobody understands.
var garbage = [][]byte{
	nil,
	[]byte("\x00"),
	[]byte(`{"v":1,"kind":"mark","items":[{"ref":`),
	[]byte(`{"v":1,"kind":"none","items":[]}`),
	[]byte(`{"v":2,"kind":"mark","items":[]}`),
	[]byte(`{"version":"0","detail-type":"AWS API Call via CloudTrail","detail":{"eventVersion":7}}`),
	[]byte(`{"version":"0","detail-type":"AWS API Call via CloudTrail","det`),
	[]byte("\xff\xfe{}"),
}

// lacking are permissions: of a type's existence, of a listing, of a member.
var lacking = []string{"s3:GetBucketLocation", "s3:ListAllMyBuckets", "ec2:DescribeInstances", "iam:GetUser", "s3:GetBucketPolicy", "ec2:DescribeSecurityGroups"}

// step lets somebody in the organisation do something.
func (r *run) step() { r.happen(func() []sim.Delivery { return r.world.Step(r.now()) }) }

// stormEvents come of one account within seconds, where all of them together
// have about one in five seconds otherwise.
const stormEvents = 300

// bring lets events arrive, each at its time.
func (r *run) bring(list []sim.Delivery) {
	at := r.now()
	for _, d := range list {
		r.events++
		if !d.At.After(at) {
			d.At = at
		}
		// Arrivals at whole moments would come together.
		d.At = d.At.Add(time.Duration(r.rng.Int64N(int64(time.Millisecond))))
		r.due = append(r.due, d)
	}
	slices.SortStableFunc(r.due, func(a, b sim.Delivery) int { return a.At.Compare(b.At) })
}

// setFaults brings changed faults of the world into force, until they pass.
func (r *run) setFaults(long time.Duration, pass func()) {
	r.blind = true // what was unknown meanwhile stays so until it is read again
	r.world.SetFaults(r.faults)
	time.AfterFunc(long, func() {
		pass()
		r.world.SetFaults(r.faults)
	})
}

func (r *run) watchAccount(a qrie.Account) {
	r.watch.added(a.ID)
	r.watched = append(r.watched, a)
	if err := r.store.PutAccount(r.ctx, a); err != nil {
		r.watch.wrong("the store refuses an account: %v", err)
	}
}

// unwatchAccount removes an account, as people do.
func (r *run) unwatchAccount(n uint64) {
	at := int(n % uint64(len(r.watched)))
	id := r.watched[at].ID
	r.hidden = append(r.hidden, r.watched[at])
	r.watched = slices.Delete(r.watched, at, at+1)
	r.watch.removed(id)
	if err := r.store.DeleteAccount(r.ctx, id); err != nil {
		r.watch.wrong("the store does not delete an account: %v", err)
	}
	if _, err := store.CloseAccount(r.ctx, r.store, id, r.now(), nil); err != nil {
		r.watch.wrong("an account cannot be closed: %v", err)
	}
}

func (r *run) scan(reason string, e processor.Extent) store.Job {
	job, err := r.starter.Inventory(r.ctx, reason, e)
	if err != nil {
		r.watch.wrong("no scan is started: %v", err)
	}
	return job
}

// calmDown ends all faults.
func (r *run) calmDown() {
	time.Sleep(time.Until(epoch.Add(busy))) // what lasts has passed soon after
	r.trace.note(r.now(), "calm")
	r.fleet.calmDown()
	r.log.SetFaults(streammemory.Faults{}, r.rng)
	r.faults = sim.Faults{}
	r.world.SetFaults(r.faults)
	time.Sleep(staleFor) // until every read shows what happened last
}

// settle waits until nothing is left to do. If something was missed that no
// event will tell, one scan is due, which lists and reads everything: not one that
// is given up in part, because what failed before is not tried again yet, or
// because reading a resource panics still.
func (r *run) settle() {
	r.quiet()
	if !r.blind && !r.givenUp() {
		return
	}
	r.blind = true
	for range 20 {
		job := r.scan("calm", processor.Extent{})
		r.quiet()
		job, err := r.store.Job(r.ctx, job.ID)
		if err != nil {
			r.watch.wrong("the scan is not known any more: %v", err)
		}
		if job.Error == "" && job.Failed == 0 {
			return
		}
		time.Sleep(5 * time.Minute)
	}
	r.watch.wrong("no scan comes to a good end")
}

// givenUp reports whether a scan was given up in part.
func (r *run) givenUp() bool {
	jobs, err := r.store.ListJobs(r.ctx, "inventory", 1000)
	if err != nil {
		r.watch.wrong("the store does not tell the jobs: %v", err)
	}
	return slices.ContainsFunc(jobs, func(j store.Job) bool { return j.Error != "" })
}

// quietWithin bounds how long the workers may need after the faults have ended:
// what was put off for half an hour by a clock that goes wrong by ten minutes,
// twice, and a little.
const quietWithin = 2 * time.Hour

// quiet waits until nothing is left to do.
func (r *run) quiet() {
	for until := r.now().Add(quietWithin); r.left() != ""; time.Sleep(5*time.Second + time.Microsecond) {
		if r.now().After(until) {
			r.watch.wrong("after %s there is still something to do: %s", quietWithin, r.left())
			return
		}
	}
}

// left says what is still to be done; nothing if it is empty.
func (r *run) left() string {
	if n := r.log.UnderWay(); n > 0 {
		return fmt.Sprintf("%d records are under way", n)
	}
	shards, err := r.bus.Shards(r.ctx)
	if err != nil {
		return err.Error()
	}
	for _, s := range shards {
		if s.Behind > 0 {
			return fmt.Sprintf("%s is behind by %d records after %q, owner %q", s.ID, s.Behind, s.Checkpoint, s.Owner)
		}
	}
	if n, _, err := r.store.CountDirty(r.ctx); n > 0 || err != nil {
		return fmt.Sprintf("%d marks wait, %v", n, err)
	}
	counts, err := r.store.CountResources(r.ctx, store.EachAccount)
	if err != nil {
		return err.Error()
	}
	for _, c := range counts {
		if c.Total > 0 && !slices.ContainsFunc(r.watched, func(a qrie.Account) bool { return a.ID == c.Account }) {
			return fmt.Sprintf("%d resources of account %s, which is not watched, are to be closed", c.Total, c.Account)
		}
	}
	set, err := r.store.LaunchSet(r.ctx)
	if err != nil {
		return err.Error()
	}
	for _, l := range set.Launches {
		if p, ok := r.catalogue.Get(l.Policy); ok && l.Status == qrie.LaunchActive && l.Definition != p.Definition() {
			return fmt.Sprintf("%s is launched as another version defines it", l.Policy)
		}
	}
	jobs, err := r.store.ListJobs(r.ctx, "", 1000)
	if err != nil {
		return err.Error()
	}
	for _, j := range jobs {
		if j.State == store.JobRunning {
			return fmt.Sprintf("job %s (%s) has done %d of %d pages", j.ID, j.Reason, j.Done, j.Pages)
		}
	}
	return ""
}

func (a action) String() string {
	return cmp.Or(map[action]string{actStep: "somebody does something", actBurst: "many do something", actKill: "kill", actPause: "pause", actRestart: "restart",
		actLaunch: "launch", actChange: "change a launch", actSuspend: "suspend", actResume: "resume", actDelete: "delete a launch", actScan: "scan",
		actWatch: "watch an account", actUnwatch: "stop watching an account", actSplit: "split a shard", actMerge: "merge shards", actRevoke: "revoke a lease", actPanic: "panic", actClock: "set a clock", actStorm: "storm in an account", actForeign: "launch of another version", actAmbush: "ambush", actGarbage: "garbage", actDenied: "a role is denied", actLacking: "a permission lacks"}[a], "?")
}
