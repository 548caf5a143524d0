package local

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/stream"
)

func openTrim(t *testing.T, opts Options) *Stream {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "qrie.db"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Shards = 1
	s, err := Open(t.Context(), db, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.Close(), db.Close() })
	return s
}

func fill(t *testing.T, s *Stream, n int) {
	t.Helper()
	records := make([]stream.Record, n)
	for i := range records {
		records[i] = stream.Record{Key: "k", Data: make([]byte, 99)} // 100 bytes with the key
	}
	if err := s.Publish(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func setCheckpoint(t *testing.T, s *Stream, seq int64) {
	t.Helper()
	if err := s.db.Write(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec("UPDATE stream_leases SET checkpoint = ?", seq)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// left reads the shard from its beginning.
func left(t *testing.T, s *Stream) (first, n int64) {
	t.Helper()
	for after := int64(0); ; n++ {
		records, err := s.read(t.Context(), 0, after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			return first, n
		}
		if after, err = strconv.ParseInt(records[0].Seq, 10, 64); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = after
		}
	}
}

func TestTrim(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	// wantFirst is in the first row that is left: rows are trimmed as a whole.
	f := func(name string, opts Options, checkpoint int64, later time.Duration, wantFirst int64) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			now = time.Now()
			opts.Now = clock
			s := openTrim(t, opts)
			for range 4 {
				fill(t, s, 500)
			}
			setCheckpoint(t, s, checkpoint)
			now = now.Add(later)
			if err := s.trim(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			first, n := left(t, s)
			if first > wantFirst || first <= wantFirst-bundleRecords || n != 2001-first {
				t.Errorf("%d records left from %d on; want all from %d and at most %d before it", n, first, wantFirst, bundleRecords-1)
			}
		})
	}
	f("young", Options{}, 1200, time.Hour, 1)
	f("old, up to the checkpoint", Options{}, 1200, 25*time.Hour, 1200)
	f("old, nothing consumed", Options{}, 0, 1000*time.Hour, 1)
	f("old, one consumed", Options{}, 1, 1000*time.Hour, 1)
	f("old, all consumed: the last stays", Options{}, 2000, 25*time.Hour, 2000)
	f("too many bytes", Options{RetentionBytes: 30_000}, 1200, 0, 901)
	f("bytes never touch what waits", Options{RetentionBytes: 1}, 700, 0, 700)
}

// Numbers go on after everything was trimmed and the file opened anew.
func TestNumbersAreNeverGivenTwice(t *testing.T) {
	s := openTrim(t, Options{RetentionBytes: 1})
	fill(t, s, 10)
	setCheckpoint(t, s, 10)
	if err := s.trim(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1)
	records, err := s.read(t.Context(), 0, 10, 5)
	if err != nil || len(records) != 1 || records[0].Seq != "11" {
		t.Errorf("%v, %v; want record 11", records, err)
	}
}

func TestTrimSkipsShardsOfOthers(t *testing.T) {
	s := openTrim(t, Options{})
	c := newConsumer(s, "me", nil)
	if err := c.round(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	shards, err := c.trimmable(t.Context())
	if err != nil || len(shards) != 0 {
		t.Errorf("%v, %v: trims what it does not hold", shards, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.trim(ctx, 0); err == nil {
		t.Error("trims under a context that has ended")
	}
}
