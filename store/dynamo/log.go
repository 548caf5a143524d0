package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// The log gives transitions their seq, after they are written and by whoever
// comes next: a counter in the transaction of each would be one row that all
// of them wait for. It is a row for each batch of entries, numbered without a
// gap. Appending is a put under the condition that the number is free, so that
// a batch is seen only when all before it are. A transition's seq is its
// batch's number and its place in it.
//
// What a batch changes of the counters stands in its row, so it counts from
// the moment that the batch is in the log, once, and never in part.
//
// Entries lie apart until they are in the log. Before a batch is appended,
// everything of the batch before it is taken from there: so none is taken up
// twice, whatever crashed between.

const (
	maxLogEntries     = 100
	maxLogTransitions = 900  // of a batch
	seqStep           = 1000 // seqs of a batch
	logChunk          = 1000 // batches that share a partition
	logPage           = 50   // batches read at once; one is 6 KB when it is full
)

func logPart(batch int64) string { return "log#" + digits(batch/logChunk) }

// logBatch is a row of the log.
type logBatch struct {
	n      int64
	last   int64 // the newest seq there is with this batch
	at     []pointer
	shares []share
	from   []key // where its entries lay
	time   int64 // when it was appended, by the clock of who did
}

// pointer says where a transition is.
type pointer struct {
	Resource string `json:"r"`
	Item     string `json:"i"`
}

func (p pointer) key() key { return key{p.Resource, p.Item} }

type logBody struct {
	At     []pointer `json:"at,omitempty"`
	Shares []share   `json:"c,omitempty"`
	From   []string  `json:"f,omitempty"`
}

func (b logBatch) seq(i int) int64 { return b.n*seqStep + int64(i) + 1 }

func (s *Store) logBatch(it item) (b logBatch, err error) {
	if b.n, err = strconv.ParseInt(it.str("Item"), 10, 64); err != nil {
		return b, fmt.Errorf("batch %q of the log: %w", it.str("Item"), err)
	}
	var body logBody
	if err := s.pack.decode("a batch of the log", it.bytes("Body"), &body); err != nil {
		return b, err
	}
	b.last, b.time, b.at, b.shares = it.num("Last"), it.num("Time"), body.At, body.Shares
	for _, f := range body.From {
		bucket, err := strconv.Atoi(f[:1])
		if err != nil {
			return b, fmt.Errorf("batch %d of the log came from %q: %w", b.n, f, err)
		}
		b.from = append(b.from, key{newPart(bucket), f[1:]})
	}
	return b, nil
}

// logRow is a batch as it is appended.
func (s *Store) logRow(b logBatch) (row item, err error) {
	row = s.row(transitionsTable, logPart(b.n), digits(b.n))
	body := logBody{At: b.at, Shares: b.shares}
	for _, k := range b.from {
		body.From = append(body.From, k.pk[len("new#"):]+k.sk)
	}
	row["Last"], row["Time"] = number(b.last), number(s.now().UnixNano())
	row["Body"], err = s.pack.encode("a batch of the log", body)
	return row, err
}

// isFree is the condition of appending. A lost answer makes the second try fail
// it: then the batch is read as the newest, and is this one.
const isFree = "attribute_not_exists(#Item)"

// greatest remembers the greatest number of a batch.
type greatest struct {
	mu    sync.Mutex
	batch int64
}

func (h *greatest) get() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.batch
}

func (h *greatest) set(batch int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.batch = max(h.batch, batch)
}

// newestBatch reads the end of the log; its number is 0 if the log is empty.
func (s *Store) newestBatch(ctx context.Context) (newest logBatch, err error) {
	if known := s.logFrom.get(); known > 0 {
		newest, err = s.endAfter(ctx, known)
		if newest.n > 0 || err != nil {
			return newest, err
		}
		// All that this process knew of is trimmed.
	}
	// The newest batch is never trimmed, so what follows the last that was is
	// there; and the counters are at one that is, or was the last.
	trimmed, err := s.trimmedTo(ctx, "Log")
	if err != nil {
		return newest, err
	}
	folded, err := s.folded(ctx)
	if err != nil {
		return newest, err
	}
	least := max(trimmed+1, folded)
	if newest, err = s.endAfter(ctx, least); err == nil && newest.n == 0 && least > 1 {
		err = fmt.Errorf("the log of transitions has lost its batches from %d on: restore %s to a point in time", least, s.table(transitionsTable))
	}
	return newest, err
}

// endAfter finds the newest batch, going up from the partition of one.
func (s *Store) endAfter(ctx context.Context, batch int64) (newest logBatch, err error) {
	for chunk := batch / logChunk; ; chunk++ {
		rows, _, _, err := s.read(ctx, stretch{table: transitionsTable, pk: logPart(chunk * logChunk), backwards: true, limit: 1})
		if err != nil {
			return newest, fmt.Errorf("read the end of the log: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		if newest, err = s.logBatch(rows[0]); err != nil {
			return newest, err
		}
		if newest.n%logChunk != logChunk-1 {
			break
		}
	}
	s.logFrom.set(newest.n)
	return newest, nil
}

// eachBatch reads the batches from begin to end, both with them, some at a time,
// until visit returns false.
func (s *Store) eachBatch(ctx context.Context, begin, end int64, some int, visit func(logBatch) (bool, error)) error {
	for n := max(begin, 1); n <= end; n = (n/logChunk + 1) * logChunk {
		st := stretch{table: transitionsTable, pk: logPart(n), low: digits(n), high: digits(end), limit: some}
		for done := false; !done; {
			var rows []item
			var last string
			var err error
			if rows, last, done, err = s.read(ctx, st); err != nil {
				return fmt.Errorf("read the log: %w", err)
			}
			for _, it := range rows {
				b, err := s.logBatch(it)
				if err != nil {
					return err
				}
				if ok, err := visit(b); !ok || err != nil {
					return err
				}
			}
			st.low = following(last)
		}
	}
	return nil
}

// How many batches one call appends. What waits is about a hundred entries for
// each process; more than a reader takes up waits only after a burst, and is the
// next reader's.
const (
	readerBatches = 50
	writerBatches = 4
)

// catchUp takes what is new into the log for a reader and returns the end of the
// log.
func (s *Store) catchUp(ctx context.Context) (end logBatch, err error) {
	end, _, err = s.takeUp(ctx, readerBatches)
	return end, err
}

// maxTakeUp bounds how often it is tried to take up all there is.
const maxTakeUp = 100

// allTakenUp takes up whatever was written before it began, however much.
func (s *Store) allTakenUp(ctx context.Context) (end logBatch, err error) {
	for range maxTakeUp {
		var whole bool
		if end, whole, err = s.takeUp(ctx, readerBatches); whole || err != nil {
			return end, err
		}
	}
	return end, fmt.Errorf("entries come faster than the log takes them up: %w", store.ErrUnavailable)
}

// takeUp takes entries into the log, in so many batches at the most. whole says
// that every entry that was written before it began is there.
func (s *Store) takeUp(ctx context.Context, most int) (end logBatch, whole bool, err error) {
	select {
	case s.appending <- struct{}{}:
		defer func() { <-s.appending }()
	case <-ctx.Done():
		return end, false, ctx.Err()
	}
	for range most {
		if end, err = s.newestBatch(ctx); err != nil {
			return end, false, err
		}
		fresh, more, err := s.fresh(ctx)
		if len(fresh) == 0 || err != nil {
			return end, err == nil, err
		}
		// Whoever appended the newest batch may not have come to clearing up
		// behind it, or never will.
		if err := s.clearUp(ctx, end); err != nil {
			return end, false, err
		}
		next, made := end.following(fresh)
		if len(next.from) > 0 {
			err := s.appendBatch(ctx, next, made)
			if errors.Is(err, errCondition) {
				continue // another process appended a batch of this number
			}
			if err != nil {
				return end, false, err
			}
			end = next
		}
		if !more {
			return end, true, nil // what has come since is younger than this call
		}
	}
	return end, false, nil
}

// following makes the next batch of those entries that are not in this one.
func (b logBatch) following(fresh []entry) (next logBatch, made []qrie.Transition) {
	inLog := map[key]bool{}
	for _, k := range b.from {
		inLog[k] = true
	}
	next = logBatch{n: b.n + 1, last: b.last}
	var sum sums
	for _, e := range fresh {
		if inLog[e.from] {
			continue
		}
		next.from = append(next.from, e.from)
		made = append(made, e.Made...)
		for _, sh := range e.Shares {
			sum.add(sh)
		}
	}
	for _, t := range made {
		next.at = append(next.at, pointerTo(t))
	}
	if len(next.at) > 0 {
		next.last = next.seq(len(next.at) - 1)
	}
	next.shares = sum.shares()
	return next, made
}

// appendBatch adds a batch to the log. Its transitions are in the history before
// they have a seq, so that whoever reads the log finds them.
func (s *Store) appendBatch(ctx context.Context, b logBatch, made []qrie.Transition) error {
	rows := make([]item, len(made))
	for i, t := range made {
		var err error
		if rows[i], err = s.historyRow(t); err != nil {
			return err
		}
	}
	if err := s.writeAll(ctx, transitionsTable, rows, nil); err != nil {
		return fmt.Errorf("add to the history: %w", err)
	}
	row, err := s.logRow(b)
	if err != nil {
		return err
	}
	if err := s.put(ctx, transitionsTable, row, isFree, nil); err != nil {
		return fmt.Errorf("append batch %d to the log: %w", b.n, err)
	}
	s.logFrom.set(b.n)
	return s.settle(ctx, b, b.from, made)
}

// clearUp does what is left to do after a batch that is not of this call.
func (s *Store) clearUp(ctx context.Context, b logBatch) error {
	if s.logSettled.get() >= b.n {
		return nil
	}
	there, err := s.many(ctx, transitionsTable, b.from, "#Part, #Item")
	if err != nil {
		return fmt.Errorf("clear up after batch %d of the log: %w", b.n, err)
	}
	var left []key
	for _, k := range b.from {
		if _, ok := there[k]; ok {
			left = append(left, k)
		}
	}
	var made []qrie.Transition
	if len(left) > 0 {
		if made, err = s.transitionsOf(ctx, b); err != nil {
			return err
		}
	}
	return s.settle(ctx, b, left, made)
}

// settle puts transitions into the outbox and then takes the entries of their
// batch from the new ones. Doing it again may put into the outbox what was
// delivered meanwhile: delivery is at least once, and ids are stable.
func (s *Store) settle(ctx context.Context, b logBatch, from []key, made []qrie.Transition) error {
	if len(made) > 0 {
		if err := s.fillOutbox(ctx, b.n, made); err != nil {
			return err
		}
	}
	if err := s.writeAll(ctx, transitionsTable, nil, from); err != nil {
		return fmt.Errorf("take batch %d of the log from the new entries: %w", b.n, err)
	}
	s.logSettled.set(b.n)
	return nil
}
