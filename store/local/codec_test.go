package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// TestPackedIsReadAsItWasWritten, whatever strangers have put into an event.
func TestPackedIsReadAsItWasWritten(t *testing.T) {
	at := time.Date(2026, 11, 30, 4, 5, 6, 123456789, time.UTC)
	want := store.DirtyMark{Ref: qrie.Ref{Account: "111122223333", Type: "AWS::S3::Bucket", ID: "invoices", Global: true}, Reason: "settle", DueAt: at, Since: at, Attempts: 3,
		Events: []qrie.Event{
			{ID: "e1", Name: "PutBucketPolicy", Time: at, UserAgent: "no text \xff\xfe", SourceIP: "192.0.2.1", Actor: qrie.Actor{Kind: qrie.ActorHuman, Name: "übergröße\x00", Via: "SSO"}},
			{ID: "e2", Time: at.Add(-time.Second), Arrived: at, Wide: true},
		}}
	b, err := encodePacked("a mark", want)
	must(t, err)
	var got store.DirtyMark
	must(t, decode("a mark", b, &got))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	// As an earlier version wrote it.
	want.Events[0].UserAgent = ""
	b, err = json.Marshal(want)
	must(t, err)
	got = store.DirtyMark{}
	must(t, decode("a mark", b, &got))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON read back (-want +got):\n%s", diff)
	}
}

// TestSameHeadsAreTheSameBytes: a write compares them so.
func TestSameHeadsAreTheSameBytes(t *testing.T) {
	var first []byte
	for n := range 50 {
		heads := map[string]store.Head{}
		for i := range 20 {
			p := fmt.Sprint("policy", (i*7+n)%20)
			heads[p] = store.Head{Outcome: qrie.Fail, Severity: 50, Open: true, Hash: p, Generation: 3}
		}
		b, err := encodeHeads(heads)
		must(t, err)
		if n > 0 && !bytes.Equal(b, first) {
			t.Fatal("the same heads are written in two ways")
		}
		first = b
		got := map[string]store.Head{}
		must(t, decode("heads", b, &got))
		if diff := cmp.Diff(heads, got); diff != "" {
			t.Fatalf("read back (-want +got):\n%s", diff)
		}
	}
	for _, heads := range []map[string]store.Head{{}, nil} {
		none, err := encodeHeads(heads)
		must(t, err)
		var got map[string]store.Head
		must(t, decode("heads", none, &got))
		if got == nil || len(got) > 0 {
			t.Errorf("no heads are read as %v", got)
		}
	}
}
