package local

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// Whatever is kept, in whatever order it came, a session that reads the rest from
// the file is given every record once, in order.
func TestFreshRecordsFollowEachOther(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const last = 3000
	file := make([]stream.Record, last+1) // by number
	for n := range file {
		file[n].Data = fmt.Appendf(nil, "record %d", n)
	}
	var f fresh
	e := new(session)
	f.open(e)
	if f.add(0, 1, 1, file[1:2]); f.take(new(session), 0, 10) != nil {
		t.Error("another session was given a record")
	}
	f.open(e)
	written, kept := int64(0), 0
	for position := int64(0); position < last; {
		// Some writers of one commit, of which some are other processes.
		var groups [][2]int64
		for range rng.IntN(4) {
			to := min(last, written+1+rng.Int64N(20))
			if written < to && rng.IntN(5) > 0 {
				groups = append(groups, [2]int64{written + 1, to})
			}
			written = to
		}
		rng.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		for _, g := range groups {
			f.add(0, g[0], 1, file[g[0]:g[1]+1])
		}
		limit := 1 + rng.IntN(30)
		records := f.take(e, position, limit)
		kept += len(records)
		if len(records) == 0 && position < written { // as the session does
			for n := position + 1; n <= min(written, position+int64(limit)); n++ {
				records = append(records, stream.Record{Seq: strconv.FormatInt(n, 10), Data: file[n].Data})
			}
		}
		if len(records) > limit {
			t.Fatalf("%d records, at most %d", len(records), limit)
		}
		for _, r := range records {
			position++
			if want := fmt.Sprintf("record %d", position); r.Seq != strconv.FormatInt(position, 10) || string(r.Data) != want {
				t.Fatalf("after %d came %s, %q", position-1, r.Seq, r.Data)
			}
		}
	}
	f.take(e, last, 1)
	if kept < last/10 || len(f.runs) > 0 || f.bytes != 0 {
		t.Errorf("%d of %d came from memory; left are %d runs and %d bytes", kept, last, len(f.runs), f.bytes)
	}
}

func TestFreshRecordsAreBounded(t *testing.T) {
	var f fresh
	e := new(session)
	rows := []stream.Record{{Data: make([]byte, 1<<20)}}
	f.add(0, 1, 1, rows)
	if f.bytes != 0 {
		t.Error("kept without a session")
	}
	f.open(e)
	for n := range int64(100) {
		f.add(0, n+1, 1, rows)
	}
	if f.bytes > freshBytes || len(f.take(e, 0, 1000)) != freshBytes>>20 {
		t.Errorf("%d bytes are kept, at most %d", f.bytes, freshBytes)
	}
	f.add(0, 200, 1, rows)
	if f.close(e); f.bytes != 0 || f.take(e, 199, 1) != nil {
		t.Error("kept after the session")
	}
}
