package qrie_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/qrie-sec/qrie"

// allowed is the architecture: each room and the rooms it may import. A room
// or an edge that is not here fails the test; docs/architecture.md gives the
// reasons.
var allowed = map[string][]string{
	"":                  {},
	"resources":         {""},
	"ingest":            {"", "resources"},
	"sqlite":            {},
	"sqlite/compact":    {},
	"stream":            {},
	"stream/local":      {"stream", "sqlite", "sqlite/compact"},
	"stream/kinesis":    {"stream"},
	"stream/memory":     {"stream"},
	"stream/streamtest": {"stream"},
	"store":             {""},
	"store/local":       {"", "store", "sqlite", "sqlite/compact"},
	"store/dynamo":      {"", "store"},
	"store/memory":      {"", "store"},
	"store/storetest":   {"", "store"},
	"policies":          {"", "resources"},
	"scanners":          {"", "resources"},
	"sim":               {"", "resources", "ingest"},
	"sim/machine":       {},
	"processor":         {"", "ingest", "policies", "resources", "store", "stream"},
	"notify":            {"", "store"},
	"simulation":        {"", "ingest", "policies", "resources", "processor", "sim", "sim/machine", "store", "store/memory", "stream", "stream/memory"},
	"query":             {"", "policies", "resources", "store"},
	"web":               {},
	"cmd/qrie": {"", "resources", "ingest", "sqlite", "stream", "stream/local", "stream/kinesis", "store", "store/local", "store/dynamo",
		"policies", "scanners", "sim", "processor", "notify", "query", "web"},
}

// only ties what is heavy or leaks a technology to the rooms that exist for it.
var only = map[string][]string{
	"github.com/gin-gonic/gin":                      {"query"},
	"github.com/danielgtaylor/huma":                 {"query"},
	"cel.dev/cel-go":                                {"policies"},
	"modernc.org/sqlite":                            {"sqlite"},
	"github.com/aws/aws-sdk-go-v2":                  {"scanners", "stream/kinesis", "store/dynamo", "cmd/qrie"},
	"github.com/aws/aws-sdk-go-v2/service":          {"scanners", "stream/kinesis", "store/dynamo"},
	"github.com/aws/aws-sdk-go-v2/service/kinesis":  {"stream/kinesis"},
	"github.com/aws/aws-sdk-go-v2/service/dynamodb": {"stream/kinesis", "store/dynamo"},
	"github.com/vmware/vmware-go-kcl-v2":            {"stream/kinesis"},
	"github.com/sirupsen/logrus":                    {"stream/kinesis"},
	"github.com/spf13/cobra":                        {"cmd/qrie"},
	"github.com/prometheus/client_golang":           {"scanners", "processor", "query", "stream/local", "store", "store/local", "stream/kinesis", "store/dynamo", "notify", "cmd/qrie"},
	"net/http":                                      {"query", "notify", "scanners", "web", "cmd/qrie"},
	"database/sql":                                  {"sqlite", "stream/local", "store/local"},
	"github.com/prometheus/client_golang/promauto":  {},
}

// banned calls make code depend on the process it runs in: the clock, the
// environment and the end of the process are injected by cmd.
var banned = map[string]string{
	"time.Now":   "take a clock in Options; only cmd reads the machine's",
	"os.Getenv":  "take a value in Options; only cmd reads the environment",
	"os.Exit":    "return an error; only cmd ends the process",
	"log.Fatal":  "return an error; only cmd ends the process",
	"log.Fatalf": "return an error; only cmd ends the process",
	"rand.Seed":  "take a source of randomness in Options",
}

func TestRoomsImportWhatTheyMay(t *testing.T) {
	seen := map[string]bool{}
	eachFile(t, func(room, name string, file *ast.File, fset *token.FileSet) {
		seen[room] = true
		edges, ok := allowed[room]
		if !ok {
			t.Errorf("%s: room %q is not in the architecture: add it to allowed and to docs/architecture.md, or move the file", name, room)
			return
		}
		test := strings.HasSuffix(name, "_test.go")
		for _, imp := range file.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatalf("%s: import %s: %v", name, imp.Path.Value, err)
			}
			if to, ours := ourRoom(p); ours {
				// A test may reach for any room but the wiring: it has to set
				// the scene.
				if to != room && !slices.Contains(edges, to) && (!test || to == "cmd/qrie") {
					t.Errorf("%s: room %q may not import %q", name, room, to)
				}
				continue
			}
			if test {
				continue
			}
			if rooms, tied := tiedTo(p); tied && !slices.Contains(rooms, room) {
				t.Errorf("%s: %s belongs to the rooms %q and not to %q", name, p, rooms, room)
			}
		}
	})
	for room := range allowed {
		if !seen[room] {
			t.Errorf("room %q is in the architecture and not in the tree", room)
		}
	}
}

func TestProcessIsTouchedByCmdOnly(t *testing.T) {
	eachFile(t, func(room, name string, file *ast.File, fset *token.FileSet) {
		if room == "cmd/qrie" || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(room, "test") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			if why, bad := banned[pkg.Name+"."+sel.Sel.Name]; bad {
				t.Errorf("%s: calls %s.%s: %s", fset.Position(call.Pos()), pkg.Name, sel.Sel.Name, why)
			}
			return true
		})
	})
}

func eachFile(t *testing.T, visit func(room, name string, file *ast.File, fset *token.FileSet)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); base != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		room := path.Dir(filepath.ToSlash(name))
		if room == "." {
			room = ""
		}
		visit(room, filepath.ToSlash(name), file, fset)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ourRoom(importPath string) (room string, ours bool) {
	if importPath == module {
		return "", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// tiedTo finds the most exact rule for a third party's package.
func tiedTo(importPath string) (rooms []string, tied bool) {
	best := ""
	for prefix, r := range only {
		if (importPath == prefix || strings.HasPrefix(importPath, prefix+"/")) && len(prefix) > len(best) {
			best, rooms, tied = prefix, r, true
		}
	}
	return rooms, tied
}
