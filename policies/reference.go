package policies

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reference describes the set for its readers, in Markdown: what each policy
// fails, its parameters and requirements, and the IAM actions it takes.
func (s *Set) Reference() string {
	var b strings.Builder
	b.WriteString("# Policies\n\n")
	b.WriteString("Generated from the policy files by `go test ./policies -run TestReference -update`; do not edit.\n\n")
	b.WriteString("| policy | severity | fails |\n|---|---|---|\n")
	for _, p := range s.policies {
		fmt.Fprintf(&b, "| [%s](#%s) | %d %s | %s |\n", p.ID, strings.ToLower(p.ID), p.Severity, p.Severity.Band(), p.Title)
	}
	for _, p := range s.policies {
		s.describe(&b, p)
	}
	b.WriteString("\n# Functions\n\n")
	b.WriteString("Expressions are [CEL](https://cel.dev) with its extension libraries strings, lists, sets and network, over the\n")
	b.WriteString("variables `resource` (the view of the resource type), `now`, `account` (`id`, `name`, `ou`, `tags`), `region` and `params`.\n")
	for _, f := range functionDocs {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```\n%s\n```\n", f.Signature, f.Doc, strings.Join(f.Examples, "\n"))
	}
	return b.String()
}

func (s *Set) describe(b *strings.Builder, p *Policy) {
	fmt.Fprintf(b, "\n## %s\n\n**%s**\n\n", p.ID, p.Title)
	fmt.Fprintf(b, "Severity %d (%s) · %s · %s", p.Severity, p.Severity.Band(), strings.ReplaceAll(p.Category, "_", " "), p.ResourceType)
	if len(p.Aliases) > 0 {
		fmt.Fprintf(b, " · formerly %s", strings.Join(p.Aliases, ", "))
	}
	fmt.Fprintf(b, "\n\nFails: %s\n\nRisk: %s\n", p.Description, p.Risk)
	if p.when != nil {
		fmt.Fprintf(b, "\nApplies when `%s`.\n", p.when.text)
	}
	switch {
	case p.Daily:
		b.WriteString("\nThe verdict depends on the time: re-judged daily, at midnight UTC.\n")
	case p.UsesNow:
		b.WriteString("\nThe verdict depends on the time: re-judged when a date passes.\n")
	}
	if len(p.Params) > 0 {
		b.WriteString("\n| parameter | type | default | meaning |\n|---|---|---|---|\n")
		for _, param := range p.Params {
			fmt.Fprintf(b, "| `%s` | %s%s | `%s` | %s |\n", param.Name, param.Type, param.bounds(), param.defaultText(), param.Help)
		}
	}
	if len(p.Frameworks) > 0 {
		b.WriteString("\n| framework | requirements |\n|---|---|\n")
		for _, id := range slices.Sorted(maps.Keys(p.Frameworks)) {
			fmt.Fprintf(b, "| %s | %s |\n", s.frameworkTitle(id), strings.Join(p.Frameworks[id], ", "))
		}
	}
	if actions := p.Actions(); len(actions) > 0 {
		fmt.Fprintf(b, "\nIAM actions: `%s`\n", strings.Join(actions, "`, `"))
	}
}

// bounds are the bounds of a parameter, such as ", 1 to 3650".
func (p Param) bounds() string {
	switch {
	case p.Min != nil && p.Max != nil:
		return fmt.Sprintf(", %d to %d", *p.Min, *p.Max)
	case p.Min != nil:
		return fmt.Sprintf(", at least %d", *p.Min)
	case p.Max != nil:
		return fmt.Sprintf(", at most %d", *p.Max)
	}
	return ""
}

func (p Param) defaultText() string {
	text, err := json.Marshal(p.Default)
	if err != nil {
		return fmt.Sprint(p.Default)
	}
	return string(text)
}

func (s *Set) frameworkTitle(id string) string {
	for _, f := range s.frameworks {
		if f.ID == id {
			return f.Title
		}
	}
	return id
}
