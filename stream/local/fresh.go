package local

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// freshBytes bounds the records of one shard that wait in memory.
const freshBytes = 4 << 20

// fresh are the records of a shard that this process has just published, for its
// own session: to read them from the file again and expand them takes longer than
// to write them. What is not here is read from there, so nothing needs to be. It is
// safe for concurrent use.
type fresh struct {
	mu    sync.Mutex
	owner *session // nil: nobody here reads the shard
	runs  []run    // by number
	bytes int
}

// run is records with numbers one after the other.
type run struct {
	first   int64
	records []stream.Record
}

// open lets records be kept for a session, and close ends that.
func (f *fresh) open(e *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owner, f.runs, f.bytes = e, nil, 0
}

func (f *fresh) close(e *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.owner == e {
		f.owner, f.runs, f.bytes = nil, nil, 0
	}
}

// add keeps records that are on disk, the first under that number.
func (f *fresh) add(shard int, first, arrived int64, records []stream.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := 0
	for _, r := range records {
		size += int(sizeOf(r))
	}
	if f.owner == nil || f.bytes+size > freshBytes {
		return
	}
	kept, name := run{first, make([]stream.Record, len(records))}, shardName(shard)
	for i, r := range records {
		kept.records[i] = stream.Record{Key: r.Key, Data: r.Data, Shard: name,
			Seq: strconv.FormatInt(first+int64(i), 10), Arrived: time.Unix(0, arrived)}
	}
	// Writers of one commit may come here in another order.
	at, _ := slices.BinarySearchFunc(f.runs, first, func(r run, first int64) int { return int(r.first - first) })
	f.runs = slices.Insert(f.runs, at, kept)
	f.bytes += size
}

// take gives what directly follows a number, up to limit records, and forgets all
// before. It gives nothing if that is not here, or the session is another.
func (f *fresh) take(e *session, after int64, limit int) (records []stream.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.owner != e {
		return nil
	}
	size := 0
	for len(f.runs) > 0 && len(records) < limit && size < batchBytes {
		r := &f.runs[0]
		if r.first > after+1 {
			break
		}
		f.drop(r, int(min(after+1-r.first, int64(len(r.records)))))
		n := 0
		for n < len(r.records) && len(records)+n < limit && size < batchBytes {
			size += len(r.records[n].Data)
			n++
		}
		records = append(records, r.records[:n]...)
		after += int64(n)
		if f.drop(r, n); len(r.records) == 0 {
			f.runs = slices.Delete(f.runs, 0, 1)
		}
	}
	return records
}

// drop forgets the first records of a run.
func (f *fresh) drop(r *run, n int) {
	for _, record := range r.records[:n] {
		f.bytes -= int(sizeOf(record))
	}
	r.first, r.records = r.first+int64(n), r.records[n:]
}
