package query

import (
	"bytes"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func TestCompression(t *testing.T) {
	r := newWorld(t)
	plain := r.ask("GET", "/api/v1/findings", "")
	packed := r.ask("GET", "/api/v1/findings", "", "Accept-Encoding", "br, gzip")
	if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Vary") != "Accept-Encoding" || len(packed.body) >= len(plain.body) {
		t.Fatalf("%v, %d bytes of %d", packed.Header, len(packed.body), len(plain.body))
	}
	z, err := gzip.NewReader(bytes.NewReader(packed.body))
	must(t, err)
	text, err := io.ReadAll(z)
	must(t, err)
	if !bytes.Equal(text, plain.body) {
		t.Errorf("it unpacks to %s", text)
	}
	for _, tc := range []struct{ name, path, accept string }{
		{"small", "/healthz", "gzip"}, {"refused", "/api/v1/findings", "gzip;q=0"}, {"not asked for", "/api/v1/findings", "br"},
	} {
		a := r.ask("GET", tc.path, "", "Accept-Encoding", tc.accept)
		if got := a.Header.Get("Content-Encoding"); got != "" || len(a.body) == 0 || a.body[0] != '{' {
			t.Errorf("%s: encoding %q, %d bytes", tc.name, got, len(a.body))
		}
	}
	// A problem is whole as well, and so is an answer after a panic.
	p := r.ask("GET", "/api/v1/findings?x=1", "", "Accept-Encoding", "gzip")
	r.problem(p, 422, "invalid")
	s := r.newServer(func(o *Options) { o.Store = broken{Store: o.Store} })
	r.problem(r.askServer(s, "GET", "/api/v1/accounts", "", "Accept-Encoding", "gzip"), 500, "internal")
}
