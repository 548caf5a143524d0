package ingest

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/qrie-sec/qrie/resources"
)

// index finds the rules of a record by its source and name.
type index struct {
	sources map[string]*sourceRules
	every   []*rule // of every source
}

type sourceRules struct {
	names map[string][]*rule
	every []*rule // of every event of the source
}

// rule is a line of an event map, ready to use.
type rule struct {
	typ     *resources.Type
	line    resources.Rule
	ids     []path
	has     []path
	only    []equality
	owner   path
	dynamic bool // the prefix holds placeholders
}

type equality struct {
	path
	want string
}

// path is a gjson path below a section of the record, so that looking it up
// does not walk the whole record.
type path struct {
	section string
	rest    string // empty: the section itself
	full    string
}

func newIndex(types []resources.Type) *index {
	x := &index{sources: map[string]*sourceRules{}}
	for i := range types {
		for _, line := range types[i].Events {
			x.add(newRule(&types[i], line))
		}
	}
	return x
}

func (x *index) add(r *rule) {
	if r.line.Source == "" {
		x.every = append(x.every, r)
		return
	}
	s, ok := x.sources[r.line.Source]
	if !ok {
		s = &sourceRules{names: map[string][]*rule{}}
		x.sources[r.line.Source] = s
	}
	if len(r.line.Names) == 0 {
		s.every = append(s.every, r)
	}
	for _, name := range r.line.Names {
		s.names[name] = append(s.names[name], r)
	}
}

func newRule(t *resources.Type, line resources.Rule) *rule {
	r := &rule{typ: t, line: line, owner: newPath(line.Owner), dynamic: strings.Contains(line.Prefix, "{")}
	for _, p := range line.IDs {
		r.ids = append(r.ids, newPath(p))
	}
	for _, p := range line.Has {
		r.has = append(r.has, newPath(p))
	}
	for p, want := range line.Only {
		r.only = append(r.only, equality{path: newPath(p), want: want})
	}
	return r
}

func newPath(full string) path {
	section, rest, _ := strings.Cut(full, ".")
	switch section {
	case "userIdentity", "requestParameters", "responseElements", "resources":
		return path{section: section, rest: rest, full: full}
	}
	return path{rest: full, full: full}
}

// get looks the path up.
func (rec *record) get(p path) gjson.Result {
	text := rec.whole
	switch p.section {
	case "userIdentity":
		text = rec.identityText
	case "requestParameters":
		text = rec.request
	case "responseElements":
		text = rec.response
	case "resources":
		text = rec.resources
	}
	if p.rest == "" {
		return gjson.Parse(text)
	}
	return gjson.Get(text, p.rest)
}

// has reports whether the path holds anything.
func (rec *record) has(p path) bool {
	v := rec.get(p)
	return v.Exists() && v.Type != gjson.Null
}
