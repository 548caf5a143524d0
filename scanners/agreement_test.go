package scanners

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// Both rooms list the types for themselves; a type in one list alone would be
// marked by events and never read, or the other way round.
func TestReadersAreAllTypes(t *testing.T) {
	var got, want []string
	for _, r := range readers() {
		got = append(got, r.name)
	}
	for _, typ := range resources.All() {
		want = append(want, typ.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("readers (-resources.All +scanners):\n%s", diff)
	}
}

// The role that a customer grants is made of the types' Actions. So the cases
// of testdata, which make every call there is, must take these actions and no
// others, and must name the same action for a missing member.
func TestActionsAgreeWithResources(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	took := map[string][]string{} // type to actions
	for _, file := range files {
		a := readArchive(t, file)
		p := &replay{t: t, replies: a.replies(t)}
		s := newTestScanner(p)
		what, describes := a.section("describe")
		if !describes {
			what, _ = a.section("list")
		}
		typ, known := resources.Find(strings.Fields(what)[0])
		runCase(t, s, a)
		for _, r := range p.seen {
			if r.service != "sts" && known {
				took[typ.Name] = append(took[typ.Name], wireAction(r))
			}
		}
		if !describes {
			continue
		}
		o, err := s.Describe(context.Background(), readRef(t, what))
		if err != nil || o.Deleted {
			continue
		}
		if _, err := typ.View(o.Ref, o.Document); err != nil {
			t.Errorf("%s: the document has no view: %v", file, err)
		}
		var members map[string]json.RawMessage
		var missing []qrie.Missing
		if err := json.Unmarshal(o.Document, &members); err != nil {
			t.Fatal(err)
		}
		if raw, ok := members["missing"]; ok {
			if err := json.Unmarshal(raw, &missing); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range missing {
			if !slices.Contains(typ.Actions, resources.Action{Name: m.Action, Member: m.Member}) {
				t.Errorf("%s: %s is missing for want of %s, which %s does not list", file, m.Member, m.Action, typ.Name)
			}
		}
		for name := range members {
			if name != "missing" && !slices.Contains(typ.Members, name) {
				t.Errorf("%s: the document has the member %s, which %s does not list", file, name, typ.Name)
			}
		}
	}
	for _, typ := range resources.All() {
		var want []string
		for _, a := range typ.Actions {
			want = append(want, a.Name)
		}
		slices.Sort(want)
		got := took[typ.Name]
		slices.Sort(got)
		if diff := cmp.Diff(slices.Compact(want), slices.Compact(got)); diff != "" {
			t.Errorf("%s: actions (-Type.Actions +taken):\n%s", typ.Name, diff)
		}
	}
}

func wireAction(r wireRequest) string {
	id := map[string]string{"s3": "S3", "s3control": "S3 Control"}[r.service]
	if action, ok := actions[id+"."+r.operation]; ok {
		return action
	}
	return r.service + ":" + r.operation
}
