package policies

import (
	"cmp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/qrie-sec/qrie"
)

// draft is a policy file on its way to a Policy: what it says, and where.
type draft struct {
	*source
	policy *Policy
	loader *loader

	place map[string]*yaml.Node // of a top-level key's value
	texts []textAt              // the texts of the remediation
	used  map[string]bool       // names that some expression reads: lets, params.x
	keys  []string              // members that a violation may have
	blind bool                  // some expression does not compile, so used and keys lack some
}

type textAt struct {
	at   *yaml.Node
	text string
}

// load checks and compiles one file. Its error is a Problems.
func (l *loader) load(path string, text []byte) (*Policy, error) {
	d := &draft{
		source: &source{path: path, text: text},
		policy: &Policy{Source: slices.Clone(text), path: path, Frameworks: make(map[string][]string)},
		loader: l,
		place:  make(map[string]*yaml.Node),
		used:   make(map[string]bool),
	}
	root := d.root()
	if root == nil {
		return nil, d.problems.err()
	}
	d.read(root)
	d.compileAll(root)
	d.lint(root)
	if err := d.problems.err(); err != nil {
		return nil, err
	}
	return d.policy, nil
}

// read takes everything but the expressions from the file.
func (d *draft) read(root *yaml.Node) {
	p := d.policy
	str := func(name string, into *string) key {
		return key{name, func(n *yaml.Node) { *into = d.str(n, name) }}
	}
	later := func(name string) key { return key{name, func(*yaml.Node) {}} }
	d.mapping(root, "a policy",
		str("id", &p.ID),
		key{"aliases", func(n *yaml.Node) { p.Aliases = d.strings(n, "aliases") }},
		str("title", &p.Title),
		key{"severity", func(n *yaml.Node) { p.Severity = qrie.Severity(d.integer(n, "severity")) }},
		str("category", &p.Category),
		str("resource", &p.ResourceType),
		str("description", &p.Description),
		str("risk", &p.Risk),
		key{"compliance", d.readCompliance},
		key{"params", d.readParams},
		later("when"), later("let"), later("violations"), later("summary"),
		key{"remediation", d.readRemediation},
		key{"tests", d.readTests},
	)
	if root.Kind == yaml.MappingNode {
		for i := 0; i < len(root.Content); i += 2 {
			d.place[root.Content[i].Value] = root.Content[i+1]
		}
	}
}

func (d *draft) readCompliance(node *yaml.Node) {
	d.pairs(node, "compliance", func(name, value *yaml.Node) {
		ids := d.strings(value, name.Value)
		d.policy.Frameworks[name.Value] = ids
		i := slices.IndexFunc(d.loader.frameworks, func(f Framework) bool { return f.ID == name.Value })
		if i < 0 {
			d.reportf(name, "there is no framework %q", name.Value)
			return
		}
		for j, id := range ids {
			if !d.loader.frameworks[i].has(id) {
				d.reportf(value.Content[j], "framework %s has no requirement %q", name.Value, id)
			}
		}
	})
}

func (d *draft) readParams(node *yaml.Node) {
	d.pairs(node, "params", func(name, value *yaml.Node) {
		param := Param{Name: name.Value}
		var fallback *yaml.Node
		bound := func(name string, into **int64) key {
			return key{name, func(n *yaml.Node) {
				v := d.integer(n, name)
				*into = &v
			}}
		}
		d.mapping(value, "parameter "+param.Name,
			key{"type", func(n *yaml.Node) { param.Type = d.str(n, "type") }},
			key{"default", func(n *yaml.Node) { fallback = n }},
			bound("min", &param.Min), bound("max", &param.Max),
			key{"help", func(n *yaml.Node) { param.Help = d.str(n, "help") }},
		)
		if !identifier.MatchString(param.Name) {
			d.reportf(name, "parameter %q must be named like max_age_days", param.Name)
			return
		}
		if param.Help == "" {
			d.reportf(name, "parameter %s has no help", param.Name)
		}
		d.readDefault(&param, name, fallback)
		d.policy.Params = append(d.policy.Params, param)
	})
	slices.SortFunc(d.policy.Params, func(a, b Param) int { return cmp.Compare(a.Name, b.Name) })
}

func (d *draft) readDefault(param *Param, name, value *yaml.Node) {
	if value == nil {
		d.reportf(name, "parameter %s has no default", param.Name)
		return
	}
	text := d.json(value, "default")
	if text == nil {
		return
	}
	var err error
	if param.Default, err = param.value(text); err != nil {
		d.reportf(value, "default of parameter %s: %v", param.Name, err)
	}
}

func (d *draft) readRemediation(node *yaml.Node) {
	r := &d.policy.Remediation
	text := func(name string, into *string) key {
		return key{name, func(n *yaml.Node) {
			*into = d.str(n, name)
			d.texts = append(d.texts, textAt{n, *into})
		}}
	}
	d.mapping(node, "remediation",
		text("text", &r.Text),
		key{"console", func(n *yaml.Node) {
			r.Console = d.strings(n, "console")
			for i, step := range r.Console {
				d.texts = append(d.texts, textAt{n.Content[i], step})
			}
		}},
		text("cli", &r.CLI),
		text("terraform", &r.Terraform),
	)
}
