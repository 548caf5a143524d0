package simulation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
	storememory "github.com/qrie-sec/qrie/store/memory"
)

// judge holds what is stored against the world as it is.
func (r *run) judge(snap storememory.Snapshot) {
	set, err := r.store.LaunchSet(r.ctx)
	if err != nil {
		r.watch.wrong("the store does not tell the launches: %v", err)
		return
	}
	truth := r.truth()
	r.judgeResources(snap.Resources, truth)
	r.judgeFindings(snap.Findings, truth, set.Launches)
	r.judgeHistory(snap.Transitions, snap.Findings)
	r.judgeCounters(snap)
}

// thing is a resource of the world as it is.
type thing struct {
	obs     qrie.Observation
	account qrie.Account
}

// truth is every resource of the accounts that are watched, by key.
func (r *run) truth() map[string]thing {
	out := map[string]thing{}
	for _, a := range r.watched {
		for _, t := range resources.All() {
			regions := a.Regions
			if t.Global {
				regions = []string{"us-east-1"}
			}
			for _, region := range regions {
				for token, more := "", true; more; more = token != "" {
					var refs []qrie.Ref
					var err error
					if refs, token, err = r.world.List(r.ctx, a.ID, region, t.Name, token); err != nil {
						r.watch.wrong("the world cannot be listed: %v", err)
					}
					for _, ref := range refs {
						if obs, ok := r.world.Truth(ref); ok {
							out[ref.Key()] = thing{obs, a}
						}
					}
				}
			}
		}
	}
	return out
}

func (r *run) judgeResources(stored []store.Resource, truth map[string]thing) {
	have := map[string]store.Resource{}
	for _, s := range stored {
		have[s.Ref.Key()] = s
		if r.unheard(s.Ref) {
			continue
		}
		if t, ok := truth[s.Ref.Key()]; !ok && !s.Deleted {
			r.watch.wrong("%s is stored, observed at %s, and is not there", s.Ref.Key(), s.ObservedAt)
		} else if ok && s.Deleted {
			r.watch.wrong("%s is there, and stored as deleted", s.Ref.Key())
		} else if have, is := r.heard(qrie.Observation{Ref: s.Ref, Document: s.Document}), r.heard(t.obs); ok && !bytes.Equal(have, is) {
			at := apart(have, is)
			r.watch.wrong("%s is stored, observed at %s, with %.100q, and has %.100q", s.Ref.Key(), s.ObservedAt, have[at:], is[at:])
		}
	}
	for key, t := range truth {
		if _, ok := have[key]; !ok && !r.unheard(t.obs.Ref) {
			r.watch.wrong("%s is there and not stored", key)
		}
	}
}

// apart is a little before the place where two documents part.
func apart(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return max(0, n-40)
}

// unheard reports whether a resource may have changed without an event, and no
// scan has come since: volumes come and go with instances.
func (r *run) unheard(ref qrie.Ref) bool { return ref.Type == "AWS::EC2::Volume" && !r.blind }

// heard is what of a document events tell. The volumes in that of an instance
// change by events of their own, and only a scan reads the instance again.
func (r *run) heard(obs qrie.Observation) []byte {
	document := obs.Document
	if t, ok := resources.Find(obs.Ref.Type); ok {
		document = t.Steady(document)
	}
	var members map[string]json.RawMessage
	if obs.Ref.Type != "AWS::EC2::Instance" || r.blind || json.Unmarshal(document, &members) != nil {
		return document
	}
	delete(members, "Volumes")
	document, err := json.Marshal(members)
	if err != nil {
		r.watch.wrong("document of %s: %v", obs.Ref, err)
	}
	return document
}

// expected are the findings of the active launches, by id.
func (r *run) expected(truth map[string]thing, launches []qrie.Launch) map[string]qrie.Verdict {
	out := map[string]qrie.Verdict{}
	for _, l := range launches {
		p, ok := r.catalogue.Get(l.Policy)
		if !ok || l.Status != qrie.LaunchActive {
			continue
		}
		program, err := p.Bind(l)
		if err != nil {
			r.watch.wrong("launch of %s: %v", l.Policy, err)
			continue
		}
		for _, t := range truth {
			if t.obs.Ref.Type != p.ResourceType {
				continue
			}
			kind, _ := resources.Find(p.ResourceType)
			view, err := kind.View(t.obs.Ref, t.obs.Document)
			if err != nil {
				r.watch.wrong("document of %s: %v", t.obs.Ref, err)
				continue
			}
			v := program.Evaluate(policies.Input{View: view, Ref: t.obs.Ref, Account: t.account, Now: r.now()})
			if v.Outcome == qrie.Fail {
				out[t.obs.Ref.FindingID(p.ID)] = v
			}
		}
	}
	return out
}

func (r *run) judgeFindings(found []qrie.Finding, truth map[string]thing, launches []qrie.Launch) {
	status := map[string]qrie.LaunchStatus{}
	for _, l := range launches {
		status[l.Policy] = l.Status
	}
	missing := r.expected(truth, launches)
	for _, f := range found {
		t, there := truth[f.Ref.Key()]
		v, want := missing[f.ID]
		delete(missing, f.ID)
		name := fmt.Sprintf("finding of %s on %s", f.Policy, f.Ref.Key())
		switch {
		case f.State == qrie.Active && !there:
			r.watch.wrong("%s is active, and the resource is not there", name)
		case f.State == qrie.Active && status[f.Policy] == "":
			r.watch.wrong("%s is active, and the policy is not launched", name)
		case status[f.Policy] == qrie.LaunchSuspended: // it stays as it was
		case f.State == qrie.Active && !want:
			r.watch.wrong("%s is active, and must not be: %s", name, t.obs.Document)
		case f.State != qrie.Active && want:
			r.watch.wrong("%s is resolved (%s), and must be active", name, f.Resolution)
		case want && (f.Severity != v.Severity || f.Summary != v.Summary || !sameJSON(f.Evidence, v.Evidence)):
			r.watch.wrong("%s is %d %q %+v, and must be %d %q %+v", name, f.Severity, f.Summary, f.Evidence, v.Severity, v.Summary, v.Evidence)
		}
	}
	for id := range missing {
		r.watch.wrong("finding %s of %s is missing", id, missing[id].Policy)
	}
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// judgeHistory reads the time line of each finding.
func (r *run) judgeHistory(history []qrie.Transition, found []qrie.Finding) {
	ids, open, ever := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, t := range history {
		name := fmt.Sprintf("transition %d of %s on %s (%s)", t.Seq, t.Policy, t.Ref.Key(), t.Kind)
		if ids[t.ID] {
			r.watch.wrong("%s is written twice", name)
		}
		ids[t.ID] = true
		if t.Kind == qrie.Explained && ever[t.Finding] {
			continue
		}
		fits := open[t.Finding]
		switch t.Kind {
		case qrie.Opened:
			fits = !ever[t.Finding]
		case qrie.Reopened:
			fits = ever[t.Finding] && !open[t.Finding]
		}
		if !fits {
			r.watch.wrong("%s does not follow on the one before", name)
		}
		open[t.Finding], ever[t.Finding] = t.Kind != qrie.Closed, true
	}
	for _, f := range found {
		if open[f.ID] != (f.State == qrie.Active) {
			r.watch.wrong("finding %s is %s, which its history does not tell", f.ID, f.State)
		}
	}
}

// judgeCounters counts anew.
func (r *run) judgeCounters(snap storememory.Snapshot) {
	counted := map[string]int64{}
	for _, f := range snap.Findings {
		counted[fmt.Sprint("findings ", f.Ref.Account, " ", f.Policy, " ", f.Severity, " ", f.State)]++
	}
	for _, s := range snap.Resources {
		if s.Deleted {
			continue
		}
		for policy, h := range s.Heads {
			counted[fmt.Sprint("verdicts ", s.Ref.Account, " ", policy, " ", h.Outcome)]++
		}
		counted[fmt.Sprint("resources ", s.Ref.Account, " ", s.Ref.Type)]++
		if n, _ := s.OpenFindings(); n > 0 {
			counted[fmt.Sprint("failing ", s.Ref.Account, " ", s.Ref.Type)]++
		}
	}
	told := map[string]int64{}
	findings, err1 := r.store.CountFindings(r.ctx, store.EachAccount)
	for _, c := range findings {
		told[fmt.Sprint("findings ", c.Account, " ", c.Policy, " ", c.Severity, " ", c.State)] += c.Count
	}
	verdicts, err2 := r.store.CountVerdicts(r.ctx, store.EachAccount)
	for _, c := range verdicts {
		told[fmt.Sprint("verdicts ", c.Account, " ", c.Policy, " ", c.Outcome)] += c.Count
	}
	all, err3 := r.store.CountResources(r.ctx, store.EachAccount)
	for _, c := range all {
		told[fmt.Sprint("resources ", c.Account, " ", c.Type)] += c.Total
		told[fmt.Sprint("failing ", c.Account, " ", c.Type)] += c.Failing
	}
	if err1 != nil || err2 != nil || err3 != nil {
		r.watch.wrong("the counters cannot be read: %v, %v, %v", err1, err2, err3)
	}
	for _, name := range slices.Sorted(maps.Keys(counted)) {
		if told[name] != counted[name] {
			r.watch.wrong("counter of %s is %d, and there are %d", name, told[name], counted[name])
		}
		delete(told, name)
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		if told[name] != 0 {
			r.watch.wrong("counter of %s is %d, and there are none", name, told[name])
		}
	}
	if !maps.Equal(snap.Counters, snap.Counted) {
		r.watch.wrong("the counters are not what a recount gives")
	}
}
