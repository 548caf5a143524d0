package policies

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/qrie-sec/qrie"
)

// placeholder is {{name}} or {{violations.key}}.
var placeholder = regexp.MustCompile(`\{\{\s*([a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z0-9_]+)?)\s*\}\}`)

// refNames are the placeholders that every policy may use; the others are the
// scalar fields of the view and the members of the violations.
var refNames = []string{"name", "id", "arn", "account", "region"}

// Remedy fills the placeholders of the remediation in for one finding. A
// command of the CLI that names a {{violations.key}} is repeated for every
// violation; elsewhere the values are listed. Values come from the customer's
// account, so each is quoted for where it lands: a tag may hold $(…).
func (p *Policy) Remedy(in Input, ev qrie.Evidence) Remediation {
	f := filler{values: scalars(in.View.Value)}
	for name, value := range map[string]string{
		"name":    first(in.View.Name, f.values["name"], in.Ref.ID),
		"id":      first(in.Ref.ID, f.values["id"]),
		"arn":     first(in.Ref.ARN, in.View.ARN, f.values["arn"]),
		"account": in.Ref.Account,
		"region":  first(in.Ref.Region, in.View.Region),
	} {
		f.values[name] = value
	}
	for _, text := range ev.Violations {
		var violation map[string]any
		if json.Unmarshal(text, &violation) == nil {
			f.violations = append(f.violations, violation)
		}
	}
	r := Remediation{
		Text:      f.fill(p.Remediation.Text, markdownValue),
		CLI:       f.fillCommands(p.Remediation.CLI),
		Terraform: f.fill(p.Remediation.Terraform, terraformValue),
	}
	for _, step := range p.Remediation.Console {
		r.Console = append(r.Console, f.fill(step, plainValue))
	}
	return r
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

// filler fills placeholders in.
type filler struct {
	values     map[string]string
	violations []map[string]any
}

// fill replaces every placeholder; of violations it lists the distinct values.
func (f filler) fill(text string, quote func(string) string) string {
	return placeholder.ReplaceAllStringFunc(text, func(match string) string {
		name := placeholder.FindStringSubmatch(match)[1]
		key, ok := strings.CutPrefix(name, "violations.")
		if !ok {
			return quote(f.values[name])
		}
		var values []string
		for _, violation := range f.violations {
			if value := quote(show(violation[key])); value != "" && !slices.Contains(values, value) {
				values = append(values, value)
			}
		}
		return strings.Join(values, ", ")
	})
}

// fillCommands fills commands in, one a line; a line that ends in a backslash
// goes on in the next.
func (f filler) fillCommands(text string) string {
	var out []string
	for _, command := range commands(text) {
		if !strings.Contains(command, "violations.") || len(f.violations) == 0 {
			out = append(out, f.fill(command, shellValue))
			continue
		}
		for _, violation := range f.violations {
			one := filler{values: f.values, violations: []map[string]any{violation}}
			if filled := one.fill(command, shellValue); !slices.Contains(out, filled) {
				out = append(out, filled)
			}
		}
	}
	return strings.Join(out, "\n")
}

func commands(text string) []string {
	var all []string
	open := false
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		if open {
			all[len(all)-1] += "\n" + line
		} else {
			all = append(all, line)
		}
		open = strings.HasSuffix(line, `\`)
	}
	return all
}

func show(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case []any:
		texts := make([]string, len(v))
		for i, element := range v {
			texts[i] = show(element)
		}
		return strings.Join(texts, ",")
	}
	return fmt.Sprint(value)
}

// plainValue keeps a value on its line.
func plainValue(value string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, value)
}

// markdownValue makes a value a code span, in which nothing has a meaning to
// Markdown; its fence is longer than any run of backticks within.
func markdownValue(value string) string {
	value = plainValue(value)
	if value == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(value, fence) {
		fence += "`"
	}
	if strings.HasPrefix(value, "`") || strings.HasSuffix(value, "`") {
		value = " " + value + " "
	}
	return fence + value + fence
}

var shellSafe = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellValue quotes a value for a POSIX shell where it needs to be. What
// begins with a dash would be read as an option of the command.
func shellValue(value string) string {
	value = plainValue(value)
	if shellSafe.MatchString(value) && !strings.HasPrefix(value, "-") {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

var terraformEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `${`, `$${`, `%{`, `%%{`)

// terraformValue escapes a value for the inside of a quoted HCL string.
func terraformValue(value string) string { return terraformEscapes.Replace(plainValue(value)) }
