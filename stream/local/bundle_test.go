package local

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/sqlite/compact"
	"github.com/qrie-sec/qrie/stream"
)

// Whatever is published is read from every position, with every limit, as it was.
func TestReadFromTheMiddleOfARow(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := openTrim(t, Options{})
	var published []stream.Record
	for len(published) < 700 {
		records := make([]stream.Record, 1+rng.IntN(200))
		for i := range records {
			size := rng.IntN(300)
			if rng.IntN(50) == 0 {
				size = rng.IntN(stream.MaxRecordBytes)
			}
			records[i] = stream.Record{Key: strings.Repeat("k", rng.IntN(maxKeyBytes+1)), Data: bytes.Repeat([]byte{byte(rng.Uint32())}, size)}
		}
		if err := s.Publish(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		published = append(published, records...)
	}
	for range 300 {
		after, limit := rng.IntN(len(published)+1), 1+rng.IntN(150)
		records, err := s.read(t.Context(), 0, int64(after), limit)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, r := range records {
			size += len(r.Data)
		}
		if size >= batchBytes+stream.MaxRecordBytes || len(records) > limit || len(records) < min(limit, len(published)-after) && size < batchBytes {
			t.Fatalf("%d records of %d bytes after %d; %d were asked for", len(records), size, after, limit)
		}
		for i, r := range records {
			want := published[after+i]
			if r.Seq != strconv.Itoa(after+i+1) || r.Key != want.Key || !bytes.Equal(r.Data, want.Data) || r.Arrived.IsZero() {
				t.Fatalf("record %d after %d is %s, with a key of %d bytes and %d bytes of data", i, after, r.Seq, len(r.Key), len(r.Data))
			}
		}
	}
}

// What arrived at one moment may be several rows, and what came before is in others.
func TestTailBeginsWithAWholeRow(t *testing.T) {
	now := time.Now().Add(-time.Hour)
	s := openTrim(t, Options{Now: func() time.Time { return now }})
	began := now
	for range 3 {
		fill(t, s, 2*bundleRecords)
		now = now.Add(time.Minute)
	}
	for minutes, want := range []int64{0, 2 * bundleRecords, 4 * bundleRecords, 6 * bundleRecords} {
		seq, err := s.before(t.Context(), 0, began.Add(time.Duration(minutes)*time.Minute))
		if err != nil || seq != want {
			t.Errorf("before minute %d stands record %d, %v; want %d", minutes, seq, err, want)
		}
	}
}

// Files of earlier versions are read, and those of later ones are refused.
func TestForms(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "qrie.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), "stream", schema[:2]); err != nil {
		t.Fatal(err)
	}
	text := []byte(`{"detail-type":"AWS API Call via CloudTrail"}`)
	for id, stored := range map[int][]byte{1: text, 2: compact.Encode(text)} {
		if err := db.Write(t.Context(), func(tx *sqlite.Tx) error {
			_, err := tx.Exec("INSERT INTO stream_records (id, key, arrived, total, data, compact) VALUES (?, 'k', 1, ?, ?, ?)", id, 100*id, stored, id-1)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), db, Options{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fill(t, s, 3)
	records, err := s.read(t.Context(), 0, 0, 10)
	if err != nil || len(records) != 5 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for i, r := range records {
		if r.Seq != strconv.Itoa(i+1) || r.Key != "k" || i < 2 && !bytes.Equal(r.Data, text) {
			t.Errorf("record %d is %s, key %q: %q", i+1, r.Seq, r.Key, r.Data)
		}
	}
	if _, err := expand(formBundle+1, "", nil); err == nil {
		t.Error("a form that this version does not know was read")
	}
}

func FuzzUnbundle(f *testing.F) {
	f.Add([]byte("\x01k\x03abc"))
	f.Add([]byte("\x00\x00\x00"))
	f.Add([]byte("\x01k\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if _, err := unbundle(plain); err == nil && !compact.Marked(plain) {
			t.Errorf("%x was taken for a row", plain)
		}
		records, err := unbundle(compact.Encode(plain))
		if err != nil {
			return
		}
		var again []stream.Record
		for _, b := range bundled(records) {
			part, err := unbundle(b.data)
			if err != nil || len(part) != b.records {
				t.Fatalf("%d records of %d, %v", len(part), b.records, err)
			}
			again = append(again, part...)
		}
		if fmt.Sprint(again) != fmt.Sprint(records) {
			t.Errorf("%v became %v", records, again)
		}
	})
}
