package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
)

// Expected is one finding that the world must have.
type Expected struct {
	Ref    qrie.Ref
	Policy string
}

// judgement is what the conditions of a state may look at beside it. A
// finding is only expected where the parts of the document that qrie can read
// prove it: what cannot be read may hold anything.
type judgement struct {
	now     time.Time
	account *accountState
	hidden  []string // members that cannot be read
}

// sees reports whether all of the members can be read.
func (c judgement) sees(members ...string) bool {
	for _, m := range members {
		if slices.Contains(c.hidden, m) {
			return false
		}
	}
	return true
}

// Expect is the oracle: every finding that the world must have now if every
// policy of the starter catalogue is launched on its default parameters, over
// all accounts. Findings that qrie cannot tell, because its role lacks a
// permission or cannot be assumed, are left out: they are unknown. The list
// is sorted by key and policy.
func (w *World) Expect() []Expected {
	now := w.clock()
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.expect(now, false)
}

// ExpectAll is Expect for a qrie that can see everything.
func (w *World) ExpectAll() []Expected {
	now := w.clock()
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.expect(now, true)
}

func (w *World) expect(now time.Time, all bool) []Expected {
	var out []Expected
	for k := range kinds {
		for _, t := range w.byKind[k] {
			for _, policy := range w.failingOf(t, now, all) {
				out = append(out, Expected{w.ref(t), policy})
			}
		}
	}
	slices.SortFunc(out, func(a, b Expected) int {
		return cmp.Or(cmp.Compare(a.Ref.Key(), b.Ref.Key()), cmp.Compare(a.Policy, b.Policy))
	})
	return out
}

// failingOf lists the policies that a thing fails: all of them, or those that
// qrie's role can tell.
func (w *World) failingOf(t *thing, now time.Time, all bool) []string {
	if t.now == nil {
		return nil
	}
	c := judgement{now: now}
	c.account, _ = t.account.self.now.(*accountState)
	if a := t.account; !all {
		if a.unreached || a.denied[describeAction[t.kind]] {
			return nil
		}
		c.hidden = w.hiddenFrom(a, t.kind)
	}
	var out []string
	t.now.failing(c, func(policy string) { out = append(out, policy) })
	return out
}

// hiddenFrom lists the members that qrie's role cannot read in an account.
func (w *World) hiddenFrom(a *account, k kind) []string {
	if len(a.denied) == 0 {
		return nil
	}
	var hidden []string
	for _, action := range w.actions[k] {
		if a.denied[action.action] {
			hidden = append(hidden, action.member)
		}
	}
	return hidden
}
