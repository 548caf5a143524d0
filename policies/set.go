package policies

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/qrie-sec/qrie/resources"
)

//go:embed */*.yaml
var files embed.FS

// Set is a catalogue of policies. It is immutable.
type Set struct {
	policies   []*Policy // by ID
	byID       map[string]*Policy
	byType     map[string][]*Policy
	frameworks []Framework // by ID
}

// Catalogue loads the policies that qrie ships.
func Catalogue() (*Set, error) { return Load(files) }

// Load reads <service>/<Id>.yaml and frameworks/<id>.yaml of a file system.
// Its error is a Problems with every fault of every file.
func Load(fsys fs.FS) (*Set, error) {
	paths, err := fs.Glob(fsys, "*/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	var problems Problems
	frameworks, err := loadFrameworks(fsys)
	problems = problems.and(err)
	l := loader{frameworks: frameworks, environments: make(map[string]*environment)}
	set := &Set{byID: make(map[string]*Policy), byType: make(map[string][]*Policy), frameworks: frameworks}
	for _, name := range paths {
		if path.Dir(name) == frameworksDir {
			continue
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read policy: %w", err)
		}
		p, err := l.load(name, text)
		if err != nil {
			problems = problems.and(err)
			continue
		}
		problems = append(problems, set.add(p)...)
	}
	slices.SortFunc(set.policies, func(a, b *Policy) int { return cmp.Compare(a.ID, b.ID) })
	for _, p := range set.policies {
		set.byType[p.ResourceType] = append(set.byType[p.ResourceType], p)
	}
	return set, problems.err()
}

// LoadFile checks and compiles one policy, against the frameworks that qrie
// ships. Its path is only told in errors; the folder and the name before
// .yaml must be the policy's service and id. It runs no fixture: see Lint.
func LoadFile(path string, data []byte) (*Policy, error) {
	frameworks, err := loadFrameworks(files)
	if err != nil {
		return nil, err
	}
	l := loader{frameworks: frameworks, environments: make(map[string]*environment)}
	return l.load(path, data)
}

// Lint loads one policy of a file system and runs its fixtures.
func Lint(fsys fs.FS, path string) (*Policy, error) {
	data, err := fs.ReadFile(fsys, path)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	p, err := LoadFile(path, data)
	if err != nil {
		return nil, err
	}
	var problems Problems
	for _, result := range p.RunTests() {
		for _, fault := range result.Faults {
			problems = append(problems, Problem{
				File: path, Line: result.Test.line, Column: result.Test.column,
				Message: fmt.Sprintf("test %q: %s", result.Test.Name, fault),
			})
		}
	}
	return p, problems.err()
}

// and adds what an error says.
func (ps Problems) and(err error) Problems {
	var more Problems
	switch {
	case err == nil:
		return ps
	case errors.As(err, &more):
		return append(ps, more...)
	}
	return append(ps, Problem{Message: err.Error()})
}

func (s *Set) add(p *Policy) Problems {
	var problems Problems
	for _, id := range append([]string{p.ID}, p.Aliases...) {
		if other, ok := s.byID[id]; ok {
			problems = append(problems, Problem{
				File: p.path, Line: 1, Column: 1,
				Message: fmt.Sprintf("id or alias %q is taken by %s", id, other.path),
			})
			continue
		}
		s.byID[id] = p
	}
	s.policies = append(s.policies, p)
	return problems
}

// All returns every policy, by id.
func (s *Set) All() []*Policy { return slices.Clone(s.policies) }

// Get finds a policy by its id or an alias of it.
func (s *Set) Get(id string) (*Policy, bool) {
	p, ok := s.byID[id]
	return p, ok
}

// For returns the policies that judge a resource type, by id.
func (s *Set) For(resourceType string) []*Policy { return slices.Clone(s.byType[resourceType]) }

// Frameworks returns the compliance frameworks, by id.
func (s *Set) Frameworks() []Framework { return slices.Clone(s.frameworks) }

// loader reads policies and keeps what they share.
type loader struct {
	frameworks   []Framework
	environments map[string]*environment // by resource type
}

func (l *loader) environment(kind resources.Type) (*environment, error) {
	if env, ok := l.environments[kind.Name]; ok {
		return env, nil
	}
	env, err := newEnvironment(kind)
	if err != nil {
		return nil, err
	}
	l.environments[kind.Name] = env
	return env, nil
}
