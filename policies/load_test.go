package policies

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// sound is a policy without a fault; the tests spoil a line of it at a time.
const sound = `id: S3BucketUntagged
title: S3 bucket without an owner
severity: 20
category: monitoring
resource: AWS::S3::Bucket
description: The bucket has no tag that names its owner.
risk: Nobody knows whom to ask.
compliance:
  nist-800-53-r5: ["CM-7"]
params:
  tag: {type: string, default: owner, help: The tag.}
when: resource.name != 'public'
let:
  - name: tags
    expr: resource.tags
violations: >
  params.tag in tags
  ? []
  : [{'tag': params.tag, 'at': '/Tags'}]
summary: "'bucket %s has no tag %s'.format([resource.name, params.tag])"
remediation:
  text: Tag {{name}}.
  console: [S3]
  cli: aws s3api put-bucket-tagging --bucket {{name}} --tagging TagSet=[{Key={{violations.tag}},Value=OWNER}]
tests:
  - {name: tagged, want: pass, resource: {tags: {owner: ann}}}
  - {name: untagged, want: fail, document: {Tags: []}}
  - {name: skipped, want: skip, resource: {name: public}}
  - {name: unreadable, want: unknown, resource: {}, missing: [Tags]}
`

const soundPath = "s3/S3BucketUntagged.yaml"

func TestLoadSound(t *testing.T) {
	p, err := LoadFile(soundPath, []byte(sound))
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range p.RunTests() {
		if !result.OK() {
			t.Errorf("%s: %v", result.Test.Name, result.Faults)
		}
	}
	if string(p.Source) != sound {
		t.Error("Source is not the file")
	}
}

func TestLoadFaults(t *testing.T) {
	for _, test := range []struct {
		name, old, new string
		want           []string // line:column: the beginning of the message
	}{
		{"not YAML", "id: S3", "id: [S3", []string{"1:1: did not find"}},
		{"unknown key", "risk:", "risks:", []string{"7:1: unknown key \"risks\" in a policy", "1:1: risk is missing"}},
		{"key twice", "risk:", "title: Again\nrisk:", []string{"7:1: key \"title\" is given twice"}},
		{"alias", "risk: Nobody knows whom to ask.", "risk: &r Nobody.\naliases: *r", []string{"8:10: aliases are not allowed"}},
		{"not a string", "title: S3 bucket without an owner", "title: 12", []string{"2:8: title must be a string", "2:8: title is missing"}},
		{"id is not the file's", "id: S3BucketUntagged", "id: S3BucketTagless", []string{`1:5: id is "S3BucketTagless", the file's name says "S3BucketUntagged"`}},
		{"title says Ensure", "title: S3", "title: Ensure S3", []string{"2:8: title must name the bad state"}},
		{"long title", "title: S3", "title: " + strings.Repeat("x", 100), []string{"2:8: title has"}},
		{"severity off the scale", "severity: 20", "severity: 101", []string{"3:11: severity 101 is not between 0 and 100"}},
		{"severity in words", "severity: 20", "severity: low", []string{"3:11: severity must be a whole number"}},
		{"no such category", "category: monitoring", "category: other", []string{`4:11: category "other" is none of`}},
		{"no such type", "resource: AWS::S3::Bucket", "resource: AWS::S3::Bin", []string{`5:11: there is no resource type "AWS::S3::Bin"`}},
		{"another service's type", "resource: AWS::S3::Bucket", "resource: AWS::RDS::DBInstance", []string{
			"5:11: AWS::RDS::DBInstance belongs into the folder rds", "12:15: when: undefined field 'name'", "20:53: summary: undefined field 'name'"}},
		{"no such framework", "nist-800-53-r5:", "nist:", []string{`9:3: there is no framework "nist"`}},
		{"no such requirement", `["CM-7"]`, `["CM-7", "CM-99"]`, []string{`9:28: framework nist-800-53-r5 has no requirement "CM-99"`}},
		{"parameter of no type", "type: string, default", "type: str, default", []string{`11:29: default of parameter tag: there is no type "str"`}},
		{"default of another type", "default: owner", "default: 1", []string{"11:32: default of parameter tag: must be string: 1 is not of this type"}},
		{"default out of bounds", "tag: {type: string, default: owner,", "n: {type: int, default: 5, max: 4, help: x}\n  tag: {type: string, default: owner,", []string{
			"11:27: default of parameter n: 5 is greater than 4", "11:3: parameter n is read by no expression"}},
		{"parameter without help", ", help: The tag.", "", []string{"11:3: parameter tag has no help"}},
		{"parameter without default", "default: owner, ", "", []string{"11:3: parameter tag has no default"}},
		{"plain expression", "resource.name != 'public'", "resource.nam != 'public'", []string{"12:15: when: undefined field 'nam'"}},
		{"expression of another type", "resource.name != 'public'", "resource.name", []string{"12:7: when must be bool, not string"}},
		{"folded expression", ": [{'tag': params.tag, 'at'", ": [{'tag': params.tags, 'at'", []string{"19:20: violations: undeclared reference to 'params.tags'"}},
		{"two faults in one expression", "params.tag in tags\n  ? []", "param in tags\n  ? [nobody]", []string{"17:3: violations: undeclared reference to 'param'", "18:6: violations: undeclared reference to 'nobody'"}},
		{"quoted expression", "no tag %s'.format([resource.name", "no tag %s'.format([resource.game", []string{"20:53: summary: undefined field 'game'"}},
		{"literal expression", "violations: >", "violations: |  # folded no more\n\n", nil},
		{"literal expression with a fault", "violations: >\n  params.tag in tags", "violations: |\n  params.tag in\n  tagz", []string{"18:3: violations: undeclared reference to 'tagz'"}},
		{"single quotes", `summary: "'bucket %s has no tag %s'.format([resource.name, params.tag])"`, `summary: '''bucket '' + resource.nam'`, []string{
			"20:33: summary: undefined field 'nam'"}},
		{"escape in double quotes", `summary: "'bucket %s`, `summary: "'\"bucket\" %s' + resource.nam + '%s`, []string{"20:37: summary: undefined field 'nam'"}},
		{"syntax of CEL", "params.tag in tags", "params.tag in in tags", []string{"17:17: violations: Syntax error"}},
		{"violations of strings", "[{'tag': params.tag, 'at': '/Tags'}]", "[params.tag]", []string{"16:13: violations must be a list of objects, not list(string)", "24:8: there is nothing to fill in for {{violations.tag}}"}},
		{"let that is read nowhere", "params.tag in tags", "params.tag in resource.tags", []string{"14:3: let tags is read by no expression"}},
		{"let that hides a variable", "name: tags", "name: resource", []string{`14:5: "resource" is no name for a let`, "17:17: "}},
		{"let with a fault", "expr: resource.tags", "expr: resource.tagz", []string{"15:19: tags: undefined field 'tagz'"}},
		{"expensive", "params.tag in tags\n", "tags.exists(a, tags.exists(b, tags.exists(c, a + b + c == params.tag)))\n", []string{"16:13: violations: may cost"}},
		{"no such placeholder", "text: Tag {{name}}", "text: Tag {{nam}}", []string{"22:9: there is nothing to fill in for {{nam}}"}},
		{"placeholder in backticks", "text: Tag {{name}}", "text: Tag `{{name}}`", []string{"22:9: a placeholder must not stand in backticks"}},
		{"let twice", "  - name: tags\n    expr: resource.tags", "  - name: tags\n    expr: resource.tags\n  - name: tags\n    expr: resource.tags", []string{`16:5: there are two lets named "tags"`}},
		{"no such violation's member", "{{violations.tag}}", "{{violations.tags}}", []string{"24:8: there is nothing to fill in for {{violations.tags}}"}},
		{"nothing for the console", "  console: [S3]\n", "", []string{"22:3: remediation needs text, console, and cli or terraform"}},
		{"no passing test", "{name: tagged, want: pass", "{name: tagged, want: fail", []string{"26:3: there is no test that wants pass"}},
		{"no unknown test", "want: unknown", "want: pass", []string{"26:3: there is no test that wants unknown"}},
		{"no skipping test", "want: skip", "want: pass", []string{"26:3: there is no test that wants skip"}},
		{"no failing document", "document: {Tags: []}", "resource: {}", []string{"26:3: there is no test that wants fail of a document"}},
		{"test of no outcome", "want: skip", "want: skipped", []string{`28:5: test "skipped" wants "skipped"`, "26:3: there is no test that wants skip"}},
		{"two tests of a name", "name: untagged", "name: tagged", []string{`27:5: there are two tests named "tagged"`}},
		{"test of nothing", ", resource: {name: public}", "", []string{`28:5: test "skipped" needs either resource or document`}},
		{"two documents", "id: S3", "---\nid: S3", nil},
		{"odd line breaks", "risk: Nobody", "risk: \u2028Nobody", []string{"0:0: has line breaks"}},
		{"two documents indeed", "tests:", "---\ntests:", []string{"1:1: holds more than one YAML document"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(sound, test.old, test.new, 1)
			if text == sound {
				t.Fatalf("%q is not in the sound policy", test.old)
			}
			_, err := LoadFile(soundPath, []byte(text))
			var problems Problems
			if err != nil && !errors.As(err, &problems) {
				t.Fatalf("error is %T: %v", err, err)
			}
			for _, want := range test.want {
				found := false
				for _, p := range problems {
					found = found || strings.HasPrefix(fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message), want)
				}
				if !found {
					t.Errorf("no problem begins with %q", want)
				}
			}
			if len(problems) > len(test.want) || t.Failed() {
				t.Errorf("got %d problems, want %d:\n%v", len(problems), len(test.want), problems)
			}
		})
	}
}

// TestContext reads every variable beside the resource.
func TestContext(t *testing.T) {
	text := strings.Replace(sound, "when: resource.name != 'public'",
		"when: resource.name != 'public' && account.id == '123456789012' && account.name == 'shop' && account.ou.startsWith('/Workloads/')\n"+
			"  && account.tags['env'] == 'prod' && region == 'us-east-1' && now > timestamp('2026-01-01T00:00:00Z')", 1)
	account := "account: {id: \"123456789012\", name: shop, ou: /Workloads/Prod, tags: {env: prod}}, "
	text = strings.Replace(text, "{name: tagged, ", "{name: tagged, "+account, 1)
	text = strings.Replace(text, "{name: untagged, ", "{name: untagged, "+account, 1)
	text = strings.Replace(text, "{name: unreadable, ", "{name: unreadable, "+account, 1)
	text += "  - {name: elsewhere, want: skip, region: eu-west-1, " + account + "resource: {}}\n"
	text += "  - {name: earlier, want: skip, now: 2025-12-31T00:00:00Z, " + account + "resource: {}}\n"
	text += "  - {name: of nobody, want: unknown, resource: {}, account: {id: \"123456789012\", name: shop, ou: /Workloads/Prod}, reason: \"no such key: env\"}\n"
	if _, err := Lint(fstest.MapFS{soundPath: {Data: []byte(text)}}, soundPath); err != nil {
		t.Error(err)
	}
}

func TestLoadReportsEveryFile(t *testing.T) {
	set, err := Load(fstest.MapFS{
		"s3/S3BucketUntagged.yaml":  {Data: []byte(sound)},
		"s3/S3BucketUntagged2.yaml": {Data: []byte(strings.Replace(sound, "S3BucketUntagged", "S3BucketUntagged2\naliases: [S3BucketUntagged]", 1))},
		"s3/S3BucketEmpty.yaml":     {Data: nil},
		"s3/S3BucketList.yaml":      {Data: []byte("[]")},
	})
	want := []string{
		"s3/S3BucketEmpty.yaml:0:0",
		"s3/S3BucketList.yaml:1:1",
		"s3/S3BucketUntagged2.yaml:1:1",
	}
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want Problems", err)
	}
	var got []string
	for _, p := range problems {
		if place := fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column); len(got) == 0 || got[len(got)-1] != place {
			got = append(got, place)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places of problems, -want +got:\n%s\n%v", diff, err)
	}
	if _, ok := set.Get("S3BucketUntagged"); !ok {
		t.Error("the sound policy is not in the set")
	}
}

func TestLint(t *testing.T) {
	faulty := strings.Replace(sound, "document: {Tags: []}}", "document: {Tags: []}, pointers: [/Tags/0], violations: [{tag: own}], summary: none}", 1)
	faulty = strings.Replace(faulty, "'at': '/Tags'", "'at': '/Tegs'", 1)
	faulty = strings.Replace(faulty, "missing: [Tags]", "missing: [Tag]", 1)
	faulty = strings.Replace(faulty, "{owner: ann}", "{}", 1)
	fsys := fstest.MapFS{soundPath: {Data: []byte(faulty)}}
	_, err := Lint(fsys, soundPath)
	want := strings.TrimSpace(`
s3/S3BucketUntagged.yaml:26:5: test "tagged": outcome is fail bucket  has no tag owner, want pass
s3/S3BucketUntagged.yaml:27:5: test "untagged": violations is [{"tag":"owner"}], want [{"tag":"own"}]
s3/S3BucketUntagged.yaml:27:5: test "untagged": pointers is [/Tegs], want [/Tags/0]
s3/S3BucketUntagged.yaml:27:5: test "untagged": summary is "bucket example has no tag owner", want "none"
s3/S3BucketUntagged.yaml:27:5: test "untagged": pointer is "/Tegs", want one into the document
s3/S3BucketUntagged.yaml:29:5: test "unreadable": AWS::S3::Bucket has no member "Tag"`)
	if err == nil {
		t.Fatal("got no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := Lint(fstest.MapFS{soundPath: {Data: []byte(sound)}}, soundPath); err != nil {
		t.Errorf("the sound policy: %v", err)
	}
}

// FuzzPolicyYAML feeds the editor's text: no panic, and a policy that loads
// runs its fixtures.
func FuzzPolicyYAML(f *testing.F) {
	f.Add(sound)
	f.Add("id: [")
	f.Add("{{{\r\r\r")
	f.Add(strings.ReplaceAll(sound, "\n", "\r\n"))
	f.Add("when: \"\\x41 + \\u00e4 + nobody\"\nresource: AWS::S3::Bucket\nviolations: '''a'''\n")
	f.Add("resource: AWS::S3::Bucket\nviolations: >-\n\n\n   äöü\n\n   + nobody\nlet: [{name: a, expr: b}]")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := LoadFile(soundPath, []byte(text))
		if (p == nil) == (err == nil) {
			t.Fatalf("got policy %v and error %v", p, err)
		}
		if p != nil {
			p.RunTests()
		}
		var problems Problems
		if errors.As(err, &problems) {
			lines := strings.Count(text, "\n") + 2
			for _, p := range problems {
				if p.Line > lines {
					t.Fatalf("%v is behind the end of %d lines", p, lines)
				}
			}
		}
	})
}
