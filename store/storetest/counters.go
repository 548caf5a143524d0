package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

var counterCases = []testCase{
	{"counters equal counts after any sequence", func(w *world) {
		runs := 0
		rapid.Check(w.t, func(t *rapid.T) {
			w.TB = t
			m := newModel(w, t)
			t.Repeat(map[string]func(*rapid.T){"observe": m.observe, "reread": m.reread, "relaunch": m.relaunch})
			m.check(t)
			// The store keeps what earlier runs wrote: counting it all is for
			// some of them, and for the last.
			if runs++; runs%10 == 0 {
				w.consistent()
			}
		})
		w.TB = w.t
		w.consistent()
	}},
	{"a recount of right counters finds no drift", func(w *world) {
		w.launched(public, version, world22)
		for i := range 30 {
			fails := map[string]qrie.Severity{public: 90}
			if i%3 == 0 {
				fails[version] = 60
			}
			w.apply(look{ref: bucket([]string{accountA, accountB}[i%2], fmt.Sprint("b", i)), doc: "v1", fails: fails})
			w.apply(look{ref: group(accountA, "eu-west-1", fmt.Sprint("sg-", i)), doc: "v1", passes: []string{world22}})
		}
		w.tick(26 * time.Hour)
		w.apply(look{ref: bucket(accountA, "b0"), doc: "v2", passes: []string{public, version}})
		w.apply(look{ref: bucket(accountB, "b1")})
		w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: bucket(accountA, "b0"), DueAt: w.now}))
		w.ok(w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: "d", At: w.now}))
		drift, err := w.s.Recount(w.ctx)
		w.ok(err)
		same(w, "drift", drift, nil)
		days, err := w.s.CountDays(w.ctx, "2026-03-15")
		w.ok(err)
		same(w, "days", days, []store.DayCount{{Day: "2026-03-15", Band: qrie.Critical, Resolved: 2}, {Day: "2026-03-15", Band: qrie.Medium, Resolved: 1}})
		days, err = w.s.CountDays(w.ctx, "")
		w.ok(err)
		same(w, "all days", len(days), 4)
		resources, err := w.s.CountResources(w.ctx, "")
		w.ok(err)
		same(w, "resources", resources, []store.ResourceCount{{Type: "AWS::EC2::SecurityGroup", Total: 30}, {Type: "AWS::S3::Bucket", Total: 29, Failing: 28}})
		each, err := w.s.CountResources(w.ctx, store.EachAccount)
		w.ok(err)
		same(w, "resources of each account", each, []store.ResourceCount{{Account: accountA, Type: "AWS::EC2::SecurityGroup", Total: 30},
			{Account: accountA, Type: "AWS::S3::Bucket", Total: 15, Failing: 14}, {Account: accountB, Type: "AWS::S3::Bucket", Total: 14, Failing: 14}})
	}},
	{"a recount repairs what drifted", func(w *world) {
		if w.adapter.Skew == nil {
			w.Skip("the adapter offers no way to plant a drift")
		}
		w.launched(public)
		for i := range 3 {
			w.apply(look{ref: bucket(accountA, fmt.Sprint("b", i)), doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		}
		w.adapter.Skew(w.t, w.s, store.FindingCounter(accountA, public, qrie.Active, 90), 5)
		w.adapter.Skew(w.t, w.s, store.VerdictCounter("", public, qrie.Fail), -3)
		w.adapter.Skew(w.t, w.s, store.ResourceCounter(accountB, "AWS::S3::Bucket", false), 1)
		drift, err := w.s.Recount(w.ctx)
		w.ok(err)
		slices.SortFunc(drift, func(a, b store.Drift) int { return cmp.Compare(a.Had, b.Had) })
		for i := range drift {
			if drift[i].Dimension == "" {
				w.Error("a drift without a name")
			}
			drift[i].Dimension = ""
		}
		same(w, "drift", drift, []store.Drift{{Had: 0, Is: 3}, {Had: 1, Is: 0}, {Had: 8, Is: 3}})
		w.consistent()
		drift, err = w.s.Recount(w.ctx)
		w.ok(err)
		same(w, "drift afterwards", drift, nil)
	}},
}

// consistent counts every finding and resource through the lists and compares
// with the counters.
func (w *world) consistent() {
	w.Helper()
	findings, resources := w.allFindings(store.FindingQuery{}), w.allResources(store.ResourceQuery{})
	type findingKey struct {
		account, policy string
		severity        qrie.Severity
		state           qrie.State
	}
	wantF := map[findingKey]int64{}
	for _, f := range findings {
		for _, account := range []string{"", f.Ref.Account} {
			wantF[findingKey{account, f.Policy, f.Severity, f.State}]++
		}
	}
	wantV, wantR := map[store.VerdictCount]int64{}, map[store.ResourceCount]int64{}
	failing := map[store.ResourceCount]int64{}
	open := 0
	for _, r := range resources {
		n, _ := r.OpenFindings()
		open += n
		for _, account := range []string{"", r.Ref.Account} {
			key := store.ResourceCount{Account: account, Type: r.Ref.Type}
			wantR[key]++
			if n > 0 {
				failing[key]++
			}
			for policy, h := range r.Heads {
				wantV[store.VerdictCount{Account: account, Policy: policy, Outcome: h.Outcome}]++
			}
		}
	}
	gotF, gotV, gotR, gotFailing := map[findingKey]int64{}, map[store.VerdictCount]int64{}, map[store.ResourceCount]int64{}, map[store.ResourceCount]int64{}
	active := 0
	for _, f := range findings {
		if f.State == qrie.Active {
			active++
		}
	}
	for _, account := range []string{"", store.EachAccount} {
		fs, err := w.s.CountFindings(w.ctx, account)
		w.ok(err)
		for _, c := range fs {
			if c.LastAt.IsZero() {
				w.Errorf("%v does not say when the last one came to be", c)
			}
			gotF[findingKey{c.Account, c.Policy, c.Severity, c.State}] += c.Count
		}
		vs, err := w.s.CountVerdicts(w.ctx, account)
		w.ok(err)
		for _, c := range vs {
			gotV[store.VerdictCount{Account: c.Account, Policy: c.Policy, Outcome: c.Outcome}] += c.Count
		}
		rs, err := w.s.CountResources(w.ctx, account)
		w.ok(err)
		for _, c := range rs {
			key := store.ResourceCount{Account: c.Account, Type: c.Type}
			gotR[key] += c.Total
			if c.Failing > 0 {
				gotFailing[key] += c.Failing
			}
		}
	}
	same(w, "active findings against heads", active, open)
	same(w, "counters of findings", gotF, wantF)
	same(w, "counters of verdicts", gotV, wantV)
	same(w, "counters of resources", gotR, wantR)
	same(w, "counters of failing resources", gotFailing, failing)
}

// allFindings pages to the end.
func (w *world) allFindings(q store.FindingQuery) (out []qrie.Finding) {
	w.Helper()
	p := store.PageRequest{Size: store.MaxPage}
	for {
		page, err := w.s.ListFindings(w.ctx, q, p)
		w.ok(err)
		out = append(out, page.Items...)
		if p.Token = page.Next; p.Token == "" {
			return out
		}
	}
}

func (w *world) allResources(q store.ResourceQuery) (out []store.Resource) {
	w.Helper()
	p := store.PageRequest{Size: store.MaxPage}
	for {
		page, err := w.s.ListResources(w.ctx, q, p)
		w.ok(err)
		out = append(out, page.Items...)
		if p.Token = page.Next; p.Token == "" {
			return out
		}
	}
}

// model remembers what a random sequence of writes must have led to.
type model struct {
	w        *world
	refs     []qrie.Ref
	policies []string
	findings map[string]qrie.State // by id
	opened   map[string]int
}

// newModel begins with new resources of its own, on a store that may hold
// those of earlier runs.
func newModel(w *world, t *rapid.T) *model {
	m := &model{w: w, policies: []string{public, version, world22}, findings: map[string]qrie.State{}, opened: map[string]int{}}
	set, err := w.s.LaunchSet(w.ctx)
	w.ok(err)
	for _, p := range m.policies {
		if generationOf(set, p) == 0 {
			w.launched(p)
		}
	}
	w.tick(time.Hour)
	run := w.now.UnixNano()
	for i := range rapid.IntRange(1, 4).Draw(t, "resources") {
		m.refs = append(m.refs, bucket([]string{accountA, accountB}[i%2], fmt.Sprintf("%d-%d", run, i)))
	}
	return m
}

func (m *model) observe(t *rapid.T) {
	m.w.tick(time.Duration(rapid.IntRange(0, 2).Draw(t, "hours")) * time.Hour)
	l := look{ref: rapid.SampledFrom(m.refs).Draw(t, "ref"), at: m.w.tick(time.Second)}
	if rapid.IntRange(0, 4).Draw(t, "deleted") > 0 {
		l.doc = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "document")
		m.verdicts(t, &l)
	}
	m.write(t, l)
}

func (m *model) reread(t *rapid.T) {
	ref := rapid.SampledFrom(m.refs).Draw(t, "ref")
	stored, err := m.w.s.ResourceState(m.w.ctx, ref)
	if err != nil || stored.Deleted {
		return
	}
	m.w.tick(time.Second)
	l := look{ref: ref, doc: stored.Hash, reread: true, at: stored.ObservedAt}
	m.verdicts(t, &l)
	m.write(t, l)
}

func (m *model) verdicts(t *rapid.T, l *look) {
	l.fails, l.unknown = map[string]qrie.Severity{}, map[string]string{}
	l.summary = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "evidence")
	for _, p := range m.policies {
		switch rapid.IntRange(0, 4).Draw(t, p) {
		case 0, 1:
			l.fails[p] = rapid.SampledFrom([]qrie.Severity{0, 60, 90}).Draw(t, "severity")
		case 2:
			l.unknown[p] = "cannot be seen"
		case 3:
			l.passes = append(l.passes, p)
		}
	}
}

func (m *model) write(t *rapid.T, l look) {
	e := m.w.judge(l)
	if err := m.w.s.Apply(m.w.ctx, e); err != nil {
		t.Fatalf("apply %+v: %v", l, err)
	}
	for _, tr := range e.Transitions {
		switch tr.Kind {
		case qrie.Closed:
			m.findings[tr.Finding] = qrie.Resolved
		case qrie.Opened:
			m.findings[tr.Finding] = qrie.Active
			m.opened[tr.Finding]++
		}
	}
}

func (m *model) relaunch(t *rapid.T) {
	policy := rapid.SampledFrom(m.policies).Draw(t, "policy")
	set, err := m.w.s.LaunchSet(m.w.ctx)
	m.w.ok(err)
	_, err = m.w.s.PutLaunch(m.w.ctx, qrie.Launch{Policy: policy, Status: qrie.LaunchActive}, generationOf(set, policy))
	m.w.ok(err)
}

func (m *model) check(t *rapid.T) {
	for id, state := range m.findings {
		f, err := m.w.s.Finding(m.w.ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if f.State != state || f.Reopened != m.opened[id]-1 {
			t.Fatalf("finding %s is %s and came back %d times, want %s and %d", id, f.State, f.Reopened, state, m.opened[id]-1)
		}
	}
	for _, ref := range m.refs {
		r, err := m.w.s.ResourceState(m.w.ctx, ref)
		if err != nil {
			continue
		}
		for policy, h := range r.Heads {
			if want := m.findings[ref.FindingID(policy)] == qrie.Active; h.Open != want {
				t.Fatalf("head of %s on %s: open is %v, want %v", policy, ref, h.Open, want)
			}
		}
	}
}
