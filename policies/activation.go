package policies

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// activation gives the expressions of one evaluation their variables. A let is
// evaluated when it is first read and then kept. It serves one evaluation and
// is not safe for concurrent use.
type activation struct {
	program  *Program
	resource ref.Val
	account  ref.Val
	region   types.String
	now      types.Timestamp

	lets       []ref.Val // nil until read
	violations ref.Val   // for the summary
	unknowns   []*cel.AttributePatternType
}

var _ cel.PartialActivation = (*activation)(nil)

func (pr *Program) activate(in *Input) *activation {
	p := pr.policy
	adapt := p.env.adapter.NativeToValue
	a := &activation{
		program:  pr,
		resource: adapt(in.View.Value),
		account: adapt(&accountVars{
			ID: in.Account.ID, Name: in.Account.Name, OU: in.Account.OU, Tags: in.Account.Tags,
		}),
		region: types.String(in.Ref.Region),
		now:    types.Timestamp{Time: in.Now},
		lets:   make([]ref.Val, len(p.lets)),
	}
	for field := range in.View.Unknown {
		a.unknowns = append(a.unknowns, cel.AttributePattern("resource").QualString(field))
	}
	return a
}

// ResolveName implements cel.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "resource":
		return a.resource, true
	case "now":
		return a.now, true
	case "account":
		return a.account, true
	case "region":
		return a.region, true
	case "violations":
		return a.violations, a.violations != nil
	}
	if value, ok := a.program.params[name]; ok {
		return value, true
	}
	for i, let := range a.program.policy.lets {
		if let.name == name {
			if a.lets[i] == nil {
				a.lets[i] = let.eval(a)
			}
			return a.lets[i], true
		}
	}
	return nil, false
}

// Parent implements cel.Activation.
func (a *activation) Parent() cel.Activation { return nil }

// UnknownAttributePatterns implements cel.PartialActivation: the fields that
// rest on members of the document that could not be read.
func (a *activation) UnknownAttributePatterns() []*cel.AttributePatternType { return a.unknowns }

// AsPartialActivation is by which cel-go finds out that fields may be unknown,
// also from inside a loop. Without it every field counts as known.
func (a *activation) AsPartialActivation() (cel.PartialActivation, bool) { return a, true }
