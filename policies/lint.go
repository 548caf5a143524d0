package policies

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/qrie-sec/qrie"
)

var (
	identifier = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,39}$`)
	policyID   = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{4,63}$`)
)

// reserved are the variables that a let must not hide.
var reserved = []string{"resource", "now", "account", "region", "params", "violations", "iam"}

// categories are what a policy may be about.
var categories = []string{
	"access_control", "data_protection", "encryption", "logging", "monitoring", "network_security",
}

// The lengths, in characters, that a table or a card of the console holds.
const (
	maxTitle = 100
	maxText  = 400
)

// lint holds the file against the rules of the catalogue that the shape of
// the file does not enforce.
func (d *draft) lint(root *yaml.Node) {
	d.lintNames(root)
	d.lintTexts(root)
	d.lintUse(root)
	d.lintPlaceholders()
	d.lintTests(root)
}

func (d *draft) lintNames(root *yaml.Node) {
	p := d.policy
	id := d.at("id", root)
	if !policyID.MatchString(p.ID) {
		d.reportf(id, "id %q must be in PascalCase and name the bad state, such as S3BucketPublic", p.ID)
	}
	if name := strings.TrimSuffix(path.Base(p.path), ".yaml"); name != p.ID {
		d.reportf(id, "id is %q, the file's name says %q", p.ID, name)
	}
	p.Service = path.Base(path.Dir(p.path))
	if !strings.HasPrefix(strings.ToLower(p.ID), p.Service) {
		d.reportf(id, "id %q must begin with the service %q, the folder of its file", p.ID, p.Service)
	}
	// What belongs to the account as a whole is filed under the service that keeps it.
	if service := qrie.ServiceOf(p.ResourceType); service != p.Service && p.ResourceType != "AWS::Account" {
		d.reportf(d.at("resource", root), "%s belongs into the folder %s", p.ResourceType, service)
	}
	for _, alias := range p.Aliases {
		if !policyID.MatchString(alias) {
			d.reportf(d.at("aliases", root), "alias %q must be in PascalCase", alias)
		}
	}
	if !p.Severity.Valid() {
		d.reportf(d.at("severity", root), "severity %d is not between 0 and 100", p.Severity)
	}
	if !slices.Contains(categories, p.Category) {
		d.reportf(d.at("category", root), "category %q is none of %s", p.Category, strings.Join(categories, ", "))
	}
}

func (d *draft) lintTexts(root *yaml.Node) {
	p := d.policy
	for _, text := range []struct {
		name, value string
		most        int
	}{
		{"title", p.Title, maxTitle}, {"description", p.Description, maxText}, {"risk", p.Risk, maxText},
	} {
		switch length := utf8.RuneCountInString(text.value); {
		case length == 0:
			d.reportf(d.at(text.name, root), "%s is missing", text.name)
		case length > text.most:
			d.reportf(d.at(text.name, root), "%s has %d characters, more than %d", text.name, length, text.most)
		}
	}
	if first, _, _ := strings.Cut(p.Title, " "); first == "Ensure" || strings.HasSuffix(p.Title, ".") {
		d.reportf(d.at("title", root), "title must name the bad state, without Ensure and without a full stop")
	}
	for _, name := range []string{"violations", "summary", "remediation", "tests", "severity"} {
		if d.place[name] == nil {
			d.reportf(root, "%s is missing", name)
		}
	}
	if r := p.Remediation; d.place["remediation"] != nil {
		if r.Text == "" || len(r.Console) == 0 || r.CLI == "" && r.Terraform == "" {
			d.reportf(d.at("remediation", root), "remediation needs text, console, and cli or terraform")
		}
	}
}

// lintUse reports what is declared and read by no expression.
func (d *draft) lintUse(root *yaml.Node) {
	if d.blind {
		return
	}
	for _, param := range d.policy.Params {
		if !d.used["params."+param.Name] {
			d.reportf(d.at("params", root), "parameter %s is read by no expression", param.Name)
		}
	}
	for _, let := range d.policy.lets {
		if !d.used[let.name] {
			d.reportf(d.at("let", root), "let %s is read by no expression", let.name)
		}
	}
}

func (d *draft) lintPlaceholders() {
	if d.policy.kind.Sample == nil {
		return
	}
	known := scalars(d.policy.kind.Sample)
	for _, text := range d.texts {
		if strings.Contains(text.text, "`{{") {
			d.reportf(text.at, "a placeholder must not stand in backticks; it is filled in with its own")
		}
		for _, match := range placeholder.FindAllStringSubmatch(text.text, -1) {
			name := match[1]
			member, ofViolation := strings.CutPrefix(name, "violations.")
			_, ofView := known[name]
			if ofViolation && !d.blind && !slices.Contains(d.keys, member) || !ofViolation && !ofView && !slices.Contains(refNames, name) {
				d.reportf(text.at, "there is nothing to fill in for {{%s}}", name)
			}
		}
	}
}

// lintTests wants a fixture of each outcome that the policy can have, and one
// whose evidence points into a document.
func (d *draft) lintTests(root *yaml.Node) {
	at := d.at("tests", root)
	wants := []qrie.Outcome{qrie.Pass, qrie.Fail}
	if d.policy.kind.Sample != nil && len(d.policy.Actions()) > 0 {
		wants = append(wants, qrie.Unknown)
	}
	if d.policy.when != nil {
		wants = append(wants, qrie.Skip)
	}
	for _, want := range wants {
		if !slices.ContainsFunc(d.policy.Tests, func(t Test) bool { return t.Want == want }) {
			d.reportf(at, "there is no test that wants %s", want)
		}
	}
	if !slices.ContainsFunc(d.policy.Tests, func(t Test) bool { return t.Want == qrie.Fail && t.Document != nil }) {
		d.reportf(at, "there is no test that wants fail of a document; one must show where the evidence points")
	}
}
