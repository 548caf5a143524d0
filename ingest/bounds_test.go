package ingest

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"io"
	"strings"
	"testing"
)

// The bounds of whole inputs are too large to be reached in a test, so these
// take smaller ones.

func TestInflateStopsAtItsBound(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.CopyN(z, rand.Reader, 1<<16); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for bound, want := range map[int64]string{1 << 16: "", 1<<16 - 1: "inflates to more than 65535 bytes"} {
		r, err := inflate(bytes.NewReader(b.Bytes()), bound)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, r)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("bound %d: error %v, want %q", bound, err, want)
		}
	}
}

func TestSplitStopsAtItsBound(t *testing.T) {
	record := `{"eventName":"x"}`
	raws, err := split([]byte(strings.Repeat(record+"\n", 3)), 2*len(record))
	if len(raws) != 2 || err == nil || !strings.Contains(err.Error(), "record 3 at byte 36: the records before it hold 34 bytes already") {
		t.Errorf("%d records, error %v", len(raws), err)
	}
}
