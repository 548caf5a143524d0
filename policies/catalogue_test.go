package policies

import (
	"testing"
)

func TestCatalogueFixtures(t *testing.T) {
	for _, p := range catalogue(t).All() {
		t.Run(p.ID, func(t *testing.T) {
			for _, result := range p.RunTests() {
				for _, fault := range result.Faults {
					t.Errorf("%s:%d: %s: %s", p.path, result.Test.line, result.Test.Name, fault)
				}
			}
		})
	}
}

func catalogue(tb testing.TB) *Set {
	tb.Helper()
	set, err := Catalogue()
	if err != nil {
		tb.Fatalf("load catalogue:\n%v", err)
	}
	return set
}
