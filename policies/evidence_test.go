package policies

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

func TestEvidence(t *testing.T) {
	env := policyOf(t, "IAMAccessKeyUnused").env
	used := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	for _, test := range []struct {
		name      string
		violation any
		want      string
		pointers  []string
	}{
		{"a pointer is taken out", map[string]any{"a": "x", "at": "/A/0"}, `{"a":"x"}`, []string{"/A/0"}},
		{"several pointers", map[string]any{"a": 1, "at": []string{"/A", "/B"}}, `{"a":1}`, []string{"/A", "/B"}},
		{"nowhere", map[string]any{"a": true, "at": ""}, `{"a":true}`, []string{}},
		{"what is empty is left out", map[string]any{"a": "", "b": []string{}, "c": nil, "d": time.Time{}, "e": time.Unix(0, 0), "f": 0, "g": false}, `{"f":0,"g":false}`, []string{}},
		{"a time is in UTC", map[string]any{"t": used}, `{"t":"2026-01-02T02:04:05Z"}`, []string{}},
		{"a duration", map[string]any{"d": 90 * time.Minute}, `{"d":"1h30m0s"}`, []string{}},
		{"a number that JSON does not know", map[string]any{"n": math.NaN()}, `{"n":"NaN"}`, []string{}},
		{"members within members", map[string]any{"a": map[string]any{"b": []any{"c", ""}}}, `{"a":{"b":["c",""]}}`, []string{}},
		{"bytes that are no text", map[string]any{"a": "x\xff"}, `{"a":"x�"}`, []string{}},
		{"a native struct", &resources.AccessKey{ID: "AKIA1", CreatedAt: used, At: "/AccessKeys/0"},
			`{"active":false,"createdAt":"2026-01-02T02:04:05Z","id":"AKIA1"}`, []string{"/AccessKeys/0"}},
		{"not an object", "x", `{"value":"x"}`, []string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := evidenceOf([]ref.Val{env.adapter.NativeToValue(test.violation)})
			want := qrie.Evidence{Violations: []json.RawMessage{json.RawMessage(test.want)}, Pointers: test.pointers, Total: 1}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestUndecidedEvidence(t *testing.T) {
	env := policyOf(t, "IAMAccessKeyUnused").env
	bad := types.NewErr("no")
	object := types.NewRefValMap(env.adapter, map[ref.Val]ref.Val{types.String("a"): bad})
	list := types.NewRefValList(env.adapter, []ref.Val{types.True, object})
	if got := undecided(list); got != bad {
		t.Errorf("got %v, want the error within", got)
	}
	if got := undecided(types.NewRefValList(env.adapter, []ref.Val{types.True})); got != nil {
		t.Errorf("got %v of values that are decided", got)
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 5, "short"}, {"longer", 5, "lo…"}, {"äöü", 5, "ä…"}, {"a\xffb", 9, "a�b"},
	} {
		if got := cut(test.text, test.n); got != test.want || len(got) > test.n {
			t.Errorf("cut(%q, %d) is %q, want %q", test.text, test.n, got, test.want)
		}
	}
}
