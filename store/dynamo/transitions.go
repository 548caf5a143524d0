package dynamo

import (
	"context"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// pointer says where a transition is. The log and the outbox hold pointers.
type pointer struct {
	Resource string `json:"r"`
	Item     string `json:"i"`
	ID       string `json:"t"`
}

func (p pointer) key() key { return key{p.Resource, p.Item} }

// newBuckets spreads the transitions that have no seq yet, and the outbox.
const newBuckets = 4

func newPart(bucket int) string { return fmt.Sprintf("new#%d", bucket) }

func outPart(transition string) string {
	return fmt.Sprintf("out#%d", bucketOf(transition, newBuckets))
}

// history adds a transition to the history of its resource, and to those that
// are to be given a seq. These are in the order of the writers' clocks.
func (x *effects) history(t qrie.Transition) error {
	t.At, t.Seq = t.At.UTC(), 0
	at := pointer{Resource: x.id, Item: digits(t.Version) + "#" + t.Finding, ID: t.ID}
	row := x.s.row(transitionsTable, at.Resource, at.Item)
	var err error
	if row["Body"], err = x.s.pack.encode("a transition", t); err != nil {
		return err
	}
	row["Finding"] = text(t.Finding)
	x.put(transitionsTable, row, "", nil)
	stamp := fmt.Sprintf("%s#%03d#%s", digits(x.s.now().UnixNano()), x.n, t.ID)
	x.n++
	fresh := x.s.row(transitionsTable, newPart(bucketOf(x.id, newBuckets)), stamp)
	if fresh["Pointer"], err = x.s.pack.encode("a pointer", at); err != nil {
		return err
	}
	x.put(transitionsTable, fresh, "", nil)
	return nil
}

func (s *Store) transition(it item) (t qrie.Transition, err error) {
	return t, s.pack.decode("a transition", it.bytes("Body"), &t)
}

// transitionsAt reads transitions by pointer; those that are trimmed are left
// out of the result.
func (s *Store) transitionsAt(ctx context.Context, at []pointer) (map[string]qrie.Transition, error) {
	keys := make([]key, len(at))
	for i, p := range at {
		keys[i] = p.key()
	}
	rows, err := s.many(ctx, transitionsTable, keys, "")
	if err != nil {
		return nil, fmt.Errorf("read transitions: %w", err)
	}
	out := make(map[string]qrie.Transition, len(rows))
	for _, it := range rows {
		t, err := s.transition(it)
		if err != nil {
			return nil, err
		}
		out[t.ID] = t
	}
	return out, nil
}

// ListTransitions gives the history of one finding or of one resource, newest
// first. Both lie under the resource. Their seq is not told: it is given after
// they are written.
func (s *Store) ListTransitions(ctx context.Context, finding, resource string, p store.PageRequest) (page store.Page[qrie.Transition], err error) {
	defer s.metrics.request("qrie_transitions", "list")(&err)
	if (finding == "") == (resource == "") {
		return page, fmt.Errorf("list transitions: name either a finding or a resource")
	}
	id, part := resource, resource
	if finding != "" {
		id = finding
	}
	before := ""
	if p.Token != "" {
		if err := s.signer.Open("transitions", id, p.Token, &before); err != nil {
			return page, err
		}
	}
	if finding != "" {
		if !validID(findingPrefix, finding) {
			return page, nil
		}
		it, err := s.get(ctx, findingsTable, finding, "")
		if err != nil {
			return page, fmt.Errorf("list transitions of %s: %w", id, err)
		}
		part = it.str("Resource")
	}
	if !validID(resourcePrefix, part) {
		return page, nil // a finding that is trimmed outlived its history
	}
	size := p.PageSize()
	st := stretch{table: transitionsTable, pk: part, low: "0", high: before, backwards: true, limit: size + 1}
	for read := 0; ; {
		rows, last, done, err := s.read(ctx, st)
		if err != nil {
			return page, fmt.Errorf("list transitions of %s: %w", id, err)
		}
		for _, it := range rows {
			sk := it.str("Item")
			if sk == before || finding != "" && it.str("Finding") != finding {
				continue
			}
			if len(page.Items) == size {
				page.Next, err = s.signer.Seal("transitions", id, digits(page.Items[size-1].Version)+"#"+page.Items[size-1].Finding)
				return page, err
			}
			t, err := s.transition(it)
			if err != nil {
				return page, err
			}
			page.Items = append(page.Items, t)
		}
		if done {
			return page, nil
		}
		if read += len(rows); read >= maxRowsRead {
			page.Next, err = s.signer.Seal("transitions", id, last)
			return page, err
		}
		st.high, before = last, last
	}
}

// Outbox reads what is not delivered yet, with evidence, oldest first.
func (s *Store) Outbox(ctx context.Context, limit int) (waiting []qrie.Transition, err error) {
	defer s.metrics.request("qrie_outbox", "list")(&err)
	if err := s.giveSeqs(ctx); err != nil {
		return nil, err
	}
	limit = min(limit, maxChanges)
	rows, err := s.waiting(ctx, limit)
	if err != nil {
		return nil, err
	}
	at := make([]pointer, len(rows))
	for i, r := range rows {
		at[i] = r.pointer
	}
	found, err := s.transitionsAt(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	for _, r := range rows {
		if t, ok := found[r.ID]; ok {
			t.Seq = r.seq
			waiting = append(waiting, t)
		}
	}
	return waiting, nil
}

// undelivered is an entry of the outbox.
type undelivered struct {
	pointer
	part string
	seq  int64
}

// waiting reads entries of the outbox, by seq.
func (s *Store) waiting(ctx context.Context, limit int) (out []undelivered, err error) {
	sources := make([]*source, newBuckets)
	for b := range newBuckets {
		sources[b] = &source{stretch: stretch{table: transitionsTable, index: &transitionsWaiting, pk: fmt.Sprintf("out#%d", b)}, fetch: limit}
	}
	m := merge{c: s.client, sources: sources, bound: limit + newBuckets*limit}
	for len(out) < limit {
		r, ok, err := m.next(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the outbox: %w", err)
		}
		if !ok {
			return out, nil
		}
		u := undelivered{part: r.item.str("Part")}
		if err := s.pack.decode("an entry of the outbox", r.item.bytes("Pointer"), &u.pointer); err != nil {
			return nil, err
		}
		if _, err := fmt.Sscanf(r.order, "%d", &u.seq); err != nil {
			return nil, fmt.Errorf("entry %s of the outbox: %w", r.order, err)
		}
		out = append(out, u)
	}
	return out, nil
}

// Delivered removes transitions from the outbox. Unknown ids are no error: a
// sender that did not hear the answer says it again.
func (s *Store) Delivered(ctx context.Context, ids []string) (err error) {
	defer s.metrics.request("qrie_outbox", "delivered")(&err)
	var keys []key
	seen := map[string]bool{}
	for _, id := range ids {
		if keyable(id) && !seen[id] {
			keys = append(keys, key{outPart(id), id})
		}
		seen[id] = true
	}
	if err := s.writeAll(ctx, transitionsTable, nil, keys); err != nil {
		return fmt.Errorf("empty the outbox: %w", err)
	}
	return nil
}
