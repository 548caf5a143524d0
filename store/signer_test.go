package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
)

type testPlace struct {
	Rank int    `json:"r"`
	ID   string `json:"i"`
}

func TestSignerRoundTrip(t *testing.T) {
	s := NewSigner([]byte("secret"))
	q := FindingQuery{Accounts: []string{"b", "a", "b"}, Text: "ÄB"}
	token, err := s.Seal("findings", q.Normal(), testPlace{7, "x\x00ü"})
	if err != nil {
		t.Fatal(err)
	}
	var got testPlace
	if err := s.Open("findings", FindingQuery{Accounts: []string{"a", "b"}, Text: "äb"}.Normal(), token, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(testPlace{7, "x\x00ü"}, got); diff != "" {
		t.Errorf("place (-want +got):\n%s", diff)
	}
}

func TestSignerRefuses(t *testing.T) {
	s := NewSigner([]byte("secret"))
	token, err := s.Seal("findings", "query", testPlace{7, "x"})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := NewSigner([]byte("another secret")).Seal("findings", "query", testPlace{7, "x"})
	if err != nil {
		t.Fatal(err)
	}
	odd, err := s.Seal("findings", "query", "a string")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ list, query, token string }{
		"another list":       {"resources", "query", token},
		"another query":      {"findings", "Query", token},
		"moved border":       {"finding", "squery", token},
		"another secret":     {"findings", "query", foreign},
		"another sort":       {"findings", "query", odd},
		"empty":              {"findings", "query", ""},
		"cut":                {"findings", "query", token[:len(token)-1]},
		"longer":             {"findings", "query", token + "AAAA"},
		"not base64":         {"findings", "query", "§" + token},
		"padded":             {"findings", "query", token + "="},
		"with a line break":  {"findings", "query", token[:4] + "\n" + token[4:]},
		"first letter":       {"findings", "query", "_" + token[1:]},
		"far too long":       {"findings", "query", strings.Repeat("A", 1<<20)},
		"signature only":     {"findings", "query", token[:21]},
		"nothing but places": {"findings", "query", "eyJyIjo3fQ"},
	} {
		var got testPlace
		if err := s.Open(c.list, c.query, c.token, &got); !errors.Is(err, qrie.ErrBadToken) {
			t.Errorf("%s: got error %v, want %v", name, err, qrie.ErrBadToken)
		}
	}
}

// FuzzSignerOpen: no token opens but those that were sealed.
func FuzzSignerOpen(f *testing.F) {
	s := NewSigner([]byte("secret"))
	token, err := s.Seal("findings", "query", testPlace{7, "x"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{token, "", "A", token + "A", token[1:], strings.ToUpper(token), "ü", "=", "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got testPlace
		err := s.Open("findings", "query", text, &got)
		switch {
		case err == nil && text != token:
			t.Errorf("%q was opened", text)
		case err != nil && !errors.Is(err, qrie.ErrBadToken):
			t.Errorf("got error %v, want %v", err, qrie.ErrBadToken)
		}
	})
}

func BenchmarkSigner(b *testing.B) {
	s := NewSigner([]byte("secret"))
	q := FindingQuery{Accounts: []string{"111122223333"}, States: []qrie.State{qrie.Active}}
	b.ReportAllocs()
	for b.Loop() {
		token, err := s.Seal("findings", q, testPlace{7, "x"})
		if err != nil {
			b.Fatal(err)
		}
		var got testPlace
		if err := s.Open("findings", q, token, &got); err != nil {
			b.Fatal(err)
		}
	}
}
