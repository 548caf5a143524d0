package policies

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// The moment and the place that a fixture has if it names none: fixed, so
// that a fixture never ages.
var fixtureNow = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const (
	fixtureAccount = "123456789012"
	fixtureRegion  = "us-east-1"
	fixtureID      = "example"
)

// readTests reads the fixtures of a policy.
func (d *draft) readTests(node *yaml.Node) {
	d.list(node, "tests", func(n *yaml.Node) {
		t := Test{Now: fixtureNow, Account: qrie.Account{ID: fixtureAccount}, Region: fixtureRegion, ID: fixtureID, line: n.Line, column: n.Column}
		d.mapping(n, "a test",
			key{"name", func(n *yaml.Node) { t.Name = d.str(n, "name") }},
			key{"want", func(n *yaml.Node) { t.Want = qrie.Outcome(d.str(n, "want")) }},
			key{"params", func(n *yaml.Node) {
				t.Params = make(map[string]json.RawMessage)
				d.pairs(n, "params", func(name, value *yaml.Node) { t.Params[name.Value] = d.json(value, "params") })
			}},
			key{"now", func(n *yaml.Node) { t.Now = d.instant(n, "now") }},
			key{"account", func(n *yaml.Node) {
				if err := n.Decode(&t.Account); err != nil {
					d.reportf(n, "account: %v", err)
				}
			}},
			key{"region", func(n *yaml.Node) { t.Region = d.str(n, "region") }},
			key{"id", func(n *yaml.Node) { t.ID = d.str(n, "id") }},
			key{"resource", func(n *yaml.Node) { t.Resource = d.json(n, "resource") }},
			key{"document", func(n *yaml.Node) { t.Document = d.json(n, "document") }},
			key{"missing", func(n *yaml.Node) { t.Missing = d.strings(n, "missing") }},
			key{"violations", func(n *yaml.Node) {
				d.list(n, "violations", func(n *yaml.Node) { t.Violations = append(t.Violations, d.json(n, "violations")) })
			}},
			key{"pointers", func(n *yaml.Node) { t.Pointers = d.strings(n, "pointers") }},
			key{"summary", func(n *yaml.Node) { t.Summary = d.str(n, "summary") }},
			key{"reason", func(n *yaml.Node) { t.Reason = d.str(n, "reason") }},
		)
		d.checkTest(t, n)
		d.policy.Tests = append(d.policy.Tests, t)
	})
}

func (d *draft) checkTest(t Test, n *yaml.Node) {
	if t.Name == "" {
		d.reportf(n, "a test has no name")
	}
	if slices.ContainsFunc(d.policy.Tests, func(other Test) bool { return other.Name == t.Name }) {
		d.reportf(n, "there are two tests named %q", t.Name)
	}
	switch t.Want {
	case qrie.Pass, qrie.Fail, qrie.Skip, qrie.Unknown:
	default:
		d.reportf(n, "test %q wants %q; it may want pass, fail, skip or unknown", t.Name, t.Want)
	}
	if (t.Resource == nil) == (t.Document == nil) {
		d.reportf(n, "test %q needs either resource or document", t.Name)
	}
	if t.Document != nil && t.Missing != nil {
		d.reportf(n, "test %q: a document says itself what is missing", t.Name)
	}
}

// TestResult is what became of one fixture.
type TestResult struct {
	Policy  string       `json:"policy"`
	Test    Test         `json:"test"`
	Verdict qrie.Verdict `json:"verdict"`
	Faults  []string     `json:"faults,omitempty"` // what is not as the fixture wants it
}

// OK reports whether the verdict is the one the fixture wants.
func (r TestResult) OK() bool { return len(r.Faults) == 0 }

// RunTests evaluates every fixture of the policy.
func (p *Policy) RunTests() []TestResult {
	results := make([]TestResult, len(p.Tests))
	for i, t := range p.Tests {
		results[i] = TestResult{Policy: p.ID, Test: t}
		verdict, err := p.runTest(t)
		if err != nil {
			results[i].Faults = []string{err.Error()}
			continue
		}
		results[i].Verdict = verdict
		results[i].Faults = t.faults(p.kind, verdict)
	}
	return results
}

func (p *Policy) runTest(t Test) (qrie.Verdict, error) {
	program, err := p.Bind(qrie.Launch{Params: t.Params})
	if err != nil {
		return qrie.Verdict{}, err
	}
	in, err := p.input(t)
	if err != nil {
		return qrie.Verdict{}, err
	}
	return program.Evaluate(in), nil
}

// input makes what a fixture puts before the policy.
func (p *Policy) input(t Test) (Input, error) {
	ref := p.kind.Ref(t.Account.ID, t.Region, t.ID)
	view, err := t.view(p.kind, ref)
	if err != nil {
		return Input{}, err
	}
	return Input{View: view, Ref: ref, Account: t.Account, Now: t.Now}, nil
}

// faults lists what of a verdict is not as the fixture wants it.
func (t Test) faults(kind resources.Type, v qrie.Verdict) []string {
	var faults []string
	expect := func(what string, got, want any) {
		faults = append(faults, fmt.Sprintf("%s is %v, want %v", what, got, want))
	}
	if v.Outcome != t.Want {
		expect("outcome", strings.TrimSpace(string(v.Outcome)+" "+v.Reason+v.Summary), t.Want)
	}
	if t.Violations != nil && !sameJSON(v.Evidence.Violations, t.Violations) {
		expect("violations", texts(v.Evidence.Violations), texts(t.Violations))
	}
	if t.Pointers != nil && !slices.Equal(v.Evidence.Pointers, t.Pointers) {
		expect("pointers", v.Evidence.Pointers, t.Pointers)
	}
	if t.Summary != "" && v.Summary != t.Summary {
		expect("summary", strconv.Quote(v.Summary), strconv.Quote(t.Summary))
	}
	if t.Reason != "" && !strings.Contains(v.Reason, t.Reason) {
		expect("reason", strconv.Quote(v.Reason), "one with "+strconv.Quote(t.Reason))
	}
	if t.Document == nil || v.Outcome != qrie.Fail {
		return faults
	}
	if len(v.Evidence.Pointers) < len(v.Evidence.Violations) {
		expect("evidence", fmt.Sprintf("%d pointers for %d violations", len(v.Evidence.Pointers), len(v.Evidence.Violations)),
			"one in each violation's "+pointerKey)
	}
	for _, pointer := range v.Evidence.Pointers {
		if !pointsInto(kind, t.Document, pointer) {
			expect("pointer", strconv.Quote(pointer), "one into the document")
		}
	}
	return faults
}

func texts(raw []json.RawMessage) []string {
	list := make([]string, len(raw))
	for i, r := range raw {
		list[i] = string(r)
	}
	return list
}

func sameJSON(a, b []json.RawMessage) bool {
	return slices.EqualFunc(a, b, func(a, b json.RawMessage) bool {
		var x, y any
		return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
	})
}

// pointsInto reports whether a JSON Pointer (RFC 6901) names something in a
// document, or a part that is not there of a member that could be: the
// evidence of a setting that was never made is its absence.
func pointsInto(kind resources.Type, document []byte, pointer string) bool {
	var value any
	if json.Unmarshal(document, &value) != nil || !strings.HasPrefix(pointer, "/") {
		return false
	}
	tokens := strings.Split(pointer[1:], "/")
	if !slices.Contains(kind.Members, tokens[0]) {
		return false
	}
	for _, token := range tokens {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[token]
			if !ok {
				return true
			}
			value = next
		case []any:
			index, err := strconv.Atoi(token)
			if err != nil || index < 0 || index >= len(v) {
				return false
			}
			value = v[index]
		default:
			return false
		}
	}
	return true
}
