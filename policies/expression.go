package policies

import (
	"errors"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"go.yaml.in/yaml/v3"
)

// expression is one CEL expression of a policy, checked and compiled.
type expression struct {
	name string // when, violations, summary, or the name of a let
	text string
	ast  *cel.Ast
	// full evaluates on a view of which every field is known; partial costs
	// a little more and knows unknown fields.
	full, partial cel.Program
}

// compile checks an expression and makes it runnable. Faults are reported at
// their line and column of the file. It returns nil after a fault.
func (s *source) compile(env *environment, name string, node *yaml.Node) *expression {
	if s.str(node, name) == "" {
		if node.Value == "" {
			s.reportf(node, "%s is empty", name)
		}
		return nil
	}
	checked, issues := env.cel.Compile(node.Value)
	if issues.Err() != nil {
		for _, issue := range issues.Errors() {
			at := &yaml.Node{}
			at.Line, at.Column = s.position(node, offsetOf(node.Value, issue.Location.Line(), issue.Location.Column()))
			s.reportf(at, "%s: %s", name, issue.Message)
		}
		return nil
	}
	s.checkCost(env, name, checked, node)
	e := &expression{name: name, text: strings.TrimSpace(node.Value), ast: checked}
	if err := e.plan(env); err != nil {
		s.reportf(node, "%s: %v", name, err)
		return nil
	}
	return e
}

// plan makes both programs of the expression's AST.
func (e *expression) plan(env *environment) error {
	var fullErr, partialErr error
	e.full, fullErr = env.cel.Program(e.ast, cel.EvalOptions(cel.OptOptimize))
	e.partial, partialErr = env.cel.Program(e.ast, cel.EvalOptions(cel.OptOptimize, cel.OptPartialEval))
	return errors.Join(fullErr, partialErr)
}

// eval runs the expression. The value may be an error or unknown.
func (e *expression) eval(a *activation) ref.Val {
	program := e.full
	if len(a.unknowns) > 0 {
		program = e.partial
	}
	value, _, err := program.Eval(a)
	if err != nil {
		return types.WrapErr(err)
	}
	return value
}

// offsetOf turns CEL's line (from 1) and column (from 0) of a text into an
// offset in characters.
func offsetOf(text string, line, column int) int {
	offset := 0
	for range line - 1 {
		first, rest, _ := strings.Cut(text, "\n")
		offset += len([]rune(first)) + 1
		text = rest
	}
	return offset + column
}

// names calls visit for every variable that the expression names, with the
// field selected of it, if any.
func (e *expression) names(visit func(variable, field string)) {
	var walk func(ast.NavigableExpr)
	walk = func(n ast.NavigableExpr) {
		switch n.Kind() {
		case ast.IdentKind:
			visit(strings.TrimPrefix(n.AsIdent(), "."), "")
		case ast.SelectKind:
			if operand := n.AsSelect().Operand(); operand.Kind() == ast.IdentKind {
				visit(strings.TrimPrefix(operand.AsIdent(), "."), n.AsSelect().FieldName())
				return
			}
		}
		for _, child := range n.Children() {
			walk(child)
		}
	}
	walk(ast.NavigateAST(e.ast.NativeRep()))
}

// keys returns the names of the members of the objects that the expression
// may build or pass on, sorted.
func (e *expression) keys(env *environment) []string {
	var keys []string
	tree := ast.NavigateAST(e.ast.NativeRep())
	for _, object := range ast.MatchDescendants(tree, ast.KindMatcher(ast.MapKind)) {
		for _, entry := range object.AsMap().Entries() {
			if k := entry.AsMapEntry().Key(); k.Kind() == ast.LiteralKind {
				if name, ok := k.AsLiteral().(types.String); ok {
					keys = append(keys, string(name))
				}
			}
		}
	}
	if element := e.element(); element.Kind() == types.StructKind {
		names, _ := env.cel.CELTypeProvider().FindStructFieldNames(element.TypeName())
		keys = append(keys, names...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// element is the type of the elements of an expression that yields a list.
func (e *expression) element() *types.Type {
	if kind := e.ast.OutputType(); kind.Kind() == types.ListKind && len(kind.Parameters()) == 1 {
		return kind.Parameters()[0]
	}
	return types.DynType
}
