package dynamo

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// readUnits is how many units a store has consumed by reading so far.
func readUnits(t testing.TB, s *Store) (n float64) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(s.metrics.units)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "kind" && l.GetValue() == "read" {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// event is one sort of event: what is stored before it and what it writes.
type event struct {
	name   string
	before []step
	then   step
	again  bool    // the same event once more
	limit  float64 // of write units, in its own write
}

type step struct {
	doc   string
	fails []string
	large bool // ambiguous among five events, and five violations
}

// The goals are 1 unit for what is unchanged, 3 for what changed without a
// transition, 20 for a transition, 0 for a duplicate.
var events = []event{
	{name: "new resource", then: step{doc: "a"}, limit: 7},
	{name: "new resource with a finding", then: step{doc: "a", fails: []string{public}}, limit: 15},
	{name: "unchanged", before: []step{{doc: "a"}}, then: step{doc: "a"}, limit: 1},
	{name: "changed without transition", before: []step{{doc: "a"}}, then: step{doc: "b"}, limit: 3},
	{name: "opened", before: []step{{doc: "a"}}, then: step{doc: "b", fails: []string{public}}, limit: 14},
	{name: "opened beside another", before: []step{{doc: "a", fails: []string{unsafely}}}, then: step{doc: "a", fails: []string{unsafely, public}}, limit: 11},
	{name: "opened, of the largest", before: []step{{doc: "a"}}, then: step{doc: "b", fails: []string{public}, large: true}, limit: 20},
	{name: "changed evidence", before: []step{{doc: "a", fails: []string{public}}}, then: step{doc: "b", fails: []string{public}}, limit: 16},
	{name: "resolved", before: []step{{doc: "a", fails: []string{public}}}, then: step{doc: "b"}, limit: 17},
	{name: "resolved, of the largest", before: []step{{doc: "a", fails: []string{public}, large: true}}, then: step{doc: "b", large: true}, limit: 20},
	{name: "duplicate event", before: []step{{doc: "a"}}, then: step{doc: "a", fails: []string{public}}, again: true, limit: 0},
}

// unitsRig is a store whose writes are metered.
type unitsRig struct {
	testing.TB
	s   *Store
	m   *meter
	set qrie.LaunchSet
}

func newUnitsRig(t testing.TB) *unitsRig {
	m := &meter{t: t}
	place := t.TempDir()
	s := open(t, options(t, place, m.stack))
	s.logEvery = 1 << 30 // the log is seen to apart, and metered apart
	m.clear = newClient(options(t, place).filled(), unmetered(t))
	for _, p := range []string{public, unsafely, "S3BucketEncryptionDisabled", "S3BucketMfaDeleteDisabled", "S3BucketPublicAccessBlockDisabled"} {
		if _, err := s.PutLaunch(t.Context(), qrie.Launch{Policy: p, Status: qrie.LaunchActive}, 0); err != nil {
			t.Fatal(err)
		}
	}
	set, err := s.LaunchSet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The first resource makes names that the others find.
	if err := s.Apply(t.Context(), evaluate(store.Resource{}, set, bucket("first"), "a", start, public)); err != nil {
		t.Fatal(err)
	}
	return &unitsRig{t, s, m, set}
}

// apply writes one step and returns what was written.
func (u *unitsRig) apply(ref qrie.Ref, st step, at time.Time) store.Evaluation {
	u.Helper()
	old, _ := u.s.ResourceState(u.Context(), ref) // none is version 0
	e := evaluate(old, u.set, ref, st.doc, at, st.fails...)
	// A document of usual size: 1.5 KB.
	if e.Next.Document != nil {
		e.Next.Document = []byte(fmt.Sprintf(`{"Bucket":%q,"Tags":[%s{}]}`, st.doc, strings.Repeat(`{"Key":"team","Value":"payments"},`, 40)))
	}
	if st.large {
		enlarge(&e)
	}
	if err := u.s.Apply(u.Context(), e); err != nil {
		u.Fatal(err)
	}
	return e
}

// enlarge gives an evaluation as much cause as there may be, and more evidence
// than most policies find.
func enlarge(e *store.Evaluation) {
	cause := qrie.Cause{Attribution: qrie.AttributionAmbiguous}
	for i := range qrie.MaxCauseEvents {
		event := e.Next.Cause.Events[0]
		event.ID = fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(event.ID, i))))[:36]
		event.Actor.Name, event.SourceIP = fmt.Sprintf("person-%d@example.com", i*7919), fmt.Sprintf("192.0.2.%d", 17*i)
		cause.Events = append(cause.Events, event)
	}
	e.Next.Cause = cause
	for i := range e.Transitions {
		t := &e.Transitions[i]
		if t.Cause = cause; t.Kind == qrie.Closed {
			continue
		}
		for n := range 4 {
			t.Evidence.Violations = append(t.Evidence.Violations, json.RawMessage(fmt.Sprintf(
				`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%012d:role/partner-%d"},"Action":["s3:GetObject","s3:ListBucket"]}`, n*104729, n*31)))
			t.Evidence.Pointers = append(t.Evidence.Pointers, fmt.Sprintf("/Policy/Statement/%d", n+1))
			t.Evidence.Total++
		}
	}
}

// later sees to the log and delivers what waits.
func (u *unitsRig) later() {
	u.Helper()
	if err := u.s.tend(u.Context()); err != nil {
		u.Fatal(err)
	}
	waiting, err := u.s.Outbox(u.Context(), maxChanges)
	if err != nil {
		u.Fatal(err)
	}
	var ids []string
	for _, tr := range waiting {
		ids = append(ids, tr.ID)
	}
	if err := u.s.Delivered(u.Context(), ids); err != nil {
		u.Fatal(err)
	}
}

// units are what one event costs.
type units struct {
	write, read float64 // in its own write
	later       float64 // to number, deliver and count it, if nothing shares that
}

// spent is what a step costs.
func (u *unitsRig) spent(step func()) units {
	u.Helper()
	w, r := u.m.units, readUnits(u, u.s)
	step()
	return units{write: u.m.units - w, read: readUnits(u, u.s) - r}
}

// within takes a step and holds what it costs.
func (u *unitsRig) within(name string, limit units, step func() error) {
	u.Helper()
	got := u.spent(func() {
		if err := step(); err != nil {
			u.Fatal(err)
		}
	})
	u.Logf("%-40s %.1f write units, %.1f read units", name, got.write, got.read)
	if got.write > limit.write || got.read > limit.read {
		u.Errorf("%s: %.1f write and %.1f read units, at most %.1f and %.1f are wanted", name, got.write, got.read, limit.write, limit.read)
	}
}

// measure writes one event.
func (u *unitsRig) measure(e event, ref qrie.Ref) (out units) {
	u.Helper()
	at := start
	write := func(st step) store.Evaluation {
		at = at.Add(time.Minute)
		return u.apply(ref, st, at)
	}
	for _, st := range e.before {
		write(st)
	}
	var last store.Evaluation
	if e.again {
		last = write(e.then)
	}
	u.s.foldEvery = 1 // every batch at once: no two events share a row
	u.later()
	out = u.spent(func() {
		if !e.again {
			write(e.then)
		} else if err := u.s.Apply(u.Context(), last); err != nil {
			u.Fatal(err)
		}
	})
	out.later = u.spent(u.later).write
	return out
}

// TestUnitsOfAnEvent holds the costs of the events that are many.
func TestUnitsOfAnEvent(t *testing.T) {
	u := newUnitsRig(t)
	for _, e := range events {
		got := u.measure(e, bucket("units of "+e.name))
		t.Logf("%-28s %5.1f write units, %4.1f read units, later %4.1f write units", e.name, got.write, got.read, got.later)
		if got.write > e.limit {
			t.Errorf("%s: %.1f write units, at most %.1f are wanted", e.name, got.write, e.limit)
		}
	}
}

// company is how transitions come: so many before anybody looks after them.
type company struct {
	name           string
	atOnce, rounds int
	accounts       int
	limit          float64 // of write units later for each
}

var companies = []company{
	// A quiet site: somebody looks after each event, and no two are of one
	// account before the counters are written.
	{"alone", 1, foldEvery, foldEvery, 7.5},
	{"a hundred at a time", maxLogEntries, 2, 10, 2.5},
}

// laterUnits are what is written and read later for each opening and resolving.
func laterUnits(t testing.TB, c company) (opened, resolved units) {
	u := newUnitsRig(t)
	u.s.foldEvery = int64(c.rounds)
	of := map[string]units{}
	for n, what := range []struct {
		name string
		step step
	}{{"before", step{doc: "a"}}, {"opened", step{doc: "b", fails: []string{public}}}, {"resolved", step{doc: "c"}}} {
		u.later()
		var sum units
		for round := range c.rounds {
			for i := range c.atOnce {
				ref := owned((round*c.atOnce+i)%c.accounts, fmt.Sprintf("%d-%d", round, i))
				u.apply(ref, what.step, start.Add(time.Duration(n)*time.Minute))
			}
			cost := u.spent(u.later)
			sum.write, sum.read = sum.write+cost.write, sum.read+cost.read
		}
		each := float64(c.rounds * c.atOnce)
		of[what.name] = units{write: sum.write / each, read: sum.read / each}
	}
	return of["opened"], of["resolved"]
}

// What is written later is shared by what comes together.
func TestUnitsWrittenLater(t *testing.T) {
	for _, c := range companies {
		opened, resolved := laterUnits(t, c)
		t.Logf("%s: %.2f write units later for an opening, %.2f for a resolving", c.name, opened.write, resolved.write)
		if max(opened.write, resolved.write) > c.limit {
			t.Errorf("%s: %.2f and %.2f write units later for each, at most %.1f are wanted", c.name, opened.write, resolved.write, c.limit)
		}
	}
}

// BenchmarkMillionEvents tells what a million events cost at the list prices of
// us-east-1: events come three to a look at a resource, three looks in five find
// another document, and one in twenty leads to a transition.
func BenchmarkMillionEvents(b *testing.B) {
	const (
		looks       = 1e6 / 3
		changed     = 0.6
		transitions = 0.05
		writePrice  = 0.625e-6 // of a unit on demand
		readPrice   = 0.125e-6
	)
	u := newUnitsRig(b)
	cost := map[string]units{}
	for _, e := range events {
		cost[e.name] = u.measure(e, bucket("cost of "+e.name))
	}
	for _, c := range companies {
		b.Run(strings.ReplaceAll(c.name, " ", "_"), func(b *testing.B) {
			opened, resolved := laterUnits(b, c)
			sum := func(of func(units) float64) float64 {
				return looks * ((1-changed)*of(cost["unchanged"]) + (changed-transitions)*of(cost["changed without transition"]) +
					transitions/2*(of(cost["opened"])+of(opened)+of(cost["resolved"])+of(resolved)))
			}
			write, read := sum(func(u units) float64 { return u.write }), sum(func(u units) float64 { return u.read })
			b.ReportMetric(write, "write-units")
			b.ReportMetric(read, "read-units")
			b.ReportMetric(write*writePrice+read*readPrice, "USD")
		})
	}
	// AWS Config records an item for each change that it sees, and evaluates the
	// same five rules on it.
	for name, items := range map[string]float64{"Config_an_item_a_look": looks, "Config_an_item_an_event": 1e6} {
		b.Run(name, func(b *testing.B) {
			evaluations := items * 5
			b.ReportMetric(items*0.003+min(evaluations, 1e5)*0.001+min(max(evaluations-1e5, 0), 4e5)*0.0008+max(evaluations-5e5, 0)*0.0005, "USD")
		})
	}
}

func BenchmarkUnits(b *testing.B) {
	u := newUnitsRig(b)
	for _, e := range events {
		b.Run(strings.NewReplacer(" ", "_", ",", "").Replace(e.name), func(b *testing.B) {
			var sum units
			for i := range b.N {
				got := u.measure(e, bucket(fmt.Sprintf("%s %d %d", e.name, b.N, i)))
				sum.write, sum.read, sum.later = sum.write+got.write, sum.read+got.read, sum.later+got.later
			}
			n := float64(b.N)
			b.ReportMetric(sum.write/n, "write-units/event")
			b.ReportMetric(sum.read/n, "read-units/event")
			b.ReportMetric(sum.later/n, "later-write-units/event")
		})
	}
}

// unmetered are metrics of their own for a reader that is not measured.
func unmetered(t testing.TB) *metrics {
	m, err := newMetrics(nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestUnitsOfAccounts holds what it costs to learn that no account has changed,
// and to say so.
func TestUnitsOfAccounts(t *testing.T) {
	u := newUnitsRig(t)
	a := qrie.Account{ID: "111122223333", Name: "shop", OU: "/Workloads/Prod", Tags: map[string]string{"team": "payments"}, RoleARN: "arn:aws:iam::111122223333:role/qrie"}
	put := func(a qrie.Account) error { return u.s.PutAccount(t.Context(), a) }
	changed := a
	changed.Name = "store"
	for _, c := range []struct {
		name  string
		do    func() error
		limit units
	}{
		{"add an account", func() error { return put(a) }, units{write: 4, read: 1}},
		{"the same again", func() error { return put(a) }, units{write: 0, read: 1}},
		{"change it", func() error { return put(changed) }, units{write: 4, read: 1}},
		{"read the stamp", func() error { _, err := u.s.AccountsStamp(t.Context()); return err }, units{write: 0, read: 1}},
		{"delete it", func() error { return u.s.DeleteAccount(t.Context(), a.ID) }, units{write: 6, read: 0}},
	} {
		u.within(c.name, c.limit, c.do)
	}
}

// TestUnitsOfAnExplanation holds what it costs that events come late, and that
// one which explains an earlier change leaves the newest version alone.
func TestUnitsOfAnExplanation(t *testing.T) {
	u := newUnitsRig(t)
	ref := bucket("explained")
	write := func(doc string, at time.Time, fails ...string) {
		old, _ := u.s.ResourceState(t.Context(), ref) // none is version 0
		e := evaluate(old, u.set, ref, doc, at, fails...)
		// Nobody knows who it was. The document does not compress.
		e.Next.Cause = qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, After: old.ObservedAt, Before: at}
		var noise strings.Builder
		for i := range 100 {
			fmt.Fprintf(&noise, "%x", sha256.Sum256([]byte(fmt.Sprint(doc, i))))
		}
		e.Next.Document = json.RawMessage(fmt.Sprintf(`{"Bucket":%q}`, noise.String()))
		for i := range e.Transitions {
			e.Transitions[i].Cause = e.Next.Cause
		}
		if err := u.s.Apply(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	write("a", start.Add(time.Hour))
	write("b", start.Add(2*time.Hour), public)
	write("c", start.Add(3*time.Hour), public, unsafely)
	for _, c := range []struct {
		name  string
		at    time.Time
		limit units
	}{
		{"the last change and its finding", start.Add(150 * time.Minute), units{write: 20, read: 3}},
		{"an earlier finding", start.Add(90 * time.Minute), units{write: 6, read: 3}},
		{"nothing", start, units{write: 1, read: 3}},
	} {
		old, err := u.s.ResourceState(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		late := []qrie.Event{{ID: c.name, Name: "PutBucketPolicy", Time: c.at, Actor: qrie.Actor{Kind: qrie.ActorHuman, Name: "mira@example.com"}}}
		e := store.Evaluation{Base: old.Version, Next: old, Reread: true, Explains: true}
		e.Next.Cause, _ = old.Cause.Explain(late, qrie.AttributionUnknown)
		e.Next.Explained = append([]string{c.name}, old.Explained...)
		for _, policy := range []string{public, unsafely} {
			id := ref.FindingID(policy)
			e.Transitions = append(e.Transitions, qrie.Transition{ID: qrie.TransitionID(id, old.Version+1, 1, qrie.Explained), Kind: qrie.Explained,
				Finding: id, Ref: ref, Policy: policy, At: start, Version: old.Version + 1, Cause: qrie.Cause{Events: late}})
		}
		u.within("explain "+c.name, c.limit, func() error { return u.s.Apply(t.Context(), e) })
	}
}

// TestUnitsOfWhatIsDue holds that reading what is due costs in proportion to
// that, however much is due later.
func TestUnitsOfWhatIsDue(t *testing.T) {
	u := newUnitsRig(t)
	later := func(n int) {
		for i := range n {
			at := start.Add(time.Duration(i) * time.Hour)
			e := evaluate(store.Resource{}, u.set, bucket(fmt.Sprint("due-", i)), "a", start)
			e.Next.DueAt = at
			if err := u.s.Apply(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	const all = 400
	later(all)
	for _, due := range []int{0, 10, all} {
		r := readUnits(u, u.s)
		got, err := u.s.DueResources(t.Context(), start.Add(time.Duration(due)*time.Hour-1), 2*all)
		if err != nil || len(got) != due {
			t.Fatalf("%d are due, want %d: %v", len(got), due, err)
		}
		read := readUnits(u, u.s) - r
		t.Logf("%3d of %d due: %.1f read units", due, all, read)
		// Half a unit for each partition at least, and a unit holds some thirty rows.
		if most := listBuckets*0.5 + float64(due)/20; read > most {
			t.Errorf("%d of %d are due: %.1f read units, at most %.1f are wanted", due, all, read, most)
		}
	}
}
