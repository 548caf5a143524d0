package policies

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// Program is a policy bound to a launch: its parameters, scope and severity.
// It is immutable and safe for concurrent use.
type Program struct {
	policy   *Policy
	scope    qrie.Scope
	severity qrie.Severity
	params   map[string]any // by the name that expressions use

	turns  []turnSpans // the turns of the policy's clock
	stated []time.Time // the moments at which one may turn for every resource
}

// Input is one resource to judge.
type Input struct {
	View    resources.View
	Ref     qrie.Ref
	Account qrie.Account
	Now     time.Time
}

// Bind checks the launch's parameters and converts them once. A zero Launch
// binds the defaults with a scope that covers everything.
func (p *Policy) Bind(l qrie.Launch) (*Program, error) {
	if l.Policy != "" && l.Policy != p.ID && !slices.Contains(p.Aliases, l.Policy) {
		return nil, fmt.Errorf("bind %s: the launch is of policy %s", p.ID, l.Policy)
	}
	pr := &Program{policy: p, scope: l.Scope, severity: p.Severity}
	if l.Severity != nil {
		pr.severity = *l.Severity
	}
	if !pr.severity.Valid() {
		return nil, fmt.Errorf("bind %s: severity %d is not between 0 and 100", p.ID, pr.severity)
	}
	var err error
	if pr.params, err = p.bindParams(l.Params); err != nil {
		return nil, fmt.Errorf("bind %s: %w", p.ID, err)
	}
	pr.bindClock()
	return pr, nil
}

// Policy is the policy that the program was bound from.
func (pr *Program) Policy() *Policy { return pr.policy }

// Evaluate judges one resource. It never fails: what cannot be evaluated is
// Unknown and says why.
func (pr *Program) Evaluate(in Input) qrie.Verdict {
	if reason, covered := pr.covers(in); !covered {
		v := pr.verdict(qrie.Skip, reason)
		v.OutOfScope = true
		return v
	} else if reason != "" {
		return pr.verdict(qrie.Unknown, reason)
	}
	v := pr.judge(&in)
	if pr.policy.UsesNow {
		v.DueAt = pr.dueAt(in, v)
	}
	return v
}

func (pr *Program) verdict(outcome qrie.Outcome, reason string) qrie.Verdict {
	return qrie.Verdict{Policy: pr.policy.ID, Severity: pr.severity, Outcome: outcome, Reason: reason}
}

// judge is the verdict on a resource that the launch covers, without when it
// is due.
func (pr *Program) judge(in *Input) qrie.Verdict {
	a := pr.activate(in)
	v, found := pr.decide(a, in.View)
	pr.explain(&v, a, found)
	return v
}

// decide is the verdict without evidence and summary, which are of what it
// found.
func (pr *Program) decide(a *activation, view resources.View) (v qrie.Verdict, found []ref.Val) {
	if when := pr.policy.when; when != nil {
		switch applies := when.eval(a); applies {
		case types.True:
		case types.False:
			return pr.verdict(qrie.Skip, "does not apply to this resource: "+when.text+" is false"), nil
		default:
			return pr.verdict(qrie.Unknown, pr.whyUnknown(when, applies, view)), nil
		}
	}
	found, reason := pr.violations(a, view)
	switch {
	case len(found) > 0:
		return pr.verdict(qrie.Fail, ""), found
	case reason != "":
		return pr.verdict(qrie.Unknown, reason), nil
	}
	return pr.verdict(qrie.Pass, ""), nil
}

// explain adds evidence and summary, if anything was found.
func (pr *Program) explain(v *qrie.Verdict, a *activation, found []ref.Val) {
	if len(found) > 0 {
		v.Evidence, v.Summary = evidenceOf(found), pr.summary(a, found)
	}
}

// covers tells whether the launch covers the resource. Where tags decide and
// cannot be read, it gives a reason for Unknown instead.
func (pr *Program) covers(in Input) (reason string, covered bool) {
	if pr.scope.Covers(in.Account, in.View.Tags) {
		if m, ok := in.View.Unknown["tags"]; ok && len(pr.scope.ExcludeTags) > 0 {
			return "cannot tell whether the launch covers this resource: " + cannotRead(m), true
		}
		return "", true
	}
	if m, ok := in.View.Unknown["tags"]; ok && len(pr.scope.IncludeTags) > 0 {
		untagged := pr.scope
		untagged.IncludeTags, untagged.ExcludeTags = nil, nil
		if untagged.Covers(in.Account, nil) {
			return "cannot tell whether the launch covers this resource: " + cannotRead(m), true
		}
	}
	return "the launch does not cover this resource", false
}

// violations gathers the offending parts from every expression. reason says
// why an expression could not tell, empty if all could.
func (pr *Program) violations(a *activation, view resources.View) (found []ref.Val, reason string) {
	for _, e := range pr.policy.violations {
		value := e.eval(a)
		list, ok := value.(traits.Lister)
		if !ok {
			if reason == "" {
				reason = pr.whyUnknown(e, value, view)
			}
			continue
		}
		part, why := elements(list)
		if why != nil {
			if reason == "" {
				reason = pr.whyUnknown(e, why, view)
			}
			continue
		}
		found = append(found, part...)
	}
	return found, reason
}

// elements lists the elements, or gives the error or unknown among them: CEL
// lets a list hold either.
func elements(list traits.Lister) (found []ref.Val, why ref.Val) {
	for i := list.Iterator(); i.HasNext() == types.True; {
		element := i.Next()
		if why := undecided(element); why != nil {
			return nil, why
		}
		found = append(found, element)
	}
	return found, nil
}

// undecided returns the error or unknown in a violation, nil if there is none.
func undecided(value ref.Val) ref.Val {
	if types.IsUnknownOrError(value) {
		return value
	}
	switch v := value.(type) {
	case traits.Mapper:
		for i := v.Iterator(); i.HasNext() == types.True; {
			if why := undecided(v.Get(i.Next())); why != nil {
				return why
			}
		}
	case traits.Lister:
		for i := v.Iterator(); i.HasNext() == types.True; {
			if why := undecided(i.Next()); why != nil {
				return why
			}
		}
	}
	return nil
}

// summary is the sentence of a failure; the title where the expression cannot
// tell it.
func (pr *Program) summary(a *activation, found []ref.Val) string {
	a.violations = types.NewRefValList(pr.policy.env.adapter, found)
	text, ok := pr.policy.summary.eval(a).(types.String)
	if !ok {
		return pr.policy.Title
	}
	return cut(string(text), maxText)
}

// whyUnknown says why an expression has no value, and how to mend it.
func (pr *Program) whyUnknown(e *expression, value ref.Val, view resources.View) string {
	unknown, ok := value.(*types.Unknown)
	if !ok {
		return cut(fmt.Sprintf("cannot evaluate %s: %v", e.name, value), maxText)
	}
	members := make(map[string]qrie.Missing)
	for _, id := range unknown.IDs() {
		trails, _ := unknown.GetAttributeTrails(id)
		for _, trail := range trails {
			for field, m := range view.Unknown {
				if len(trail.QualifierPath()) == 0 || trail.QualifierPath()[0] == field {
					members[m.Member] = m
				}
			}
		}
	}
	var reasons []string
	for _, member := range slices.Sorted(maps.Keys(members)) {
		reasons = append(reasons, cannotRead(members[member]))
	}
	return cut(strings.Join(reasons, "; "), maxText)
}

// cannotRead names the member, AWS's error code and the IAM action.
func cannotRead(m qrie.Missing) string {
	text := fmt.Sprintf("cannot read %s: %s answered %s", m.Member, m.Action, m.Code)
	if strings.Contains(m.Code, "AccessDenied") || strings.Contains(m.Code, "Unauthorized") {
		text += "; allow " + m.Action + " to qrie's role"
	}
	return text
}

// cut shortens a text to at most n bytes and shows that it did.
func cut(text string, n int) string {
	text = strings.ToValidUTF8(text, "�")
	if len(text) <= n {
		return text
	}
	const more = "…"
	n -= len(more)
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + more
}
