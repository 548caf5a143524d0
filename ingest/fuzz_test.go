package ingest_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
)

func seeds(tb testing.TB) [][]byte {
	a := bucketEvent("a")
	texts := []string{
		"", " ", "{}", "[]", "null", `{"Records":`, `{"Records":[]}`, a, a[:len(a)/2], enveloped(a), enveloped(a)[:200],
		`{"Records":[` + a + `,` + a + `]}`, a + "\n" + a, `[` + a + `]`, `{"Events":[{"CloudTrailEvent":"{}"}]}`, `{"event":{}}`,
		`{"Records":{"Records":[{"Records":[]}]}}`, `{"\u0052":1}`, `{"a\"`, "\xef\xbb\xbf{}", "\x1f\x8b\x08",
		strings.Replace(a, `"a"`, "\"\x00\"", 1), strings.Replace(a, `"a"`, `"\u0000"`, 1), strings.Replace(a, `"a"`, "\"\xff\xfe\"", 1),
		strings.Replace(a, `"a"`, `"\ud800"`, 1), strings.Replace(a, `"a"`, `["a",["b"],null,7]`, 1), strings.Replace(a, `"CreateBucket"`, `{}`, 1),
		`{"eventName":"CreateBucket","eventSource":"s3.amazonaws.com","userIdentity":{"type":"IAMUser","arn":":user/","sessionContext":[]}}`,
		strings.Repeat("[", 65), strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64), strings.Repeat(`{"a":`, 66),
		string(record("ec2", "CreateTags", request(`{"resourcesSet":{"items":[{"resourceId":"i-1"}]}}`))),
		string(record("rds", "AddTagsToResource", request(`{"resourceName":"arn:aws:rds:eu-west-1:111122223333:db:"}`))),
	}
	var out [][]byte
	for _, s := range texts {
		out = append(out, []byte(s), gz(tb, s))
	}
	return out // 1 MiB and more: TestSplitBounds, for mutating those takes all the time
}

func FuzzDecode(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := decoder.Decode(ingest.Raw{Record: data})
		checkDecoded(t, d, err)
	})
}

func FuzzSplit(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		raws, err := ingest.Split(data)
		if err == nil && len(raws) == 0 && !bytes.ContainsAny(data, "[") && data[0] != 0x1f {
			t.Fatal("neither records nor an error nor an empty list")
		}
		for i, raw := range raws {
			d, err := decoder.Decode(raw)
			checkDecoded(t, d, err)
			if raw.Number != i+1 {
				t.Fatalf("record %d has the number %d", i+1, raw.Number)
			}
		}
	})
}

// checkDecoded holds what callers rest on, whatever the input was.
func checkDecoded(t *testing.T, d ingest.Decoded, err error) {
	t.Helper()
	if err != nil {
		if len(d.Marks) > 0 || d.Drop != "" {
			t.Fatalf("error %v with drop %q and %d marks", err, d.Drop, len(d.Marks))
		}
		return
	}
	if (d.Drop == "") != (len(d.Marks) > 0) {
		t.Fatalf("drop %q with %d marks", d.Drop, len(d.Marks))
	}
	seen := map[string]bool{}
	for _, m := range d.Marks {
		if m.Ref.Account != d.Event.Account || m.Ref.Account == "" || m.Ref.Region == "" || strings.ContainsAny(m.Ref.Account+m.Ref.Region, "|\x00 ") {
			t.Fatalf("mark %+v of account %q", m.Ref, d.Event.Account)
		}
		if m.Reason != qrie.ReasonEvent || m.Event == nil || m.Event.ID == "" || strings.ContainsRune(m.Ref.ID, 0) {
			t.Fatalf("mark %+v", m)
		}
		if seen[m.Ref.Key()] {
			t.Fatalf("%s is marked twice", m.Ref.Key())
		}
		seen[m.Ref.Key()] = true
	}
	a := d.Event.Actor
	for _, s := range []string{d.Event.ID, d.Event.Name, d.Event.Source, d.Event.SourceIP, d.Event.UserAgent, a.Name, a.Type, a.Role, a.Via, a.Identity, a.Tool} {
		if len(s) > 256 || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\n") {
			t.Fatalf("kept text %.40q of %d bytes", s, len(s))
		}
	}
}
