package policies

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Framework is a compliance framework: the requirements that policies may
// point to. A requirement that no policy points to is not assessed.
type Framework struct {
	ID           string        `json:"id"` // such as cis-aws-5.0
	Title        string        `json:"title"`
	Requirements []Requirement `json:"requirements"` // in the framework's order
}

// Requirement is one requirement of a framework, under our own short title.
type Requirement struct {
	ID    string `json:"id"` // as the framework writes it
	Title string `json:"title"`
	// Manual requirements cannot be told from configuration.
	Manual bool `json:"manual,omitempty"`
}

const frameworksDir = "frameworks"

// loadFrameworks reads frameworks/<id>.yaml; a file system without that
// folder takes those that qrie ships.
func loadFrameworks(fsys fs.FS) ([]Framework, error) {
	if _, err := fs.Stat(fsys, frameworksDir); err != nil {
		fsys = files
	}
	paths, err := fs.Glob(fsys, frameworksDir+"/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list frameworks: %w", err)
	}
	var frameworks []Framework
	var problems Problems
	for _, name := range paths {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read framework: %w", err)
		}
		s := source{path: name, text: text}
		frameworks = append(frameworks, s.framework())
		problems = append(problems, s.problems...)
	}
	slices.SortFunc(frameworks, func(a, b Framework) int { return cmp.Compare(a.ID, b.ID) })
	return frameworks, problems.err()
}

func (s *source) framework() Framework {
	var f Framework
	root := s.root()
	if root == nil {
		return f
	}
	s.mapping(root, "a framework",
		key{"id", func(n *yaml.Node) { f.ID = s.str(n, "id") }},
		key{"title", func(n *yaml.Node) { f.Title = s.str(n, "title") }},
		key{"requirements", func(n *yaml.Node) {
			s.list(n, "requirements", func(n *yaml.Node) {
				var r Requirement
				s.mapping(n, "a requirement",
					key{"id", func(n *yaml.Node) { r.ID = s.str(n, "id") }},
					key{"title", func(n *yaml.Node) { r.Title = s.str(n, "title") }},
					key{"manual", func(n *yaml.Node) { r.Manual = n.Value == "true" }},
				)
				if f.has(r.ID) {
					s.reportf(n, "requirement %q is given twice", r.ID)
				}
				f.Requirements = append(f.Requirements, r)
			})
		}},
	)
	if want := strings.TrimSuffix(path.Base(s.path), ".yaml"); f.ID != want {
		s.reportf(root, "id is %q, the file's name says %q", f.ID, want)
	}
	return f
}

func (f Framework) has(requirement string) bool {
	return slices.ContainsFunc(f.Requirements, func(r Requirement) bool { return r.ID == requirement })
}
