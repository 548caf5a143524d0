package policies

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

func evidence(violations ...string) qrie.Evidence {
	ev := qrie.Evidence{Total: len(violations)}
	for _, v := range violations {
		ev.Violations = append(ev.Violations, json.RawMessage(v))
	}
	return ev
}

func TestRemedy(t *testing.T) {
	p := Policy{Remediation: Remediation{
		Text:    "Delete {{violations.key}} of {{name}}.",
		Console: []string{"IAM > {{ name }}", "{{violations.key}}"},
		CLI: "# twice\n" +
			"aws iam update-access-key --user-name {{name}} \\\n  --access-key-id {{violations.key}}\n" +
			"aws iam get-user --user-name {{name}}",
		Terraform: "user = \"{{name}}\" # {{account}} {{region}} {{arn}} {{id}} {{hasPassword}}",
	}}
	in := Input{
		View: resources.View{Value: &resources.IAMUser{Name: "ann", HasPassword: true}, Name: "ann", ARN: "arn:aws:iam::123456789012:user/ann"},
		Ref:  qrie.Ref{Account: fixtureAccount, Region: fixtureRegion, ID: "ann"},
	}
	want := Remediation{
		Text:    "Delete `AKIA1`, `AKIA2` of `ann`.",
		Console: []string{"IAM > ann", "AKIA1, AKIA2"},
		CLI: "# twice\n" +
			"aws iam update-access-key --user-name ann \\\n  --access-key-id AKIA1\n" +
			"aws iam update-access-key --user-name ann \\\n  --access-key-id AKIA2\n" +
			"aws iam get-user --user-name ann",
		Terraform: `user = "ann" # 123456789012 us-east-1 arn:aws:iam::123456789012:user/ann ann true`,
	}
	got := p.Remedy(in, evidence(`{"key": "AKIA1"}`, `{"key": "AKIA2"}`, `{"key": "AKIA1"}`, `{"other": 1}`))
	// A violation without the key gives a command that names it empty.
	want.CLI = strings.Replace(want.CLI, "aws iam get-user", "aws iam update-access-key --user-name ann \\\n  --access-key-id ''\naws iam get-user", 1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestRemedyQuotes gives values that mean something to a shell, to Terraform
// and to Markdown: anyone who may tag an instance chooses its name.
func TestRemedyQuotes(t *testing.T) {
	p := Policy{Remediation: Remediation{
		Text: "See {{name}}.", Console: []string{"{{name}}"}, CLI: "printf %s {{name}}", Terraform: `name = "{{name}}"`,
	}}
	for _, test := range []struct{ name, text, cli, terraform string }{
		{"web-1", "See `web-1`.", "printf %s web-1", `name = "web-1"`},
		{"a b", "See `a b`.", "printf %s 'a b'", `name = "a b"`},
		{"$(reboot)", "See `$(reboot)`.", "printf %s '$(reboot)'", `name = "$(reboot)"`},
		{"it's", "See `it's`.", `printf %s 'it'\''s'`, `name = "it's"`},
		{"-rf", "See `-rf`.", "printf %s '-rf'", `name = "-rf"`},
		{`"${file("x")}`, "See `\"${file(\"x\")}`.", `printf %s '"${file("x")}'`, `name = "\"$${file(\"x\")}"`},
		{"a\nreboot", "See `a reboot`.", "printf %s 'a reboot'", `name = "a reboot"`},
		{"[x](y)<b>", "See `[x](y)<b>`.", "printf %s '[x](y)<b>'", `name = "[x](y)<b>"`},
		{`\%{if}`, "See `\\%{if}`.", `printf %s '\%{if}'`, `name = "\\%%{if}"`},
		{"ä", "See `ä`.", "printf %s 'ä'", `name = "ä"`},
		{"`a``b", "See ``` `a``b ```.", "printf %s '`a``b'", "name = \"`a``b\""},
		{"{{id}}", "See `{{id}}`.", "printf %s '{{id}}'", `name = "{{id}}"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := p.Remedy(Input{View: resources.View{Value: &resources.EC2Instance{}, Name: test.name}, Ref: qrie.Ref{ID: "i-1"}}, qrie.Evidence{})
			want := Remediation{Text: test.text, Console: []string{plainValue(test.name)}, CLI: test.cli, Terraform: test.terraform}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			printed, err := exec.Command("sh", "-c", got.CLI).Output()
			if err != nil {
				t.Fatalf("run in a shell: %v", err)
			}
			if string(printed) != plainValue(test.name) {
				t.Errorf("a shell reads %q, want %q", printed, plainValue(test.name))
			}
		})
	}
}

// TestRemediesOfCatalogue leaves no placeholder in any remediation.
func TestRemediesOfCatalogue(t *testing.T) {
	for _, p := range catalogue(t).All() {
		for _, test := range p.Tests {
			if test.Want != qrie.Fail || test.Document == nil {
				continue
			}
			in, err := p.input(test)
			if err != nil {
				t.Fatalf("%s: %v", p.ID, err)
			}
			got := p.Remedy(in, bind(t, p, qrie.Launch{Params: test.Params}).Evaluate(in).Evidence)
			all := strings.Join(append(got.Console, got.Text, got.CLI, got.Terraform), "\n")
			if strings.Contains(all, "{{") || strings.Contains(all, "''") {
				t.Errorf("%s: something is not filled in:\n%s", p.ID, all)
			}
		}
	}
}
