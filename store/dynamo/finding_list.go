package dynamo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// ListFindings merges the index ranges that the filter asks for and reads the
// findings of the page.
func (s *Store) ListFindings(ctx context.Context, q store.FindingQuery, p store.PageRequest) (page store.Page[qrie.Finding], err error) {
	defer s.metrics.Request("qrie_findings", "list")(&err)
	q = q.Normal()
	var after string
	if p.Token != "" {
		if err := s.signer.Open("findings", p.Bound(q), p.Token, &after); err != nil {
			return page, err
		}
	}
	if q.Resource != "" {
		return s.findingsOf(ctx, q, after, p)
	}
	plan, ok, err := s.plan(ctx, q)
	if !ok || err != nil {
		return page, err
	}
	size := p.PageSize()
	m := merge{c: s.client, sources: plan.sources(after, size), bound: maxRowsRead}
	var picked []row
	last, more := after, false
	for {
		r, ok, err := m.next(ctx)
		if err != nil {
			return page, fmt.Errorf("list findings: %w", err)
		}
		if !ok {
			more = m.stopped
			break
		}
		if len(picked) == size {
			more = true
			break
		}
		last = r.order
		if plan.meets(r.item) {
			picked = append(picked, r)
		}
	}
	if page.Items, err = s.whole(ctx, picked); err != nil {
		return page, fmt.Errorf("list findings: %w", err)
	}
	if more {
		page.Next, err = s.signer.Seal("findings", p.Bound(q), last)
	}
	return page, err
}

// whole reads the findings of index rows. One that has moved since the index
// was written is left out: it stands elsewhere in the list now.
func (s *Store) whole(ctx context.Context, picked []row) ([]qrie.Finding, error) {
	keys := make([]key, len(picked))
	for i, r := range picked {
		keys[i] = key{pk: r.item.str("FindingId")}
	}
	rows, err := s.many(ctx, findingsTable, keys, "#FindingId, #Order, #Body")
	if err != nil {
		return nil, err
	}
	out := make([]qrie.Finding, 0, len(picked))
	for i, r := range picked {
		it := rows[keys[i]]
		if it.str("Order") != r.order {
			continue
		}
		f, _, err := s.finding(it)
		if err != nil {
			return nil, err
		}
		f.Evidence = qrie.Evidence{}
		out = append(out, f)
	}
	return out, s.join(ctx, out)
}

// findingsOf lists the findings of one resource, which remembers the policies
// that ever had one: as many as have its type.
func (s *Store) findingsOf(ctx context.Context, q store.FindingQuery, after string, p store.PageRequest) (page store.Page[qrie.Finding], err error) {
	if !validID(resourcePrefix, q.Resource) {
		return page, nil
	}
	r, err := s.state(ctx, q.Resource)
	if err != nil {
		return page, fmt.Errorf("list findings of %s: %w", q.Resource, err)
	}
	keys := make([]key, len(r.known))
	for i, policy := range r.known {
		keys[i] = key{pk: r.Ref.FindingID(policy)}
	}
	rows, err := s.many(ctx, findingsTable, keys, "")
	if err != nil {
		return page, fmt.Errorf("list findings of %s: %w", q.Resource, err)
	}
	check := rowCheck{states: statesOf(q.States), ranges: store.SeverityRanges(q.Bands), policies: q.Policies, types: q.Types, services: q.Services,
		accounts: q.Accounts, regions: q.Regions, openedFrom: nanos(q.OpenedFrom), text: q.Text}
	var picked []row
	for _, it := range rows {
		f, _, err := s.finding(it)
		if err != nil {
			return page, err
		}
		if order := it.str("Order"); order > after && check.meets(it) && check.meetsPlace(f) {
			picked = append(picked, row{order, it})
		}
	}
	slices.SortFunc(picked, func(a, b row) int { return strings.Compare(a.order, b.order) })
	size := p.PageSize()
	more := len(picked) > size
	picked = picked[:min(len(picked), size)]
	if page.Items, err = s.whole(ctx, picked); err != nil {
		return page, err
	}
	if more {
		page.Next, err = s.signer.Seal("findings", p.Bound(q), picked[size-1].order)
	}
	return page, err
}
