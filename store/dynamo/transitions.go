package dynamo

import (
	"context"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// historyItem is the sort key of a transition under its resource.
func historyItem(t qrie.Transition) string { return digits(t.Version) + "#" + t.Finding }

func pointerTo(t qrie.Transition) pointer {
	return pointer{Resource: t.Ref.ResourceID(), Item: historyItem(t)}
}

// historyRow is a transition as the history of its resource holds it.
func (s *Store) historyRow(t qrie.Transition) (row item, err error) {
	row = s.row(transitionsTable, t.Ref.ResourceID(), historyItem(t))
	row["Finding"] = text(t.Finding)
	row["Body"], err = s.pack.encode("a transition", t)
	return row, err
}

func (s *Store) transition(it item) (t qrie.Transition, err error) {
	return t, s.pack.decode("a transition", it.bytes("Body"), &t)
}

// transitionsOf reads the transitions of a batch, each in its place and with
// its seq; those that are trimmed are empty.
func (s *Store) transitionsOf(ctx context.Context, b logBatch) ([]qrie.Transition, error) {
	keys := make([]key, len(b.at))
	for i, p := range b.at {
		keys[i] = p.key()
	}
	rows, err := s.many(ctx, transitionsTable, keys, "")
	if err != nil {
		return nil, fmt.Errorf("read transitions: %w", err)
	}
	out := make([]qrie.Transition, len(b.at))
	for i, k := range keys {
		it := rows[k]
		if it == nil {
			continue
		}
		if out[i], err = s.transition(it); err != nil {
			return nil, err
		}
		out[i].Seq = b.seq(i)
	}
	return out, nil
}

// ListTransitions gives the history of one finding or of one resource, newest
// first. Both lie under the resource. Their seq is not told: it is given after
// they are written.
func (s *Store) ListTransitions(ctx context.Context, finding, resource string, p store.PageRequest) (page store.Page[qrie.Transition], err error) {
	defer s.metrics.Request("qrie_transitions", "list")(&err)
	if (finding == "") == (resource == "") {
		return page, fmt.Errorf("list transitions: name either a finding or a resource")
	}
	id, part := resource, resource
	if finding != "" {
		id = finding
	}
	before := ""
	if p.Token != "" {
		if err := s.signer.Open("transitions", p.Bound(id), p.Token, &before); err != nil {
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
	if before == "" {
		if _, err := s.catchUp(ctx); err != nil {
			return page, fmt.Errorf("list transitions of %s: %w", id, err)
		}
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
				page.Next, err = s.signer.Seal("transitions", p.Bound(id), historyItem(page.Items[size-1]))
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
			page.Next, err = s.signer.Seal("transitions", p.Bound(id), last)
			return page, err
		}
		st.high, before = last, last
	}
}
