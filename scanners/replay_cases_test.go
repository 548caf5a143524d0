package scanners

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
)

var update = flag.Bool("update", false, "write the want sections of testdata/*.txtar anew")

// TestReplay runs every case of testdata: requests go out in AWS's wire
// formats and are answered from the case; what comes of it is compared with
// the case's "want".
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Fatalf("found %d cases in testdata", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a := readArchive(t, file)
			p := &replay{t: t, replies: a.replies(t)}
			s := newTestScanner(p)
			got, failed := runCase(t, s, a)
			for _, secret := range []string{testExternalID, testToken, "assumed-secret", "own-secret"} {
				if strings.Contains(got, secret) {
					t.Errorf("the result holds the secret %q:\n%s", secret, got)
				}
			}
			// A fault ends the calls that have not begun.
			if unused := p.unused(); len(unused) > 0 && !failed {
				t.Errorf("replies that no request asked for: %q", unused)
			}
			last := len(a.sections) - 1
			if a.sections[last].name != "want" {
				t.Fatalf("the last section is %q, want it to be want", a.sections[last].name)
			}
			if *update {
				a.sections[last].data = got
				a.write(t, file)
				return
			}
			if diff := cmp.Diff(a.sections[last].data, got); diff != "" {
				t.Errorf("result (-want +got; -update writes it anew):\n%s", diff)
			}
		})
	}
}

// runCase makes the case's one call and words what comes of it.
func runCase(t *testing.T, s *Scanner, a archive) (got string, failed bool) {
	t.Helper()
	ctx := context.Background()
	if what, ok := a.section("describe"); ok {
		ref := readRef(t, what)
		o, err := s.Describe(ctx, ref)
		if err != nil {
			return wordFault(t, err), true
		}
		if !o.ObservedAt.Equal(testTime) {
			t.Errorf("observed at %s, want the start of the call, %s", o.ObservedAt, testTime)
		}
		head := fmt.Sprintf("%s %s %s\n%s\n", o.Ref.Type, o.Ref.Region, o.Ref.ID, o.Ref.ARN)
		if o.Deleted {
			if o.Document != nil {
				t.Errorf("a deleted resource has the document %s", o.Document)
			}
			return head + "deleted\n", false
		}
		return head + indent(t, o.Document), false
	}
	what, ok := a.section("list")
	if !ok {
		t.Fatal("the case has neither a describe nor a list section")
	}
	fields := strings.Fields(what)
	var b strings.Builder
	for token, page := "", 1; ; page++ {
		refs, next, err := s.List(ctx, testAccount, fields[1], fields[0], token)
		if err != nil {
			return wordFault(t, err), true
		}
		fmt.Fprintf(&b, "page %d\n", page)
		for _, r := range refs {
			if r.Account != testAccount || r.Type != fields[0] {
				t.Errorf("listed %+v", r)
			}
			fmt.Fprintf(&b, "%s %s %s\n", r.Region, r.ID, r.ARN)
		}
		if next == "" {
			return b.String(), false
		}
		if token = next; page > 5 {
			t.Fatal("the list does not end")
		}
	}
}

// readRef reads "type Region id".
func readRef(t *testing.T, line string) qrie.Ref {
	t.Helper()
	fields := strings.Fields(line)
	if len(fields) != 3 {
		t.Fatalf("%q is no type, Region and id", line)
	}
	return qrie.Ref{Account: testAccount, Type: fields[0], Region: fields[1], ID: fields[2]}
}

func wordFault(t *testing.T, err error) string {
	t.Helper()
	var f *qrie.Fault
	if !errors.As(err, &f) {
		t.Fatalf("error %v (%T) is no *qrie.Fault", err, err)
	}
	return fmt.Sprintf("fault %s in %s, %s\naction %s\ncode %s\nretry after %s\n%v\n", f.Kind, f.Account, f.Region, f.Action, f.Code, f.RetryAfter, f.Err)
}

func indent(t *testing.T, document json.RawMessage) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatalf("the document is no JSON: %v\n%s", err, document)
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
