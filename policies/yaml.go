package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// source is a YAML file being read. It is stricter than YAML: no unknown or
// repeated key, no alias, one document. Every fault is collected with its
// place, so that one run tells all of them.
type source struct {
	path     string
	text     []byte
	problems Problems
}

// maxSourceBytes bounds a policy file; the longest of the catalogue has a
// tenth of it.
const maxSourceBytes = 256 << 10

// root parses the file and returns its top-level mapping, nil after a fault.
func (s *source) root() *yaml.Node {
	if len(s.text) > maxSourceBytes {
		s.reportf(nil, "has %d bytes, more than %d", len(s.text), maxSourceBytes)
		return nil
	}
	// YAML takes these for line breaks as well; editors and people do not.
	if plain := strings.ReplaceAll(string(s.text), "\r\n", "\n"); strings.ContainsAny(plain, "\r\u0085\u2028\u2029") {
		s.reportf(nil, "has line breaks that are neither LF nor CRLF")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(s.text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		s.reportYAML(err)
		return nil
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		s.reportf(&document, "holds more than one YAML document")
		return nil
	}
	if len(document.Content) == 0 {
		s.reportf(nil, "is empty")
		return nil
	}
	return document.Content[0]
}

// reportYAML takes the line out of the parser's message, "yaml: line 3: …".
func (s *source) reportYAML(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if errors.Is(err, io.EOF) {
		message = "is empty"
	}
	at := &yaml.Node{}
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		number, rest, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil {
			at.Line, at.Column, message = line, 1, rest
		}
	}
	s.reportf(at, "%s", message)
}

// reportf records a fault at a node.
func (s *source) reportf(at *yaml.Node, format string, args ...any) {
	p := Problem{File: s.path, Message: fmt.Sprintf(format, args...)}
	if at != nil {
		p.Line, p.Column = at.Line, at.Column
	}
	s.problems = append(s.problems, p)
}

// key is one key that a mapping may have, and what reads its value.
type key struct {
	name string
	read func(value *yaml.Node)
}

// mapping reads a mapping by its keys, all optional.
func (s *source) mapping(node *yaml.Node, what string, keys ...key) {
	s.pairs(node, what, func(name, value *yaml.Node) {
		for _, k := range keys {
			if k.name == name.Value {
				k.read(value)
				return
			}
		}
		names := make([]string, len(keys))
		for i, k := range keys {
			names[i] = k.name
		}
		s.reportf(name, "unknown key %q in %s; it may have %s", name.Value, what, strings.Join(names, ", "))
	})
}

// pairs calls read for every key of a mapping, in order.
func (s *source) pairs(node *yaml.Node, what string, read func(name, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		s.reportf(node, "%s must be a mapping", what)
		return
	}
	var seen []string
	for i := 0; i < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		switch {
		case name.Kind != yaml.ScalarNode || name.Tag == "!!merge":
			s.reportf(name, "a key of %s must be a plain name", what)
		case slices.Contains(seen, name.Value):
			s.reportf(name, "key %q is given twice in %s", name.Value, what)
		case value.Kind == yaml.AliasNode:
			s.reportf(value, "aliases are not allowed")
		default:
			read(name, value)
		}
		seen = append(seen, name.Value)
	}
}

// list calls read for every element of a list, in order.
func (s *source) list(node *yaml.Node, what string, read func(element *yaml.Node)) {
	if node.Kind != yaml.SequenceNode {
		s.reportf(node, "%s must be a list", what)
		return
	}
	for _, element := range node.Content {
		if element.Kind == yaml.AliasNode {
			s.reportf(element, "aliases are not allowed")
			continue
		}
		read(element)
	}
}

// str reads a string; a number or a bool must be quoted to be one.
func (s *source) str(node *yaml.Node, what string) string {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" {
		s.reportf(node, "%s must be a string; put it in quotes", what)
		return ""
	}
	return node.Value
}

// strings reads a list of strings.
func (s *source) strings(node *yaml.Node, what string) []string {
	var list []string
	s.list(node, what, func(element *yaml.Node) {
		list = append(list, s.str(element, "an element of "+what))
	})
	return list
}

// integer reads a whole number.
func (s *source) integer(node *yaml.Node, what string) int64 {
	var n int64
	if node.ShortTag() != "!!int" || node.Decode(&n) != nil {
		s.reportf(node, "%s must be a whole number", what)
	}
	return n
}

// instant reads a point in time, such as 2026-04-02T00:00:00Z.
func (s *source) instant(node *yaml.Node, what string) time.Time {
	t, err := time.Parse(time.RFC3339, node.Value)
	if err != nil {
		s.reportf(node, "%s must be a time such as 2026-04-02T00:00:00Z", what)
	}
	return t.UTC()
}

// json turns a value of any shape into JSON. Times stay as they are written.
func (s *source) json(node *yaml.Node, what string) json.RawMessage {
	before := len(s.problems)
	value := s.value(node, what)
	if len(s.problems) > before {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		s.reportf(node, "%s is no JSON value: %v", what, err)
	}
	return text
}

func (s *source) value(node *yaml.Node, what string) any {
	switch node.Kind {
	case yaml.MappingNode:
		object := make(map[string]any)
		s.pairs(node, what, func(name, value *yaml.Node) { object[name.Value] = s.value(value, what) })
		return object
	case yaml.SequenceNode:
		list := []any{}
		s.list(node, what, func(element *yaml.Node) { list = append(list, s.value(element, what)) })
		return list
	}
	if tag := node.ShortTag(); tag == "!!timestamp" || tag == "!!str" {
		return node.Value
	}
	var value any
	if err := node.Decode(&value); err != nil {
		s.reportf(node, "%s: %v", what, err)
	}
	return value
}
