package simulation

import (
	"errors"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
)

// someLaunch is a launch of a policy, often as it comes.
func (r *run) someLaunch(p *policies.Policy) qrie.Launch {
	l := qrie.Launch{Policy: p.ID, Status: qrie.LaunchActive, Definition: p.Definition(), CreatedAt: r.now(), UpdatedAt: r.now()}
	if r.rng.IntN(3) == 0 {
		r.vary(&l)
	}
	return l
}

// foreignDefinition is what another version calls its definition of a policy.
const foreignDefinition = "of an older version"

// vary changes the severity or the scope of a launch.
func (r *run) vary(l *qrie.Launch) {
	accounts := r.world.Accounts()
	one := accounts[r.rng.IntN(len(accounts))]
	switch r.rng.IntN(4) {
	case 0:
		severity := qrie.Severity(r.rng.IntN(101))
		l.Severity = &severity
	case 1:
		l.Scope = qrie.Scope{IncludeAccounts: []string{one.ID}}
	case 2:
		l.Scope = qrie.Scope{ExcludeAccounts: []string{one.ID}}
	case 3:
		l.Scope, l.Severity = qrie.Scope{}, nil
	}
}

// people does what people do to policies, as the API does it for them.
func (r *run) people(d doing) {
	set, err := r.store.LaunchSet(r.ctx)
	if err != nil {
		r.watch.wrong("the store does not tell the launches: %v", err)
		return
	}
	if d.what == actLaunch || d.what == actForeign {
		r.launch(set, d)
		return
	}
	want := qrie.LaunchActive
	if d.what == actResume {
		want = qrie.LaunchSuspended
	}
	var open []qrie.Launch
	for _, l := range set.Launches {
		if l.Status == want {
			open = append(open, l)
		}
	}
	if len(open) == 0 {
		return
	}
	l := open[d.n%uint64(len(open))]
	r.trace.note(r.now(), "%s: %s", d.what, l.Policy)
	switch d.what {
	case actChange:
		r.vary(&l)
		r.put(l, l.Generation, "changed")
	case actSuspend:
		l.Status = qrie.LaunchSuspended
		r.put(l, l.Generation, "")
	case actResume:
		l.Status = qrie.LaunchActive
		r.put(l, l.Generation, "resumed")
	case actDelete:
		r.remove(l)
	}
}

func (r *run) launch(set qrie.LaunchSet, d doing) {
	launched := map[string]bool{}
	for _, l := range set.Launches {
		launched[l.Policy] = true
	}
	var rest []*policies.Policy
	for _, p := range r.catalogue.All() {
		if !launched[p.ID] {
			rest = append(rest, p)
		}
	}
	if len(rest) == 0 {
		return
	}
	l := r.someLaunch(rest[d.n%uint64(len(rest))])
	if d.what == actForeign {
		l.Definition = foreignDefinition
	}
	r.put(l, 0, "launched")
}

// put writes a launch, and has what it covers judged anew if there is a reason.
func (r *run) put(l qrie.Launch, base int64, reason string) {
	if _, err := r.store.PutLaunch(r.ctx, l, base); err != nil {
		r.watch.wrong("the store refuses a launch: %v", err)
		return
	}
	if reason == "" {
		return
	}
	if _, err := r.starter.Rejudge(r.ctx, l.Policy, reason); err != nil {
		r.watch.wrong("nothing is judged anew: %v", err)
	}
}

// remove deletes a launch and resolves its findings.
func (r *run) remove(l qrie.Launch) {
	const chunk = 3
	if _, err := r.store.DeleteLaunch(r.ctx, l.Policy, l.Generation); err != nil {
		r.watch.wrong("the store does not delete a launch: %v", err)
		return
	}
	for {
		n, err := r.store.CloseFindings(r.ctx, l.Policy, qrie.ResolvedPolicyDeleted, r.now(), chunk)
		if err != nil && !errors.Is(err, qrie.ErrConflict) {
			r.watch.wrong("the findings of a deleted launch stay open: %v", err)
		}
		if n < chunk {
			return
		}
	}
}
