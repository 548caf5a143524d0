package policies

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// clock is how the passing of time can change a verdict, as the checked
// expressions tell: they use now only to compare it with dates, apart by spans
// that no resource decides. The verdict then changes at a date moved by such
// spans, and at no other moment. (An age beyond the 292 years that a duration
// of CEL holds makes an expression fail; when that begins is not looked for.)
type clock struct {
	turns  []turn
	dates  []datePath    // the dates of a view that the expressions read
	stated []*expression // the timestamps that the expressions state themselves
	view   reflect.Type  // of the value that the dates are in
}

// turn is where a comparison turns: at any date and the spans after it, or
// just after that moment.
type turn struct {
	spans     []span
	justAfter bool
}

// span is a duration made of constants and parameters alone.
type span struct {
	of    *expression
	minus bool
}

// maxTurns bounds the turns of a policy. A comparison has one or two, and
// twice as many for each choice between spans on its way.
const maxTurns = 64

// sum is a timestamp or duration, or a list of such, as what it is added up
// from: now so many times, so many dates, and one of several lists of spans. A
// timestamp counts as one moment and a duration as none, so whether its one
// date is added or taken away follows from now. Of many nothing else is known.
type sum struct {
	now, dates int
	spans      [][]span
}

const many = 2

func (s *sum) moves() bool { return s != nil && s.now != 0 }

// variable is what an expression may name.
type variable struct {
	sum   *sum // nil if it holds no moment
	fixed bool // made of constants and parameters alone
}

// clockReader reads the clock of one policy off its expressions.
type clockReader struct {
	policy *Policy
	tree   *ast.AST // of the expression that is read
	vars   map[string]variable
	reads  map[member]bool
	clock  clock
	lost   bool // now is used otherwise than to compare it with a date
}

// member is a field of a struct type of the view.
type member struct{ owner, name string }

// readClock returns the clock of a policy, nil if its verdicts may change at
// moments that its dates do not tell.
func readClock(p *Policy) *clock {
	r := &clockReader{policy: p, reads: make(map[member]bool), vars: map[string]variable{
		"now": {sum: &sum{now: 1, spans: [][]span{nil}}}, "resource": {}, "account": {}, "region": {},
	}}
	for _, param := range p.Params {
		r.vars["params."+param.Name] = variable{fixed: true}
	}
	for _, let := range p.lets {
		value := variable{sum: r.read(let)}
		value.fixed = r.fixed(let.ast.NativeRep().Expr())
		r.vars[let.name] = value
	}
	r.vars["violations"] = variable{sum: unknownOf(violationsType(p.violations))}
	for _, e := range p.expressions()[len(p.lets):] {
		if r.read(e).moves() { // and its value is part of the verdict
			r.lost = true
		}
	}
	if r.lost || len(r.clock.turns) > maxTurns {
		return nil
	}
	r.clock.view = reflect.TypeOf(p.kind.Sample)
	r.clock.dates = datePaths(viewType(p.kind), r.reads, nil)
	return &r.clock
}

func (r *clockReader) read(e *expression) *sum {
	r.tree = e.ast.NativeRep()
	return r.sum(r.tree.Expr())
}

// sum reads an expression: what it makes of moments, nil if it holds none.
func (r *clockReader) sum(n ast.Expr) *sum {
	kind := r.tree.GetType(n.ID())
	if (kind.Kind() == types.TimestampKind || kind.Kind() == types.DurationKind) && r.fixed(n) {
		return r.constant(n, kind)
	}
	switch n.Kind() {
	case ast.IdentKind:
		if v, ok := r.vars[n.AsIdent()]; ok {
			return v.sum
		}
		if strings.HasPrefix(n.AsIdent(), ".") { // so is written what a loop hides
			r.lost = true
		}
	case ast.SelectKind:
		operand, name := n.AsSelect().Operand(), n.AsSelect().FieldName()
		r.still(operand)
		owner := r.tree.GetType(operand.ID())
		if owner.Kind() == types.StructKind && holdsDates(kind) { // has(x.date) is a bool
			r.reads[member{owner.TypeName(), name}] = true
			return &sum{dates: 1, spans: [][]span{nil}}
		}
	case ast.ListKind:
		var all *sum
		for _, element := range n.AsList().Elements() {
			all = r.either(all, r.sum(element))
		}
		return all
	case ast.MapKind:
		for _, entry := range n.AsMap().Entries() {
			r.still(entry.AsMapEntry().Key())
			r.still(entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		r.lost = true // its dates would pass for those of the view
	case ast.ComprehensionKind:
		return r.loop(n.AsComprehension())
	case ast.CallKind:
		return r.call(n.AsCall(), kind)
	}
	return unknownOf(kind)
}

// still reads an expression whose value must not move with the clock.
func (r *clockReader) still(n ast.Expr) {
	if r.sum(n).moves() {
		r.lost = true
	}
}

// constant notes a timestamp that the expression states itself, or gives a
// duration as a span.
func (r *clockReader) constant(n ast.Expr, kind *types.Type) *sum {
	e := r.alone(n)
	if kind.Kind() == types.DurationKind {
		return &sum{spans: [][]span{{{of: e}}}}
	}
	r.clock.stated = append(r.clock.stated, e)
	return &sum{dates: 1, spans: [][]span{nil}}
}

// alone makes a part of the expression runnable by itself.
func (r *clockReader) alone(n ast.Expr) *expression {
	part := ast.NewCheckedAST(ast.NewAST(n, r.tree.SourceInfo()), r.tree.TypeMap(), r.tree.ReferenceMap())
	program, err := r.policy.env.cel.PlanProgram(part)
	if err != nil {
		r.lost = true
	}
	return &expression{full: program}
}

// fixed reports whether an expression is made of constants and parameters
// alone, so that it can be evaluated once and for all.
func (r *clockReader) fixed(n ast.Expr) bool {
	own := make(map[string]bool) // variables of loops within
	var names []string
	ast.PreOrderVisit(n, ast.NewExprVisitor(func(n ast.Expr) {
		switch n.Kind() {
		case ast.IdentKind:
			if !strings.HasPrefix(n.AsIdent(), "@") { // what a macro gathers, which no author can name
				names = append(names, n.AsIdent())
			}
		case ast.ComprehensionKind:
			loop := n.AsComprehension()
			own[loop.IterVar()], own[loop.IterVar2()] = true, true
		}
	}))
	return !slices.ContainsFunc(names, func(name string) bool {
		v, known := r.vars[name]
		return known && !v.fixed || !known && !own[name]
	})
}

func (r *clockReader) call(call ast.CallExpr, kind *types.Type) *sum {
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.Add, operators.Subtract:
		left, right := r.sum(args[0]), r.sum(args[1])
		if kind.Kind() == types.ListKind {
			return r.either(left, right)
		}
		return cmp.Or(r.plus(left, right, name == operators.Subtract), unknownOf(kind))
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.Equals, operators.NotEquals:
		if difference := r.plus(r.sum(args[0]), r.sum(args[1]), true); difference.moves() {
			r.turn(difference, name)
		}
		return nil
	case operators.Conditional:
		r.still(args[0])
		return r.either(r.sum(args[1]), r.sum(args[2]))
	}
	if call.IsMemberFunction() {
		r.still(call.Target())
	}
	for _, arg := range args {
		r.still(arg)
	}
	return unknownOf(kind)
}

// plus adds two sums, or takes the right one away from the left; nil if one
// of them holds no moment.
func (r *clockReader) plus(left, right *sum, minus bool) *sum {
	if left == nil || right == nil {
		if left.moves() || right.moves() {
			r.lost = true
		}
		return nil
	}
	s := &sum{now: left.now + right.now, dates: min(left.dates+right.dates, many)}
	if minus {
		s.now = left.now - right.now
	}
	for _, a := range left.spans {
		for _, b := range right.spans {
			s.spans = append(s.spans, slices.Concat(a, signed(b, minus)))
		}
	}
	return r.bounded(s)
}

// either is the sum of what may be one or the other.
func (r *clockReader) either(a, b *sum) *sum {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.now == b.now && a.dates == b.dates:
		s := &sum{now: a.now, dates: a.dates, spans: slices.Clone(a.spans)}
		for _, spans := range b.spans {
			if !slices.ContainsFunc(a.spans, func(other []span) bool { return slices.Equal(spans, other) }) {
				s.spans = append(s.spans, spans)
			}
		}
		return r.bounded(s)
	}
	if a.moves() || b.moves() {
		r.lost = true
	}
	return &sum{dates: many, spans: [][]span{nil}}
}

// bounded forgets what a sum of too many spans is, and gives up where now
// stands beside more than one date.
func (r *clockReader) bounded(s *sum) *sum {
	if len(s.spans) > maxTurns {
		s.dates, s.spans = many, s.spans[:1]
	}
	if s.moves() && s.dates == many {
		r.lost = true
	}
	return s
}

// loop reads what a macro became: its variable is any element of the range.
func (r *clockReader) loop(loop ast.ComprehensionExpr) *sum {
	outer := r.vars
	defer func() { r.vars = outer }()
	element, start := r.sum(loop.IterRange()), r.sum(loop.AccuInit())
	r.vars = maps.Clone(outer)
	r.vars[loop.IterVar()] = variable{sum: element}
	r.vars[loop.IterVar2()] = variable{sum: element}
	r.vars[loop.AccuVar()] = variable{sum: start}
	r.still(loop.LoopCondition())
	r.vars[loop.AccuVar()] = variable{sum: r.either(start, r.sum(loop.LoopStep()))}
	return r.sum(loop.Result())
}

// turn notes where the comparison of a difference with nothing turns. With d
// the date and x the spans, now - d + x passes zero at d - x, and d - now + x
// at d + x, the other way round.
func (r *clockReader) turn(difference *sum, operator string) {
	rising := difference.now > 0
	below := operator == operators.Less || operator == operators.GreaterEquals
	equal := operator == operators.Equals || operator == operators.NotEquals
	for _, spans := range difference.spans {
		spans = signed(spans, rising)
		if below == rising || equal {
			r.clock.turns = append(r.clock.turns, turn{spans: spans})
		}
		if below != rising || equal {
			r.clock.turns = append(r.clock.turns, turn{spans: spans, justAfter: true})
		}
	}
}

// signed turns the signs of spans around if minus is set.
func signed(spans []span, minus bool) []span {
	spans = slices.Clone(spans)
	for i := range spans {
		spans[i].minus = spans[i].minus != minus
	}
	return spans
}

// unknownOf is the sum of a value of which nothing is known but its type.
func unknownOf(kind *types.Type) *sum {
	switch kind.Kind() {
	case types.TimestampKind, types.DurationKind, types.DynKind, types.AnyKind, types.TypeParamKind:
		return &sum{dates: many, spans: [][]span{nil}}
	}
	for _, parameter := range kind.Parameters() {
		if s := unknownOf(parameter); s != nil {
			return s
		}
	}
	return nil
}

// holdsDates reports whether a type is a timestamp or a list of them.
func holdsDates(kind *types.Type) bool {
	for kind.Kind() == types.ListKind {
		kind = kind.Parameters()[0]
	}
	return kind.Kind() == types.TimestampKind
}
