package qrie_test

import (
	"go/ast"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestFaultsHaveTests holds docs/faults.tsv, from which docs/reliability.md is
// made, against the tests that are there.
func TestFaultsHaveTests(t *testing.T) {
	there := map[string]bool{}
	eachFile(t, func(room, name string, file *ast.File, _ *token.FileSet) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				there[room+":"+f.Name.Name] = true
			}
		}
	})
	text, err := os.ReadFile("docs/faults.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 25 {
		t.Errorf("docs/faults.tsv has %d lines, want 25", len(lines))
	}
	for _, line := range lines {
		columns := strings.Split(line, "\t")
		if len(columns) != 4 {
			t.Errorf("docs/faults.tsv: %d columns in %q, want 4", len(columns), line)
			continue
		}
		for _, test := range strings.Fields(columns[3]) {
			if !there[test] {
				t.Errorf("docs/faults.tsv: fault %s names %s, which is not there", columns[0], test)
			}
		}
	}
}
