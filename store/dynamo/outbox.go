package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// The outbox has one row for each batch of the log that has something to be
// delivered: the ids of its transitions, in their places, with a gap for each
// that is delivered. The row goes with the last of them. So a sender that keeps
// up costs two writes a batch and not two a transition.
const outPart = "out"

// packedID is an id without its prefix; nothing is a gap.
type packedID [idBytes]byte

func packID(prefix, id string) (p packedID, ok bool) {
	if !validID(prefix, id) {
		return p, false
	}
	_, err := idDigits.Decode(p[:], []byte(id[len(prefix):]))
	return p, err == nil
}

// waitingBatch is a row of the outbox.
type waitingBatch struct {
	n    int64
	ids  []packedID
	read item
}

func waitingOf(it item) (w waitingBatch, err error) {
	w.read = it
	if w.n, err = strconv.ParseInt(it.str("Item"), 10, 64); err != nil {
		return w, fmt.Errorf("row %q of the outbox: %w", it.str("Item"), err)
	}
	for id := range slices.Chunk(it.bytes("Ids"), idBytes) {
		w.ids = append(w.ids, packedID(id))
	}
	return w, nil
}

func (w waitingBatch) left() (n int) {
	for _, id := range w.ids {
		if id != (packedID{}) {
			n++
		}
	}
	return n
}

// fillOutbox adds the transitions of a batch, in their order.
func (s *Store) fillOutbox(ctx context.Context, batch int64, made []qrie.Transition) error {
	var ids []byte
	for _, t := range made {
		id, _ := packID(transitionPrefix, t.ID) // a gap for what is trimmed
		ids = append(ids, id[:]...)
	}
	row := s.row(transitionsTable, outPart, digits(batch))
	row["Ids"] = binary(ids)
	if err := s.put(ctx, transitionsTable, row, "", nil); err != nil {
		return fmt.Errorf("fill the outbox: %w", err)
	}
	return nil
}

// waiting visits the rows of the outbox, oldest first, until visit returns
// false.
func (s *Store) waiting(ctx context.Context, visit func(waitingBatch) (bool, error)) error {
	st := stretch{table: transitionsTable, pk: outPart, limit: 20}
	for done := false; !done; {
		var rows []item
		var last string
		var err error
		if rows, last, done, err = s.read(ctx, st); err != nil {
			return fmt.Errorf("read the outbox: %w", err)
		}
		for _, it := range rows {
			w, err := waitingOf(it)
			if err != nil {
				return err
			}
			if ok, err := visit(w); !ok || err != nil {
				return err
			}
		}
		st.low = following(last)
	}
	return nil
}

// undelivered reads the transitions that a row of the outbox waits for.
func (s *Store) undelivered(ctx context.Context, w waitingBatch) (out []qrie.Transition, err error) {
	it, err := s.get(ctx, transitionsTable, logPart(w.n), digits(w.n))
	if it == nil || err != nil {
		return nil, err
	}
	b, err := s.logBatch(it)
	if err != nil {
		return nil, err
	}
	b.at = b.at[:min(len(b.at), len(w.ids))]
	all, err := s.transitionsOf(ctx, b)
	if err != nil {
		return nil, err
	}
	for i, t := range all {
		if t.ID != "" && w.ids[i] != (packedID{}) {
			out = append(out, t)
		}
	}
	return out, nil
}

// Outbox reads what is not delivered yet, with evidence, oldest first.
func (s *Store) Outbox(ctx context.Context, limit int) (waiting []qrie.Transition, err error) {
	defer s.metrics.Request("qrie_outbox", "list")(&err)
	if _, err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	limit = min(limit, maxChanges)
	err = s.waiting(ctx, func(w waitingBatch) (bool, error) {
		some, err := s.undelivered(ctx, w)
		waiting = append(waiting, some...)
		return len(waiting) < limit, err
	})
	return waiting[:min(len(waiting), limit)], err
}

// Delivered removes transitions from the outbox. Unknown ids are no error: a
// sender that did not hear the answer says it again. Rows are looked through
// from the oldest on, as a sender works.
func (s *Store) Delivered(ctx context.Context, ids []string) (err error) {
	defer s.metrics.Request("qrie_outbox", "delivered")(&err)
	wanted := map[packedID]bool{}
	for _, id := range ids {
		if p, ok := packID(transitionPrefix, id); ok {
			wanted[p] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	err = s.waiting(ctx, func(w waitingBatch) (bool, error) {
		if !slices.ContainsFunc(w.ids, func(id packedID) bool { return wanted[id] }) {
			return true, nil
		}
		if err := s.deliver(ctx, w, wanted); err != nil {
			return false, err
		}
		for _, id := range w.ids {
			delete(wanted, id)
		}
		return len(wanted) > 0, nil
	})
	if err != nil {
		return fmt.Errorf("empty the outbox: %w", err)
	}
	return nil
}

// deliver makes gaps in one row, whoever else does.
func (s *Store) deliver(ctx context.Context, w waitingBatch, wanted map[packedID]bool) error {
	for n := 1; ; n++ {
		was, left := w.read.bytes("Ids"), []byte(nil)
		for i, id := range w.ids {
			if wanted[id] {
				w.ids[i] = packedID{}
			}
			left = append(left, w.ids[i][:]...)
		}
		unchanged, values := "#Ids = :was", item{":was": binary(was)}
		var err error
		if w.left() == 0 {
			err = s.remove(ctx, transitionsTable, outPart, digits(w.n), unchanged, values)
		} else {
			row := s.row(transitionsTable, outPart, digits(w.n))
			row["Ids"] = binary(left)
			err = s.put(ctx, transitionsTable, row, unchanged, values)
		}
		if !errors.Is(err, errCondition) || n >= s.attempts {
			return err
		}
		it, err := s.get(ctx, transitionsTable, outPart, digits(w.n))
		if it == nil || err != nil {
			return err // another delivered the rest
		}
		if w, err = waitingOf(it); err != nil {
			return err
		}
	}
}

// trimOutbox gives up on transitions that nobody could be told of in time,
// from the oldest on. It stops at the first batch with one that is to be kept.
func (s *Store) trimOutbox(ctx context.Context, now time.Time) (trimmed int, err error) {
	if _, err := s.catchUp(ctx); err != nil {
		return 0, err
	}
	cutoff := now.Add(-store.KeepOutbox)
	err = s.waiting(ctx, func(w waitingBatch) (bool, error) {
		left, err := s.undelivered(ctx, w)
		if err != nil || slices.ContainsFunc(left, func(t qrie.Transition) bool { return !t.At.Before(cutoff) }) {
			return false, err
		}
		trimmed += w.left()
		return true, s.remove(ctx, transitionsTable, outPart, digits(w.n), "", nil)
	})
	return trimmed, err
}
