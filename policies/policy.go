package policies

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// Policy is one policy of a set, checked and compiled. It must not be changed.
type Policy struct {
	ID           string // such as S3BucketPublic; names the bad state and never changes
	Aliases      []string
	Title        string
	Description  string // what fails
	Risk         string // why it matters
	Service      string // the folder of its file, such as s3
	Category     string
	Severity     qrie.Severity
	ResourceType string              // CloudFormation name, such as AWS::S3::Bucket
	Frameworks   map[string][]string // framework id to ids of its requirements
	Params       []Param             // by name
	Remediation  Remediation
	Tests        []Test
	// UsesNow is set if an expression reads the clock: a verdict may then
	// change although the resource does not.
	UsesNow bool
	// Daily is set if UsesNow and the moment of that change cannot be told
	// from dates, because the clock is read otherwise than by comparing it with
	// one: now.getFullYear(), an age in days that is shown. Verdicts are then
	// due every midnight UTC; those of other policies when a date passes.
	Daily bool
	// Reads are the fields of the view that the expressions read, sorted.
	Reads []string
	// Source is the file as it was read.
	Source []byte

	path       string
	kind       resources.Type
	env        *environment
	when       *expression
	lets       []*expression
	violations []*expression
	summary    *expression
	clock      *clock // nil unless UsesNow, and if Daily
}

// Definition changes whenever the file of the policy does: a launch names the
// one that its findings are judged by.
func (p *Policy) Definition() string {
	sum := sha256.Sum256(p.Source)
	return hex.EncodeToString(sum[:8])
}

// Param is a parameter that a launch may set.
type Param struct {
	Name    string `json:"name"`
	Type    string `json:"type"` // bool, int, string, list(int) or list(string)
	Help    string `json:"help"`
	Default any    `json:"default"`       // bool, int64, string, []int64 or []string
	Min     *int64 `json:"min,omitempty"` // of an int, or of every element of list(int)
	Max     *int64 `json:"max,omitempty"`
}

// Remediation is how to mend what a policy found. In the texts {{name}} and
// the like stand for values of the resource; Policy.Remedy fills them in.
type Remediation struct {
	Text      string   `json:"text"`    // Markdown
	Console   []string `json:"console"` // steps in the AWS console
	CLI       string   `json:"cli"`
	Terraform string   `json:"terraform"`
}

// Test is one fixture of a policy: a resource and what the policy says of it.
// Exactly one of Resource and Document is set.
type Test struct {
	Name     string                     `json:"name"`
	Want     qrie.Outcome               `json:"want"`
	Params   map[string]json.RawMessage `json:"params,omitempty"`
	Now      time.Time                  `json:"now,omitzero"`
	Account  qrie.Account               `json:"account,omitzero"`
	Region   string                     `json:"region"`
	ID       string                     `json:"id"`                 // the id of the resource
	Resource json.RawMessage            `json:"resource,omitempty"` // fields of the view; those left out are zero
	Document json.RawMessage            `json:"document,omitempty"` // AWS's answer, as an observation holds it
	Missing  []string                   `json:"missing,omitempty"`  // members that could not be read; with Resource only
	// What the verdict must say beside its outcome; zero is not checked.
	Violations []json.RawMessage `json:"violations,omitempty"`
	Pointers   []string          `json:"pointers,omitempty"`
	Summary    string            `json:"summary,omitempty"`
	Reason     string            `json:"reason,omitempty"` // a part of it

	line, column int
}

// Actions are the IAM actions that the policy cannot be evaluated without,
// sorted: those behind the members of the document that its fields rest on.
func (p *Policy) Actions() []string {
	var actions []string
	rests := restsOn(p.kind)
	for _, field := range p.Reads {
		for _, member := range rests[field] {
			for _, action := range p.kind.Actions {
				if action.Member == member {
					actions = append(actions, action.Name)
				}
			}
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}
