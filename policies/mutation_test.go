package policies

import (
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// TestMutants changes every expression of the catalogue in the ways it could
// have been written wrongly, and wants a fixture to notice each.
func TestMutants(t *testing.T) {
	total := 0
	for _, p := range catalogue(t).All() {
		t.Run(p.ID, func(t *testing.T) {
			for _, part := range p.parts() {
				same := mutant{"no change", 0, func(*ast.AST) {}}
				if noticed(t, p, part, same) {
					t.Fatalf("%s: fixtures notice what was only planned again", part.name)
				}
				for _, m := range mutants(part.of(p)) {
					total++
					if !noticed(t, p, part, m) {
						t.Errorf("%s, %s: no fixture notices\n%s", part.name, m, part.of(p).text)
					}
				}
			}
		})
	}
	t.Logf("%d mutants", total)
	if total < 100 {
		t.Errorf("only %d mutants were made of the whole catalogue", total)
	}
}

// noticed reports whether a fixture fails with the mutant in place of a part.
func noticed(t *testing.T, p *Policy, part part, m mutant) bool {
	t.Helper()
	changed, e := *p, *part.of(p)
	if err := e.replan(p, m.apply); err != nil {
		t.Fatalf("%s, %s: %v", part.name, m, err)
	}
	part.set(&changed, &e)
	any := false
	for _, result := range changed.RunTests() {
		any = any || !result.OK()
		if strings.Contains(result.Verdict.Reason, "no such overload") {
			t.Fatalf("%s, %s: the mutant is not valid: %s", part.name, m, result.Verdict.Reason)
		}
	}
	return any
}

// part is the place of one expression in a policy.
type part struct {
	name string
	of   func(*Policy) *expression
	set  func(*Policy, *expression)
}

func (p *Policy) parts() []part {
	var parts []part
	if p.when != nil {
		parts = append(parts, part{"when",
			func(p *Policy) *expression { return p.when },
			func(p *Policy, e *expression) { p.when = e }})
	}
	for i := range p.lets {
		parts = append(parts, part{"let " + p.lets[i].name,
			func(p *Policy) *expression { return p.lets[i] },
			func(p *Policy, e *expression) { p.lets = with(p.lets, i, e) }})
	}
	for i := range p.violations {
		parts = append(parts, part{fmt.Sprintf("violations %d", i),
			func(p *Policy) *expression { return p.violations[i] },
			func(p *Policy, e *expression) { p.violations = with(p.violations, i, e) }})
	}
	return append(parts, part{"summary",
		func(p *Policy) *expression { return p.summary },
		func(p *Policy, e *expression) { p.summary = e }})
}

func with(list []*expression, i int, e *expression) []*expression {
	changed := append([]*expression(nil), list...)
	changed[i] = e
	return changed
}

// mutant is one change at one node of an expression.
type mutant struct {
	what  string
	node  int64
	apply func(*ast.AST)
}

func (m mutant) String() string { return fmt.Sprintf("%s at node %d", m.what, m.node) }

// replan compiles a changed copy of the expression's tree.
func (e *expression) replan(p *Policy, change func(*ast.AST)) error {
	tree := ast.Copy(e.ast.NativeRep())
	change(tree)
	var err error
	if e.full, err = p.env.cel.PlanProgram(tree); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if e.partial, err = p.env.cel.PlanProgram(tree, cel.EvalOptions(cel.OptPartialEval)); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return nil
}

// comparisons maps each comparison to those it could have been.
var comparisons = map[string][]string{
	operators.Less:          {operators.LessEquals, operators.GreaterEquals},
	operators.LessEquals:    {operators.Less, operators.Greater},
	operators.Greater:       {operators.GreaterEquals, operators.LessEquals},
	operators.GreaterEquals: {operators.Greater, operators.Less},
	operators.Equals:        {operators.NotEquals},
	operators.NotEquals:     {operators.Equals},
}

// mutants lists the changes of an expression: an operand of && and || left
// out, a comparison turned or moved by one, a choice made once and for all, a
// condition negated.
func mutants(e *expression) []mutant {
	var list []mutant
	add := func(n ast.Expr, what string, change func(tree *ast.AST, node ast.Expr)) {
		id := n.ID()
		list = append(list, mutant{what, id, func(tree *ast.AST) {
			ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(node ast.Expr) {
				if node.ID() == id {
					change(tree, node)
					id = -1 // once: the change may have moved the node below itself
				}
			}))
		}})
	}
	keep := func(i int) func(*ast.AST, ast.Expr) {
		return func(tree *ast.AST, node ast.Expr) {
			kept := node.AsCall().Args()[i]
			delete(tree.ReferenceMap(), node.ID())
			if ref, ok := tree.ReferenceMap()[kept.ID()]; ok {
				tree.SetReference(node.ID(), ref)
			}
			node.SetKindCase(kept)
		}
	}
	var walk func(ast.Expr)
	walk = func(n ast.Expr) {
		switch n.Kind() {
		case ast.CallKind:
			call := n.AsCall()
			name, args := call.FunctionName(), call.Args()
			switch name {
			case operators.LogicalAnd, operators.LogicalOr:
				add(n, "only the left of "+name, keep(0))
				add(n, "only the right of "+name, keep(1))
			case operators.Conditional:
				add(n, "always the first choice", keep(1))
				add(n, "always the second choice", keep(2))
			case operators.LogicalNot:
				add(n, "without the negation", keep(0))
			case operators.In:
				add(n, "negated", negate)
			}
			for _, other := range comparisons[name] {
				add(n, name+" as "+other, func(tree *ast.AST, node ast.Expr) {
					rename(tree, node, other)
				})
			}
			if e.ast.NativeRep().GetType(n.ID()) == types.BoolType && name != operators.LogicalNot && comparisons[name] == nil && name != operators.In {
				add(n, "negated", negate)
			}
			if call.IsMemberFunction() {
				walk(call.Target())
			}
			for _, arg := range args {
				walk(arg)
			}
		case ast.SelectKind:
			if e.ast.NativeRep().GetType(n.ID()) == types.BoolType {
				add(n, "negated", negate)
			}
			walk(n.AsSelect().Operand())
		case ast.ListKind:
			for _, element := range n.AsList().Elements() {
				walk(element)
			}
		case ast.MapKind:
			for _, entry := range n.AsMap().Entries() {
				walk(entry.AsMapEntry().Value())
			}
		case ast.ComprehensionKind:
			loop := n.AsComprehension()
			walk(loop.IterRange())
			for _, written := range body(loop.LoopStep(), loop.AccuVar()) {
				walk(written)
			}
		}
	}
	walk(e.ast.NativeRep().Expr())
	return list
}

// body returns the parts of a macro's loop that the author wrote, without
// what gathers their results.
func body(step ast.Expr, gathered string) []ast.Expr {
	if step.Kind() == ast.IdentKind && step.AsIdent() == gathered {
		return nil
	}
	if step.Kind() != ast.CallKind {
		return []ast.Expr{step}
	}
	args := step.AsCall().Args()
	var written []ast.Expr
	found := false
	for _, arg := range args {
		if arg.Kind() == ast.IdentKind && arg.AsIdent() == gathered {
			found = true
			continue
		}
		inner := body(arg, gathered)
		if len(inner) != 1 || inner[0] != arg {
			found = true
		}
		written = append(written, inner...)
	}
	if !found {
		return []ast.Expr{step}
	}
	return written
}

func negate(tree *ast.AST, node ast.Expr) {
	factory := ast.NewExprFactory()
	inner := factory.CopyExpr(node)
	id := ast.MaxID(tree) + 1
	inner.RenumberIDs(func(old int64) int64 {
		if old != node.ID() {
			return old
		}
		if ref, ok := tree.ReferenceMap()[old]; ok {
			tree.SetReference(id, ref)
			delete(tree.ReferenceMap(), old)
		}
		return id
	})
	node.SetKindCase(factory.NewCall(node.ID(), operators.LogicalNot, inner))
}

// rename makes another call of a call. The overload was resolved for the old
// one, so the planner must look the new one up by its name.
func rename(tree *ast.AST, node ast.Expr, name string) {
	factory := ast.NewExprFactory()
	delete(tree.ReferenceMap(), node.ID())
	node.SetKindCase(factory.NewCall(node.ID(), name, node.AsCall().Args()...))
}
