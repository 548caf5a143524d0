package policies

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"go.yaml.in/yaml/v3"

	"github.com/qrie-sec/qrie/resources"
)

// compileAll checks and compiles the expressions, each with the names that
// the ones before it brought.
func (d *draft) compileAll(root *yaml.Node) {
	p := d.policy
	kind, ok := resources.Find(p.ResourceType)
	if !ok {
		d.blind = true
		d.reportf(d.at("resource", root), "there is no resource type %q", p.ResourceType)
		return
	}
	p.kind = kind
	env, err := d.loader.environment(kind)
	if err != nil {
		d.reportf(d.at("resource", root), "%v", err)
		return
	}
	for _, param := range p.Params {
		kind := cel.DynType // of a type that is no type: one fault is told, not what follows from it
		if t, ok := paramTypes[param.Type]; ok {
			kind = t.cel
		}
		env = d.declare(env, "params."+param.Name, kind, root)
	}
	if node := d.place["when"]; node != nil && env != nil {
		p.when = d.compile(env, "when", node)
		d.wants(p.when, "bool", node)
	}
	if node := d.place["let"]; node != nil {
		d.list(node, "let", func(n *yaml.Node) { env = d.compileLet(env, n) })
	}
	if node := d.place["violations"]; node != nil && env != nil {
		d.compileViolations(env, node)
		env = d.declare(env, "violations", violationsType(p.violations), node)
	}
	if node := d.place["summary"]; node != nil && env != nil {
		p.summary = d.compile(env, "summary", node)
		d.wants(p.summary, "string", node)
	}
	p.env = env
	d.trace()
	if p.UsesNow && !d.blind {
		p.clock = readClock(p)
		p.Daily = p.clock == nil
	}
}

func (d *draft) compile(env *environment, name string, node *yaml.Node) *expression {
	e := d.source.compile(env, name, node)
	d.blind = d.blind || e == nil
	return e
}

func (d *draft) compileLet(env *environment, node *yaml.Node) *environment {
	var name string
	var expr *yaml.Node
	d.mapping(node, "an element of let",
		key{"name", func(n *yaml.Node) { name = d.str(n, "name") }},
		key{"expr", func(n *yaml.Node) { expr = n }},
	)
	switch {
	case !identifier.MatchString(name) || slices.Contains(reserved, name):
		d.reportf(node, "%q is no name for a let", name)
		return env
	case slices.ContainsFunc(d.policy.lets, func(e *expression) bool { return e.name == name }):
		d.reportf(node, "there are two lets named %q", name)
		return env
	case expr == nil:
		d.reportf(node, "let %s has no expr", name)
		return env
	case env == nil:
		return nil
	}
	let := d.compile(env, name, expr)
	if let == nil {
		return nil // what follows would only be told that the name is unknown
	}
	d.policy.lets = append(d.policy.lets, let)
	d.keys = append(d.keys, let.keys(env)...)
	return d.declare(env, name, let.ast.OutputType(), node)
}

// compileViolations reads one expression or a list of them. Of a list each is
// judged by itself: one that finds something decides, although what another
// needs cannot be read.
func (d *draft) compileViolations(env *environment, node *yaml.Node) {
	nodes := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		nodes = node.Content
	}
	for _, n := range nodes {
		e := d.compile(env, "violations", n)
		if e == nil {
			continue
		}
		if !isObjects(e.ast.OutputType()) {
			d.reportf(n, "violations must be a list of objects, not %s", e.ast.OutputType())
		}
		d.keys = append(d.keys, e.keys(env)...)
		d.policy.violations = append(d.policy.violations, e)
	}
}

// trace notes what the expressions read.
func (d *draft) trace() {
	p := d.policy
	for _, e := range p.expressions() {
		e.names(func(variable, field string) {
			d.used[variable] = true
			switch {
			case variable == "now":
				p.UsesNow = true
			case variable == "resource" && field != "":
				p.Reads = append(p.Reads, field)
			case variable == "resource":
				for _, f := range fieldsOf(viewType(p.kind)) {
					p.Reads = append(p.Reads, f.name)
				}
			}
		})
	}
	slices.Sort(p.Reads)
	p.Reads = slices.Compact(p.Reads)
}

// expressions are all expressions of the policy.
func (p *Policy) expressions() []*expression {
	all := slices.Concat(p.lets, p.violations)
	for _, e := range []*expression{p.when, p.summary} {
		if e != nil {
			all = append(all, e)
		}
	}
	return all
}

func (d *draft) at(name string, otherwise *yaml.Node) *yaml.Node {
	if node := d.place[name]; node != nil {
		return node
	}
	return otherwise
}

func (d *draft) wants(e *expression, kind string, node *yaml.Node) {
	if e != nil && e.ast.OutputType().String() != kind {
		d.reportf(node, "%s must be %s, not %s", e.name, kind, e.ast.OutputType())
	}
}

// declare adds a variable to the environment; nil if there is none.
func (d *draft) declare(env *environment, name string, kind *cel.Type, node *yaml.Node) *environment {
	if env == nil {
		return nil
	}
	more, err := env.with(name, kind)
	if err != nil {
		d.reportf(node, "%v", err)
		return nil
	}
	return more
}

// isObjects reports whether a type can be a list of violations: of maps with
// string keys, of native structs, or of what only evaluation can tell.
func isObjects(t *cel.Type) bool {
	if t.Kind() == types.DynKind {
		return true
	}
	if t.Kind() != types.ListKind {
		return false
	}
	switch element := t.Parameters()[0]; element.Kind() {
	case types.MapKind:
		return element.Parameters()[0].Kind() == types.StringKind
	case types.StructKind, types.DynKind, types.TypeParamKind:
		return true
	}
	return false
}

// violationsType is the type of the variable violations in a summary.
func violationsType(parts []*expression) *cel.Type {
	if len(parts) == 1 {
		return parts[0].ast.OutputType()
	}
	return cel.ListType(cel.DynType)
}
