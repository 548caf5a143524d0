package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// World is a simulated organisation. It is safe for concurrent use: one
// change at a time, beside any number of reads.
type World struct {
	seed     uint64
	clock    func() time.Time
	start    time.Time
	pageSize int
	busy     int
	people   []person
	types    [kinds]resources.Type
	actions  [kinds][]actionOf // what qrie's role needs to see each member

	accounts    []*account
	accountByID map[string]*account

	calls atomic.Uint64 // describe and list calls so far: the dice of their faults

	mu       sync.RWMutex // guards everything below, and thing.now and its kin
	faults   Faults
	journal  io.Writer // nil for a world that ends with its process
	rng      *rand.Rand
	seq      uint64
	things   map[key]*thing
	byKind   [kinds][]*thing
	byPlace  map[place][]*thing // in the order of thing.seq
	fading   []*thing           // deleted, but a lagging read may still show them
	broken   []undo             // what actors broke and somebody will mend
	passing  [kinds][]*thing    // what actors made and somebody may delete
	stranger *account           // an account of somebody else, whose events also arrive

	tags        map[string]tagSet
	bucketNames map[string]bool // S3 gives a name once in the world
}

// kind is a resource type by its number.
type kind uint8

const (
	kindAccount kind = iota
	kindBucket
	kindUser
	kindPolicy
	kindInstance
	kindVolume
	kindGroup
	kindDatabase
	kinds // how many there are
)

var kindNames = [kinds]string{
	"AWS::Account", "AWS::S3::Bucket", "AWS::IAM::User", "AWS::IAM::ManagedPolicy",
	"AWS::EC2::Instance", "AWS::EC2::Volume", "AWS::EC2::SecurityGroup", "AWS::RDS::DBInstance",
}

// global kinds are listed in us-east-1 and named without a Region.
func (k kind) global() bool { return k <= kindPolicy }

// thing is one resource. All but its state is fixed when it is made.
type thing struct {
	kind    kind
	account *account
	region  string // where it is read; a bucket's own Region
	id      string
	arn     string
	name    string // of a security group: other documents repeat it
	passing bool   // made by an actor; nothing that lasts refers to it
	seq     uint64 // grows: the order of listing
	hash    uint64 // of the id: decides what no change touches
	born    time.Time

	// Guarded by World.mu. A state is replaced, never changed, so that a
	// reader may keep it after the lock is released.
	now     state // nil once deleted
	before  state // what a lagging read still shows; nil if that is nothing
	settles time.Time
	atWork  state // what is to be seen from then on, until AWS is done
	done    time.Time
	at      int // place in World.byKind
}

// state is the configuration of one resource at one time.
type state interface {
	// write writes the members of the document.
	write(d *document)
	// failing calls fail with the id of each policy that the state fails.
	failing(c judgement, fail func(policy string))
}

// key finds a thing. The region is empty for the global kinds.
type key struct {
	kind    kind
	account int
	region  string
	id      string
}

// place is one listing: the things of a kind in an account and Region.
type place struct {
	kind    kind
	account int
	region  string
}

func (t *thing) key() key {
	k := key{kind: t.kind, account: t.account.n, id: t.id}
	if !t.kind.global() {
		k.region = t.region
	}
	return k
}

func (t *thing) place() place {
	p := place{kind: t.kind, account: t.account.n, region: globalRegion}
	if !t.kind.global() {
		p.region = t.region
	}
	return p
}

// New makes a world. It panics if package resources lacks one of the types,
// which only a change of the program can bring about.
func New(o Options) *World {
	if o.Accounts <= 0 {
		o.Accounts = DefaultAccounts
	}
	if o.Resources <= 0 {
		o.Resources = DefaultResources
	}
	if o.PageSize <= 0 {
		o.PageSize = DefaultPageSize
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Start.IsZero() {
		o.Start = o.Now()
	}
	w := &World{
		seed: o.Seed, clock: o.Now, start: o.Start.UTC().Truncate(time.Second), pageSize: o.PageSize, busy: o.Busy,
		rng:    rand.New(rand.NewPCG(o.Seed, 0x71726965)),
		things: make(map[key]*thing, o.Resources), byPlace: map[place][]*thing{},
		tags: map[string]tagSet{}, bucketNames: map[string]bool{},
	}
	for k := range kinds {
		t, ok := resources.Find(kindNames[k])
		if !ok {
			panic(fmt.Sprintf("BUG: package resources does not know %s", kindNames[k]))
		}
		w.types[k] = t
		for _, a := range t.Actions {
			if a.Member != "" {
				w.actions[k] = append(w.actions[k], actionOf{a.Member, a.Name})
			}
		}
	}
	w.accounts = newAccounts(w.rng, o.Accounts)
	w.accountByID = make(map[string]*account, o.Accounts)
	for _, a := range w.accounts {
		w.accountByID[a.ID] = a
	}
	w.stranger = newStranger(w.rng)
	w.people = newPeople(w.rng)
	w.populate(o.Resources)
	w.setFaults(o.Faults)
	return w
}

// add puts a new thing into the world. With stale reads on, they do not see
// it at first.
func (w *World) add(t *thing, s state, at time.Time) *thing {
	w.seq++
	t.seq = w.seq
	t.hash = mix(hashText(t.id) ^ t.account.hash)
	w.set(t, s, at)
	if t.arn == "" {
		t.arn = w.types[t.kind].Ref(t.account.ID, t.region, t.id).ARN
	}
	t.at = len(w.byKind[t.kind])
	w.byKind[t.kind] = append(w.byKind[t.kind], t)
	w.things[t.key()] = t
	p := t.place()
	w.byPlace[p] = append(w.byPlace[p], t)
	return t
}

// set changes the state of a thing.
func (w *World) set(t *thing, s state, at time.Time) {
	t.before, t.settles = nil, w.settling(at)
	if !t.settles.IsZero() {
		t.before = t.now
	}
	t.atWork, t.done = nil, time.Time{}
	if w.faults.Work > 0 {
		if t.atWork = atWork(t.now, s); t.atWork != nil {
			t.done = latest(t.settles, at).Add(time.Duration(w.rng.Int64N(int64(w.faults.Work))) + 1)
		}
	}
	t.now = s
}

// rests is when every read shows the present state.
func (t *thing) rests() time.Time { return latest(t.done, t.settles) }

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// remove deletes a thing. It stays known until no read may show it.
func (w *World) remove(t *thing, at time.Time) {
	w.set(t, nil, at)
	all := w.byKind[t.kind]
	last := all[len(all)-1]
	all[t.at], last.at = last, t.at
	all[len(all)-1] = nil
	w.byKind[t.kind] = all[:len(all)-1]
	p := t.place()
	list := w.byPlace[p]
	i := sort.Search(len(list), func(i int) bool { return list[i].seq >= t.seq })
	w.byPlace[p] = slices.Delete(list, i, i+1)
	if !t.rests().After(at) {
		delete(w.things, t.key())
		return
	}
	w.fading = append(w.fading, t)
}

// forget drops deleted things that no read can show any more. The settling
// times of the list are not in order, but all lie within Faults.Stale and
// Faults.Work, so the list stays short.
func (w *World) forget(now time.Time) {
	w.fading = slices.DeleteFunc(w.fading, func(t *thing) bool {
		if t.rests().After(now) {
			return false
		}
		// The name may have been taken again by a new thing.
		if w.things[t.key()] == t {
			delete(w.things, t.key())
		}
		return true
	})
}

// settling draws when a change made at a time is seen by every read; zero if
// at once.
func (w *World) settling(at time.Time) time.Time {
	if w.faults.Stale <= 0 {
		return time.Time{}
	}
	return at.Add(time.Duration(w.rng.Int64N(int64(w.faults.Stale))) + 1)
}

// seen is the state that a read at a time shows; nil if it shows nothing.
func (t *thing) seen(now time.Time) state {
	switch {
	case now.Before(t.settles):
		return t.before
	case now.Before(t.done):
		return t.atWork
	}
	return t.now
}

func (w *World) ref(t *thing) qrie.Ref {
	return qrie.Ref{
		Account: t.account.ID, Region: t.region, Type: kindNames[t.kind],
		ID: t.id, ARN: t.arn, Global: t.kind.global(),
	}
}

// lookup finds the thing of a ref; nil if there is none.
func (w *World) lookup(a *account, k kind, region, id string) *thing {
	look := key{kind: k, account: a.n, id: id}
	if !k.global() {
		look.region = region
	}
	return w.things[look]
}
