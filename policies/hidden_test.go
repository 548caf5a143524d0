package policies

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
)

// TestHiddenMembers hides every member from every fixture in turn. A verdict
// may then become Unknown and nothing else, and it may not depend on what is
// hidden: the view keeps the value of a field that is marked unknown.
func TestHiddenMembers(t *testing.T) {
	for _, p := range catalogue(t).All() {
		t.Run(p.ID, func(t *testing.T) {
			unknown := 0
			for _, test := range p.Tests {
				if test.Resource == nil {
					continue
				}
				full, err := p.runTest(test)
				if err != nil {
					t.Fatalf("%s: %v", test.Name, err)
				}
				for _, member := range p.kind.Members {
					hidden := test
					hidden.Missing = append([]string{member}, test.Missing...)
					got, err := p.runTest(hidden)
					if err != nil {
						t.Fatalf("%s without %s: %v", test.Name, member, err)
					}
					if got.Outcome == qrie.Unknown {
						unknown++
						if got.Reason == "" {
							t.Errorf("%s without %s: unknown for no reason", test.Name, member)
						}
						continue
					}
					// A part that cannot be told is left out of the evidence.
					if got.Outcome == qrie.Fail && full.Outcome == qrie.Fail && got.Evidence.Total <= full.Evidence.Total {
						continue
					}
					if diff := cmp.Diff(full, got); diff != "" {
						t.Errorf("%s without %s: the verdict is another (-with +without):\n%s", test.Name, member, diff)
					}
				}
			}
			if unknown == 0 {
				t.Error("no member that is hidden makes any verdict unknown")
			}
		})
	}
}
