package store

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
)

// Dimension is what a counter counts by.
type Dimension string

// The dimensions.
const (
	ByFinding  Dimension = "finding"  // Name: policy, Part: state and severity
	ByVerdict  Dimension = "verdict"  // Name: policy, Part: outcome
	ByResource Dimension = "resource" // Name: type, Part: "total" or "failing"
	ByDay      Dimension = "day"      // Name: day, Part: "opened" or "resolved", and band
)

// Counter names one counter. An empty account is the total over all accounts.
type Counter struct {
	Dimension Dimension
	Account   string
	Name      string
	Part      string
}

// Delta is a change of one counter.
type Delta struct {
	Counter
	N  int64
	At time.Time // when the last one was added; zero if none was
}

// FindingCounter counts findings of a policy by state and severity.
func FindingCounter(account, policy string, state qrie.State, severity qrie.Severity) Counter {
	return Counter{ByFinding, account, policy, string(state) + "/" + strconv.Itoa(int(severity))}
}

// VerdictCounter counts resources by outcome under a policy.
func VerdictCounter(account, policy string, outcome qrie.Outcome) Counter {
	return Counter{ByVerdict, account, policy, string(outcome)}
}

// ResourceCounter counts the resources of a type, or the failing ones.
func ResourceCounter(account, resourceType string, failing bool) Counter {
	if failing {
		return Counter{ByResource, account, resourceType, "failing"}
	}
	return Counter{ByResource, account, resourceType, "total"}
}

// DayCounter counts the findings opened or resolved on the day of at.
func DayCounter(at time.Time, band qrie.Band, resolved bool) Counter {
	what := "opened/"
	if resolved {
		what = "resolved/"
	}
	return Counter{ByDay, "", at.UTC().Format(time.DateOnly), what + string(band)}
}

// String names a counter for people.
func (c Counter) String() string {
	account := c.Account
	if account == "" {
		account = "all accounts"
	}
	return strings.Join([]string{string(c.Dimension), account, c.Name, c.Part}, " ")
}

// Tally adds up deltas. The zero value is ready.
type Tally struct{ sums map[Counter]Delta }

// Add changes one counter by n. A time says when the last one was added.
func (t *Tally) Add(c Counter, n int64, at time.Time) {
	if t.sums == nil {
		t.sums = map[Counter]Delta{}
	}
	d := t.sums[c]
	d.Counter, d.N = c, d.N+n
	if at.After(d.At) {
		d.At = at
	}
	t.sums[c] = d
}

// both changes the account's counter and the total.
func (t *Tally) both(c Counter, n int64, at time.Time) {
	t.Add(c, n, at)
	c.Account = ""
	t.Add(c, n, at)
}

// Deltas are the sums that are not zero, and those that carry a time, in one
// order: adapters that lock rows meet them in the same order.
func (t *Tally) Deltas() []Delta {
	out := make([]Delta, 0, len(t.sums))
	for _, d := range t.sums {
		if d.N != 0 || !d.At.IsZero() {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Delta) int {
		return cmp.Or(cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Account, b.Account),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Part, b.Part))
	})
	return out
}

// Resource adds what replacing one state of a resource by another does to the
// counters of resources and verdicts. Version 0 stands for "none stored". A
// tombstone counts nowhere. Most heads stay as they are and cost nothing.
func (t *Tally) Resource(old, next Resource) {
	t.resource(old, next, -1)
	t.resource(next, old, 1)
}

// resource adds n for what r has and other has not.
func (t *Tally) resource(r, other Resource, n int64) {
	if r.Version == 0 || r.Deleted {
		return
	}
	otherFails := false
	if other.Version == 0 || other.Deleted {
		other.Heads = nil
		t.both(ResourceCounter(r.Ref.Account, r.Ref.Type, false), n, time.Time{})
	} else {
		open, _ := other.OpenFindings()
		otherFails = open > 0
	}
	if open, _ := r.OpenFindings(); open > 0 && !otherFails {
		t.both(ResourceCounter(r.Ref.Account, r.Ref.Type, true), n, time.Time{})
	}
	for policy, h := range r.Heads {
		if was, ok := other.Heads[policy]; !ok || was.Outcome != h.Outcome {
			t.both(VerdictCounter(r.Ref.Account, policy, h.Outcome), n, time.Time{})
		}
	}
}

// Finding adds what replacing one state of a finding by another does to the
// counters of findings. An empty id stands for "none stored".
func (t *Tally) Finding(old, next qrie.Finding) {
	moved := old.ID == "" || old.State != next.State || old.Severity != next.Severity
	if old.ID != "" && (moved || next.ID == "") {
		t.both(FindingCounter(old.Ref.Account, old.Policy, old.State, old.Severity), -1, time.Time{})
	}
	if next.ID != "" && moved {
		t.both(FindingCounter(next.Ref.Account, next.Policy, next.State, next.Severity), 1, next.ChangedAt)
	}
}

// Transition adds an opening or a resolving to the counters of its day.
func (t *Tally) Transition(tr qrie.Transition) {
	if tr.Kind != qrie.Changed && tr.Kind != qrie.Explained {
		t.Add(DayCounter(tr.At, tr.Severity.Band(), tr.Kind == qrie.Closed), 1, time.Time{})
	}
}
