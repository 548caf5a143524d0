package dynamo

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/qrie-sec/qrie"
)

func TestPackedValuesComeBack(t *testing.T) {
	p, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		out, err := p.expand("a value", p.compress(in))
		if err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%x came back as %x, %v", in, out, err)
		}
	})
	if _, err := p.expand("a value", []byte("no zstd")); err == nil {
		t.Error("what was never compressed was expanded")
	}
	f := qrie.Finding{ID: "f_aaaaaaaaaaaaaaaa", Ref: bucket("data"), Policy: public, State: qrie.Active, OpenedAt: start, ChangedAt: start}
	plain, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if packed := p.compress(plain); len(packed)*2 > len(plain) {
		t.Errorf("a finding of %d bytes takes %d: the dictionary does not serve", len(plain), len(packed))
	}
}

// What was written with dictionary 1 must be readable for ever.
func TestDictionaryIsAsItWas(t *testing.T) {
	const want = "88851ce2a377c029d4a7ed2c27fdce5849e82b1dd413436eff9fe1280f703308"
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(dictionary))); got != want {
		t.Fatalf("the dictionary has changed (%s): what is stored cannot be read with it; add another under the next id", got)
	}
}

func TestOrderOfKeysIsThatOfFindings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string) qrie.Finding {
			return qrie.Finding{ID: "f_" + rapid.StringMatching("[a-z2-7]{16}").Draw(t, what), Severity: qrie.Severity(rapid.IntRange(0, 100).Draw(t, "severity")),
				ChangedAt: start.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "seconds")) * time.Second)}
		}
		a, b := draw("a"), draw("b")
		want := int(b.Severity) - int(a.Severity)
		if want == 0 {
			want = b.ChangedAt.Compare(a.ChangedAt)
		}
		if want == 0 {
			want = strings.Compare(a.ID, b.ID)
		}
		got := strings.Compare(orderOf(a), orderOf(b))
		if (got < 0) != (want < 0) || (got == 0) != (want == 0) {
			t.Fatalf("%s and %s: %d, want %d", orderOf(a), orderOf(b), got, want)
		}
	})
}

func TestPlaceOfAResource(t *testing.T) {
	order := []qrie.Ref{
		{Account: "111122223333", Region: "eu-west-1", Type: "T", ID: "a"},
		{Account: "111122223333", Region: "eu-west-1", Type: "T", ID: "a|b"},
		{Account: "111122223333", Region: "eu-west-1", Type: "T", ID: "b"},
		{Account: "111122223333", Region: "eu-west-10", Type: "T", ID: "a"},
		{Account: "444455556666", Region: "af-south-1", Type: "T", ID: ""},
	}
	var places []string
	for _, ref := range order {
		places = append(places, placeOf(ref))
	}
	if !slices.IsSorted(places) {
		t.Errorf("out of order: %q", places)
	}
	for _, id := range []string{strings.Repeat("x", 5000), strings.Repeat("日", 5000), strings.Repeat("x", 899) + strings.Repeat("ü", 100)} {
		a, b := placeOf(qrie.Ref{Account: "111122223333", Region: "ap-southeast-2", Type: "T", ID: id + "1"}), placeOf(qrie.Ref{Account: "111122223333", Region: "ap-southeast-2", Type: "T", ID: id + "2"})
		if len(a) > maxKeyBytes || !utf8.ValidString(a) || a == b {
			t.Errorf("places of %d bytes, valid %v, equal %v", len(a), utf8.ValidString(a), a == b)
		}
	}
}

func TestIDsFromOutside(t *testing.T) {
	for id, want := range map[string]bool{"f_abcdefghijklmn27": true, "f_abcdefghijklmn2": false, "r_abcdefghijklmn27": false, "": false,
		"f_abcdefghijklmn2\x00": false, "f_ABCDEFGHIJKLMN27": false, "f_abcdefghijklmn01": false, strings.Repeat("f", 5000): false} {
		if validID(findingPrefix, id) != want {
			t.Errorf("%.30q: want %v", id, want)
		}
	}
}

func TestAliases(t *testing.T) {
	got := aliases(map[string]string{"#C0": "finding/ACTIVE/90"}, "ADD #C0 :n, #Rev :one", "#Rev = :r")
	if diff := cmp.Diff(map[string]string{"#C0": "finding/ACTIVE/90", "#Rev": "Rev"}, got); diff != "" {
		t.Error(diff)
	}
	if aliases(nil, "") != nil {
		t.Error("DynamoDB refuses names that are not used")
	}
}

func TestCancelledTransactions(t *testing.T) {
	cancelled := func(codes ...string) *types.TransactionCanceledException {
		e := &types.TransactionCanceledException{}
		for _, c := range codes {
			e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(c)})
		}
		return e
	}
	for _, c := range []struct {
		codes     []string
		again     bool
		condition bool
	}{
		{[]string{"None", "TransactionConflict"}, true, false},
		{[]string{"ThrottlingError", "None"}, true, false},
		{[]string{"ProvisionedThroughputExceeded"}, true, false},
		{[]string{"TransactionConflict", "ConditionalCheckFailed"}, false, true},
		{[]string{"ItemCollectionSizeLimitExceeded"}, false, false},
		{[]string{"None"}, false, false},
		{nil, false, false},
	} {
		again, err := contended(cancelled(c.codes...))
		if again != c.again || errors.Is(err, errCondition) != c.condition || (err == nil) != c.again {
			t.Errorf("%v: again %v, %v", c.codes, again, err)
		}
	}
}

func TestBackoffGrowsWithinItsBound(t *testing.T) {
	for n := range 100 {
		for range 20 {
			ceiling := min(time.Second, leastBackoff<<min(n, 16))
			if got := backoff(n, time.Second); got < ceiling/4 || got > ceiling {
				t.Fatalf("attempt %d waits %s, at most %s", n, got, ceiling)
			}
		}
	}
}
