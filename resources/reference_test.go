package resources_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie/resources"
)

var update = flag.Bool("update", false, "rewrite docs/resources.md")

// The reference page is made from the types themselves, so it cannot go stale:
// this test fails until it is made again.
func TestReferencePage(t *testing.T) {
	const page = "../docs/resources.md"
	want := reference()
	if *update {
		if err := os.MkdirAll("../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatalf("%v: make it with go test ./resources -run TestReferencePage -update", err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("docs/resources.md is stale, make it again with go test ./resources -run TestReferencePage -update (-page +types):\n%s", diff)
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString("<!-- Made by go test ./resources -run TestReferencePage -update. Do not edit. -->\n# Resource types\n\n")
	b.WriteString("What qrie reads of each resource type, which policies see of it, and which CloudTrail events make qrie look at it again.\n\n")
	b.WriteString("| type | | id is unique | is listed with |\n|---|---|---|---|\n")
	for _, t := range resources.All() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", t.Name, anchor(t.Name), t.Title, scope(t), actionList(t.Actions, ""))
	}
	for _, t := range resources.All() {
		fmt.Fprintf(&b, "\n## %s\n\n%s. Service `%s`, ARN %s.\n", t.Name, t.Title, t.Service(), arn(t))
		b.WriteString("\n### Document\n\nOne member per AWS call, under AWS's own names; a member that could not be read is listed in `missing`.\n\n")
		b.WriteString("| member | IAM actions |\n|---|---|\n")
		for _, m := range t.Members {
			fmt.Fprintf(&b, "| `%s` | %s |\n", m, actionList(t.Actions, m))
		}
		b.WriteString("\n### View\n\nWhat an expression of a policy reads as `resource`.\n\n| field | type | rests on |\n|---|---|---|\n")
		writeFields(&b, "", reflect.TypeOf(t.Sample).Elem())
		b.WriteString("\n### Events\n\n| source | events | marks |\n|---|---|---|\n")
		for _, r := range t.Events {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", orEvery(r.Source, "every source"), names(r.Names), marks(r))
		}
		if len(t.Stages) > 0 {
			b.WriteString("\nNo event tells the end of what AWS is still at work on. It is looked at again while\n\n| | is one of |\n|---|---|\n")
		}
		for _, s := range t.Stages {
			fmt.Fprintf(&b, "| `%s` | %s |\n", s.Path, names(s.Passes))
		}
	}
	return b.String()
}

func anchor(s string) string { return strings.ToLower(strings.ReplaceAll(s, ":", "")) }

func scope(t resources.Type) string {
	if t.Global {
		return "in the account"
	}
	return "in the account and Region"
}

func arn(t resources.Type) string {
	if t.ARN == "" {
		return "as AWS gives it"
	}
	return "`" + t.ARN + "`"
}

func actionList(actions []resources.Action, member string) string {
	var names []string
	for _, a := range actions {
		if a.Member == member && !slices.Contains(names, "`"+a.Name+"`") {
			names = append(names, "`"+a.Name+"`")
		}
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

func writeFields(b *strings.Builder, prefix string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		from := f.Tag.Get("from")
		if from != "" {
			from = "`" + strings.ReplaceAll(from, ",", "`, `") + "`"
		}
		name := prefix + f.Tag.Get("json")
		word, inner := typeWord(f.Type)
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, word, from)
		if inner != nil {
			if f.Type.Kind() == reflect.Slice {
				name += "[]"
			}
			writeFields(b, name+".", inner)
		}
	}
}

func typeWord(t reflect.Type) (word string, inner reflect.Type) {
	switch t.Kind() {
	case reflect.Struct:
		if t.Name() == "Time" {
			return "time", nil
		}
		return "object", t
	case reflect.Slice:
		word, inner := typeWord(t.Elem())
		return "list of " + word, inner
	case reflect.Map:
		return "map of string", nil
	default:
		return t.Kind().String(), nil
	}
}

func orEvery(s, every string) string {
	if s == "" {
		return every
	}
	return "`" + s + "`"
}

func names(names []string) string {
	if len(names) == 0 {
		return "every event"
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

func marks(r resources.Rule) string {
	var parts []string
	if r.Self {
		parts = append(parts, "the account")
	}
	if len(r.IDs) > 0 {
		parts = append(parts, "the ids at `"+strings.Join(r.IDs, "`, else `")+"`")
	}
	if r.Prefix != "" {
		s := "that begin with `" + r.Prefix + "`"
		if r.Trim {
			s += ", which is cut off"
		}
		parts = append(parts, s)
	}
	if r.Caller {
		parts = append(parts, "else the calling user")
	}
	if r.Wide {
		s := "every one in the account and Region"
		if len(r.IDs) > 0 {
			s = "else " + s
		}
		parts = append(parts, s)
	}
	for _, path := range r.Has {
		parts = append(parts, "if there is `"+path+"`")
	}
	for _, path := range slices.Sorted(maps.Keys(r.Only)) {
		parts = append(parts, "if `"+path+"` is `"+r.Only[path]+"`")
	}
	if r.Owner != "" {
		parts = append(parts, "unless another account owns it")
	}
	return strings.ReplaceAll(strings.Join(parts, " "), "|", "\\|")
}
