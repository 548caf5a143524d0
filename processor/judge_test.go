package processor

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
)

var testNow = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// testBoard binds launches of the catalogue.
func testBoard(t *testing.T, generation int64, launches ...qrie.Launch) *board {
	t.Helper()
	catalogue, err := policies.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{catalogue: catalogue, log: discard()}
	b := d.bind(qrie.LaunchSet{Generation: generation, Launches: launches})
	for _, l := range launches {
		if d.broken[l.Policy] {
			t.Fatalf("policy %s cannot be bound", l.Policy)
		}
	}
	return b
}

func active(policy string, generation int64) qrie.Launch {
	return qrie.Launch{Policy: policy, Status: qrie.LaunchActive, Generation: generation}
}

func bucket(t *testing.T) qrie.Ref {
	t.Helper()
	typ, ok := resources.Find("AWS::S3::Bucket")
	if !ok {
		t.Fatal("AWS::S3::Bucket is not known")
	}
	return typ.Ref("111111111111", "eu-west-1", "logs")
}

const (
	versioned   = `{"Location":{"LocationConstraint":"eu-west-1"},"Versioning":{"Status":"Enabled"}}`
	unversioned = `{"Location":{"LocationConstraint":"eu-west-1"},"Versioning":{"Status":"Suspended"}}`
	unseen      = `{"Location":{"LocationConstraint":"eu-west-1"},"missing":[{"member":"Versioning","code":"AccessDenied","action":"s3:GetBucketVersioning"}]}`
)

// history judges documents one after another as the store would hold them.
func history(t *testing.T, b *board, documents ...string) (stored *store.Resource, kinds []string) {
	t.Helper()
	for i, doc := range documents {
		at := testNow.Add(time.Duration(i) * time.Minute)
		obs := qrie.Observation{Ref: bucket(t), ObservedAt: at, Document: json.RawMessage(doc), Deleted: doc == ""}
		if doc == "" {
			obs.Document = nil
		}
		eval := judge(look{stored: stored, obs: obs, account: qrie.Account{ID: "111111111111"}, board: b, now: at,
			events: []qrie.Event{{ID: doc, Time: at}}})
		for _, tr := range eval.Transitions {
			kinds = append(kinds, string(tr.Kind)+" "+string(tr.Resolution))
		}
		next := eval.Next
		next.Version = eval.Base + 1
		stored = &next
	}
	return stored, kinds
}

func TestFindingsFollowTheDocument(t *testing.T) {
	b := testBoard(t, 1, active("S3BucketVersioningDisabled", 1))
	f := func(name string, want []string, documents ...string) {
		t.Helper()
		if _, got := history(t, b, documents...); !cmp.Equal(want, got) {
			t.Errorf("%s: %s", name, cmp.Diff(want, got))
		}
	}
	f("good from the first", nil, versioned)
	f("bad from the first", []string{"opened "}, unversioned)
	f("the same again", []string{"opened "}, unversioned, unversioned)
	f("fixed", []string{"opened ", "resolved fixed"}, unversioned, versioned)
	f("comes back", []string{"opened ", "resolved fixed", "reopened "}, unversioned, versioned, unversioned)
	f("deleted", []string{"opened ", "resolved resource_deleted"}, unversioned, "")
	f("not seen opens nothing", nil, unseen)
	f("not seen resolves nothing", []string{"opened "}, unversioned, unseen)
	f("seen again", []string{"opened ", "resolved fixed"}, unversioned, unseen, versioned)
}

func TestUnknownNamesTheActionThatLacks(t *testing.T) {
	b := testBoard(t, 1, active("S3BucketVersioningDisabled", 1))
	stored, _ := history(t, b, unversioned, unseen)
	head := stored.Heads["S3BucketVersioningDisabled"]
	if head.Outcome != qrie.Unknown || !head.Open {
		t.Errorf("head is %+v, want unknown with the finding kept active", head)
	}
	if !contains(head.Reason, "s3:GetBucketVersioning") {
		t.Errorf("reason %q does not name the action", head.Reason)
	}
}

func TestUnchangedDocumentHasNoCause(t *testing.T) {
	b := testBoard(t, 1)
	stored, _ := history(t, b, versioned)
	eval := judge(look{stored: stored, board: b, now: testNow, account: qrie.Account{ID: "111111111111"},
		obs:    qrie.Observation{Ref: bucket(t), ObservedAt: testNow.Add(time.Hour), Document: json.RawMessage(versioned)},
		events: []qrie.Event{{ID: "again", Time: testNow.Add(time.Hour)}}})
	if eval.Changed || len(eval.Next.Explained) != 1 {
		t.Errorf("changed %v, explained %v: an event that changed nothing explains nothing", eval.Changed, eval.Next.Explained)
	}
}

func TestUnchangedIsJudgedAgainOnlyWhenItMay(t *testing.T) {
	stored, _ := history(t, testBoard(t, 1), unversioned)
	again := func(b *board, now time.Time) int {
		eval := judge(look{stored: stored, board: b, now: now, account: qrie.Account{ID: "111111111111"},
			obs: qrie.Observation{Ref: bucket(t), ObservedAt: testNow.Add(time.Hour), Document: json.RawMessage(unversioned)}})
		return len(eval.Transitions)
	}
	launched := active("S3BucketVersioningDisabled", 2)
	if n := again(testBoard(t, 1, launched), testNow); n != 0 {
		t.Errorf("the same policies judged an unchanged document again: %d transitions", n)
	}
	if n := again(testBoard(t, 2, launched), testNow); n != 1 {
		t.Errorf("a policy launched since gave %d transitions, want 1", n)
	}
	stored.DueAt = testNow.Add(time.Hour)
	if n := again(testBoard(t, 1, launched), testNow.Add(2*time.Hour)); n != 1 {
		t.Errorf("a date that has passed gave %d transitions, want 1", n)
	}
}

func TestLaunchingOpensWithoutAGuess(t *testing.T) {
	stored, _ := history(t, testBoard(t, 1), unversioned)
	b := testBoard(t, 2, active("S3BucketVersioningDisabled", 2))
	eval := judge(look{stored: stored, reread: true, board: b, now: testNow, note: "policy launched", account: qrie.Account{ID: "111111111111"},
		obs: qrie.Observation{Ref: bucket(t), ObservedAt: stored.ObservedAt, Document: stored.Document}})
	if len(eval.Transitions) != 1 {
		t.Fatalf("%d transitions", len(eval.Transitions))
	}
	if c := eval.Transitions[0].Cause; c.Attribution != qrie.AttributionUnknown || c.Note != "policy launched" || len(c.Events) != 0 {
		t.Errorf("cause is %+v", c)
	}
	if eval.Changed || !eval.Reread || eval.Next.Generation != 2 {
		t.Errorf("changed %v, reread %v, generation %d", eval.Changed, eval.Reread, eval.Next.Generation)
	}
}

func TestScopeResolvesAsOutOfScope(t *testing.T) {
	stored, _ := history(t, testBoard(t, 1, active("S3BucketVersioningDisabled", 1)), unversioned)
	narrow := active("S3BucketVersioningDisabled", 2)
	narrow.Scope.ExcludeAccounts = []string{"111111111111"}
	eval := judge(look{stored: stored, reread: true, board: testBoard(t, 2, narrow), now: testNow, account: qrie.Account{ID: "111111111111"},
		obs: qrie.Observation{Ref: bucket(t), ObservedAt: stored.ObservedAt, Document: stored.Document}})
	if len(eval.Transitions) != 1 || eval.Transitions[0].Resolution != qrie.ResolvedOutOfScope {
		t.Errorf("transitions %+v", eval.Transitions)
	}
}

func TestSuspendedPolicyIsFrozen(t *testing.T) {
	stored, _ := history(t, testBoard(t, 1, active("S3BucketVersioningDisabled", 1)), unversioned)
	suspended := active("S3BucketVersioningDisabled", 2)
	suspended.Status = qrie.LaunchSuspended
	eval := judge(look{stored: stored, board: testBoard(t, 2, suspended), now: testNow, account: qrie.Account{ID: "111111111111"},
		obs: qrie.Observation{Ref: bucket(t), ObservedAt: testNow.Add(time.Minute), Document: json.RawMessage(versioned)}})
	if len(eval.Transitions) != 0 || !eval.Next.Heads["S3BucketVersioningDisabled"].Open {
		t.Errorf("a suspended policy moved: %+v, head %+v", eval.Transitions, eval.Next.Heads)
	}
}

func TestDocumentOfAnotherShapeIsUnknown(t *testing.T) {
	b := testBoard(t, 1, active("S3BucketVersioningDisabled", 1))
	stored, kinds := history(t, b, unversioned, `{"Versioning":7}`)
	if h := stored.Heads["S3BucketVersioningDisabled"]; h.Outcome != qrie.Unknown || !h.Open || len(kinds) != 1 {
		t.Errorf("head %+v, transitions %v", h, kinds)
	}
}

func contains(s, part string) bool { return strings.Contains(s, part) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// A policy that panics is unknown by itself, and the others judge as ever.
func TestPanicOfOnePolicy(t *testing.T) {
	b := testBoard(t, 1, active("S3BucketVersioningDisabled", 1), active("S3BucketEncryptionDisabled", 1))
	programs := b.programs["AWS::S3::Bucket"]
	for i := range programs {
		if programs[i].policy.ID == "S3BucketEncryptionDisabled" {
			programs[i].run = nil // whatever runs it meets a nil pointer
		}
	}
	stored, kinds := history(t, b, unversioned)
	if h := stored.Heads["S3BucketEncryptionDisabled"]; h.Outcome != qrie.Unknown || !strings.Contains(h.Reason, "panicked") {
		t.Errorf("the policy that panics: %+v", h)
	}
	if h := stored.Heads["S3BucketVersioningDisabled"]; h.Outcome != qrie.Fail || len(kinds) != 1 {
		t.Errorf("the other: %+v, %v", h, kinds)
	}
}
