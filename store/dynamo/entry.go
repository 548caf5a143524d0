package dynamo

import (
	"context"
	"encoding/base32"
	bigend "encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// An entry is what a write leaves for the log, in its own transaction: the
// transitions that it made and what it changes of the counters. A row for each
// counter would cost two units each, and all writers would meet in some of
// them.
type entry struct {
	Made   []qrie.Transition `json:"t,omitempty"`
	Shares []share           `json:"c,omitempty"`
	from   key               // where it lies
}

func (e entry) empty() bool { return len(e.Made) == 0 && len(e.Shares) == 0 }

// share is a part of the changes of counters.
type share struct {
	owner
	Deltas []delta `json:"d"`
}

// owner says whose counters a share changes.
type owner struct {
	// Account is the one whose counters and the totals change; empty: the
	// totals alone.
	Account string `json:"a,omitempty"`
	// Alone leaves the totals out.
	Alone bool   `json:"o,omitempty"`
	Type  string `json:"y,omitempty"` // of the resources; verdicts are counted by it
}

// delta changes one counter of a share.
type delta struct {
	Dimension store.Dimension `json:"d"`
	Name      string          `json:"n"`
	Part      string          `json:"p"`
	N         int64           `json:"v,omitempty"`
	At        int64           `json:"t,omitempty"` // when the last one was added
}

// sharesOf makes shares of what the write of one resource counts. The totals
// follow from the account's counters, so they are not written down.
func sharesOf(resourceType string, deltas []store.Delta) (out []share) {
	at := map[string]int{}
	for _, d := range deltas {
		if d.Account == "" && d.Dimension != store.ByDay {
			continue
		}
		i, ok := at[d.Account]
		if !ok {
			i = len(out)
			at[d.Account] = i
			out = append(out, share{owner: owner{Account: d.Account, Type: resourceType}})
		}
		out[i].Deltas = append(out[i].Deltas, delta{d.Dimension, d.Name, d.Part, d.N, nanos(d.At)})
	}
	return out
}

// newBuckets spreads the entries that are not in the log yet.
const newBuckets = 4

func newPart(bucket int) string { return fmt.Sprintf("new#%d", bucket) }

// maxEntryBytes keeps an entry within DynamoDB's 400 KB, with its keys.
const maxEntryBytes = 300 << 10

// enter adds an entry to the transaction; a very large one as several.
func (x *effects) enter(e entry) error {
	if e.empty() {
		return nil
	}
	row := x.s.row(transitionsTable, newPart(bucketOf(x.ref.ResourceID(), newBuckets)), x.s.stamp(len(x.ops)))
	var err error
	if row["Body"], err = x.s.pack.encode("an entry of the log", e); err != nil {
		return err
	}
	if n := len(e.Made); n > 1 && len(row.bytes("Body")) > maxEntryBytes {
		if err := x.enter(entry{Made: e.Made[:n/2], Shares: e.Shares}); err != nil {
			return err
		}
		return x.enter(entry{Made: e.Made[n/2:]})
	}
	x.put(transitionsTable, row, isFree, nil)
	return nil
}

// stampDigits sort as the bytes that they stand for do.
var stampDigits = base32.HexEncoding.WithPadding(base32.NoPadding)

// stamp is a sort key in the order of this writer's clock, and within a
// transaction in that of n. By chance, no two are alike.
func (s *Store) stamp(n int) string {
	b := bigend.BigEndian.AppendUint64(nil, uint64(s.now().UnixNano()))
	b = append(b, byte(n))
	return stampDigits.EncodeToString(bigend.BigEndian.AppendUint32(b, rand.Uint32()))
}

// fresh reads the oldest entries that are not in the log, by their writers'
// clocks. more says that there are others.
func (s *Store) fresh(ctx context.Context) (out []entry, more bool, err error) {
	m := merge{c: s.client, bound: (newBuckets + 1) * maxLogEntries}
	for b := range newBuckets {
		m.sources = append(m.sources, &source{stretch: stretch{table: transitionsTable, pk: newPart(b)}, fetch: maxLogEntries})
	}
	made := 0
	for len(out) < maxLogEntries {
		r, ok, err := m.next(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("read what is new for the log: %w", err)
		}
		if !ok {
			return out, m.stopped, nil
		}
		e := entry{from: keyOf(transitionsTable, r.item)}
		if err := s.pack.decode("an entry of the log", r.item.bytes("Body"), &e); err != nil {
			return nil, false, err
		}
		if made += len(e.Made); made > maxLogTransitions {
			break
		}
		out = append(out, e)
	}
	return out, true, nil
}

// backlog counts what this process has entered since it last saw to the log.
type backlog struct {
	mu sync.Mutex
	n  int
}

// entered lets one write in so many see to the log, so that what waits for it
// is bounded even while nobody reads. The write itself is done: what fails here
// is done by the next.
func (s *Store) entered(ctx context.Context) {
	s.backlog.mu.Lock()
	s.backlog.n++
	due := s.backlog.n >= s.logEvery
	if due {
		s.backlog.n = 0
	}
	s.backlog.mu.Unlock()
	if !due {
		return
	}
	_, _, err := s.takeUp(ctx, writerBatches)
	if err == nil {
		err = s.fold(ctx, writerRows)
	}
	if err != nil {
		s.metrics.Failed("qrie_transitions", "tend", err)
	}
}

// tend brings the log up to date, and the counters to the log.
func (s *Store) tend(ctx context.Context) error {
	if _, err := s.allTakenUp(ctx); err != nil {
		return err
	}
	return s.fold(ctx, math.MaxInt)
}
