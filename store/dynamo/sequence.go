package dynamo

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Transitions get their seq after they are written, by whoever reads next: a
// counter in the transaction of each would be one row that all of them wait
// for. The log is a row for each batch of transitions, numbered without a gap;
// appending is a put under the condition that the number is free, so that a
// batch becomes visible only when all before it are. A transition's seq is its
// batch's number and its place in it.
//
// New transitions lie apart until they are in the log. Before a batch is
// appended, everything of the batch before it is taken from there: so none is
// given a seq twice, whatever crashed between.

const (
	maxLogBatch = 100  // transitions; a row of about 10 KB
	seqStep     = 1000 // seqs of a batch
	logChunk    = 1000 // batches that share a partition
)

func logPart(batch int64) string { return "log#" + digits(batch/logChunk) }

// logBatch is a row of the log.
type logBatch struct {
	n  int64
	at []pointer
	// from are the keys that the pointers lay under when they were new.
	from []key
}

type logBody struct {
	At   []pointer `json:"at"`
	From []string  `json:"from"`
	Part []string  `json:"part"`
}

func (b logBatch) seq(i int) int64 { return b.n*seqStep + int64(i) + 1 }

func (b logBatch) newest() int64 {
	if len(b.at) == 0 {
		return 0
	}
	return b.seq(len(b.at) - 1)
}

func (s *Store) logBatch(it item) (b logBatch, err error) {
	if _, err := fmt.Sscanf(it.str("Item"), "%d", &b.n); err != nil {
		return b, fmt.Errorf("batch %q of the log: %w", it.str("Item"), err)
	}
	var body logBody
	if err := s.pack.decode("a batch of the log", it.bytes("Body"), &body); err != nil {
		return b, err
	}
	b.at = body.At
	for i := range body.From {
		b.from = append(b.from, key{body.Part[i], body.From[i]})
	}
	return b, nil
}

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
	from := s.logFrom.get()
	if from == 0 {
		if from, err = s.trimmedTo(ctx, "Log"); err != nil {
			return newest, err
		}
	}
	for chunk := from / logChunk; ; chunk++ {
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

// maxSequencing bounds the batches that one call appends.
const maxSequencing = 50

// giveSeqs puts every transition that is new into the log.
func (s *Store) giveSeqs(ctx context.Context) error {
	select {
	case s.sequence <- struct{}{}:
		defer func() { <-s.sequence }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for range maxSequencing {
		newest, err := s.newestBatch(ctx)
		if err != nil {
			return err
		}
		fresh, err := s.fresh(ctx)
		if err != nil {
			return err
		}
		if len(fresh) == 0 {
			return nil
		}
		// Whoever appended the newest batch may not have come to moving it, or
		// never will.
		if err := s.settle(ctx, newest, true); err != nil {
			return err
		}
		inLog := map[key]bool{}
		for _, k := range newest.from {
			inLog[k] = true
		}
		next := logBatch{n: newest.n + 1}
		for _, f := range fresh {
			if !inLog[f.from] {
				next.at, next.from = append(next.at, f.pointer), append(next.from, f.from)
			}
		}
		if len(next.at) == 0 {
			continue
		}
		switch err := s.appendLog(ctx, next); {
		case errors.Is(err, errCondition):
			continue // another process appended a batch of this number
		case err != nil:
			return err
		}
		if err := s.settle(ctx, next, false); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) appendLog(ctx context.Context, b logBatch) (err error) {
	row := s.row(transitionsTable, logPart(b.n), digits(b.n))
	body := logBody{At: b.at}
	for _, k := range b.from {
		body.Part, body.From = append(body.Part, k.pk), append(body.From, k.sk)
	}
	if row["Body"], err = s.pack.encode("a batch of the log", body); err != nil {
		return err
	}
	// A lost answer makes the second try fail its condition: then the batch is
	// read as the newest, and is this one.
	if err := s.put(ctx, transitionsTable, row, "attribute_not_exists(#Item)", nil); err != nil {
		return fmt.Errorf("append batch %d to the log: %w", b.n, err)
	}
	return nil
}

// settle moves the transitions of a batch from the new ones to the outbox, of
// a batch that is not of this call only those that are left. Doing it again
// may put into the outbox what was delivered meanwhile: delivery is at least
// once, and ids are stable.
func (s *Store) settle(ctx context.Context, b logBatch, left bool) error {
	if s.logSettled.get() >= b.n {
		return nil
	}
	there := map[key]item{}
	if left {
		var err error
		if there, err = s.many(ctx, transitionsTable, b.from, "#Part, #Item"); err != nil {
			return fmt.Errorf("settle batch %d of the log: %w", b.n, err)
		}
	}
	var out []item
	var from []key
	for i, p := range b.at {
		if _, ok := there[b.from[i]]; left && !ok {
			continue
		}
		row := s.row(transitionsTable, outPart(p.ID), p.ID)
		row["Waiting"] = text(digits(b.seq(i)))
		var err error
		if row["Pointer"], err = s.pack.encode("a pointer", p); err != nil {
			return err
		}
		out, from = append(out, row), append(from, b.from[i])
	}
	if err := s.writeAll(ctx, transitionsTable, out, nil); err != nil {
		return fmt.Errorf("fill the outbox: %w", err)
	}
	if err := s.writeAll(ctx, transitionsTable, nil, from); err != nil {
		return fmt.Errorf("settle batch %d of the log: %w", b.n, err)
	}
	s.logSettled.set(b.n)
	return nil
}

// freshTransition has no seq yet.
type freshTransition struct {
	pointer
	from key
}

// fresh reads the oldest new transitions, by their writers' clocks.
func (s *Store) fresh(ctx context.Context) (out []freshTransition, err error) {
	sources := make([]*source, newBuckets)
	for b := range newBuckets {
		sources[b] = &source{stretch: stretch{table: transitionsTable, pk: newPart(b)}, fetch: maxLogBatch}
	}
	m := merge{c: s.client, sources: sources, bound: (newBuckets + 1) * maxLogBatch}
	for len(out) < maxLogBatch {
		r, ok, err := m.next(ctx)
		if err != nil {
			return nil, fmt.Errorf("read new transitions: %w", err)
		}
		if !ok {
			return out, nil
		}
		f := freshTransition{from: keyOf(transitionsTable, r.item)}
		if err := s.pack.decode("a new transition", r.item.bytes("Pointer"), &f.pointer); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}
