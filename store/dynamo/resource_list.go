package dynamo

import (
	"context"
	"fmt"
	"strings"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// resourcePlace is where a row stands in the order of resources.
type resourcePlace struct {
	Type  string `json:"t"`
	Place string `json:"p"`
}

// maxResourcesRead bounds the rows that one page reads whole.
const maxResourcesRead = 2000

// ListResources reads type after type, and within it account after account if
// the filter names some. The index tells the order; the rest of the filter is
// checked on the rows.
func (s *Store) ListResources(ctx context.Context, q store.ResourceQuery, p store.PageRequest) (page store.Page[store.Resource], err error) {
	defer s.metrics.Request("qrie_resources", "list")(&err)
	q = q.Normal()
	var at resourcePlace
	if p.Token != "" {
		if err := s.signer.Open("resources", p.Bound(q), p.Token, &at); err != nil {
			return page, err
		}
	}
	l := resourceList{s: s, q: q, size: p.PageSize(), at: at}
	more, err := l.run(ctx)
	if err != nil {
		return page, fmt.Errorf("list resources: %w", err)
	}
	page.Items = l.found
	if more {
		page.Next, err = s.signer.Seal("resources", p.Bound(q), l.at)
	}
	return page, err
}

type resourceList struct {
	s     *Store
	q     store.ResourceQuery
	size  int
	at    resourcePlace // of the last row looked at
	found []store.Resource
	read  int
}

// maxSpans bounds the index reads of one page: many accounts in a filter may
// have nothing of a type.
const maxSpans = 200

// span is a part of the order that lies together.
type span struct{ resourceType, low, high string }

func (l *resourceList) spans(types []string) (out []span) {
	for _, t := range types {
		if !among(l.q.Types, t) || !among(l.q.Services, qrie.ServiceOf(t)) {
			continue
		}
		if len(l.q.Accounts) == 0 {
			out = append(out, span{t, lowest(""), highest("")})
		}
		for _, account := range l.q.Accounts {
			out = append(out, span{t, account + placeSeparator, account + placeSeparator + highest("")})
		}
	}
	return out
}

// run reads until the page is full, the bound is reached or all is read.
func (l *resourceList) run(ctx context.Context) (more bool, err error) {
	types, err := l.s.texts(ctx, typeName)
	if err != nil {
		return false, err
	}
	n := 0
	for _, sp := range l.spans(types) {
		if sp.resourceType < l.at.Type || sp.resourceType == l.at.Type && sp.high <= l.at.Place {
			continue
		}
		if n == maxSpans {
			return true, nil
		}
		n++
		if more, err := l.span(ctx, sp); more || err != nil {
			return more, err
		}
		l.at = resourcePlace{sp.resourceType, sp.high} // the next page need not look at it again
	}
	return false, nil
}

func (l *resourceList) index() *index {
	if l.q.Failing != nil && *l.q.Failing {
		return &resourcesFailing
	}
	return &resourcesByPlace
}

// span reads on in one span. more says that the page ends here.
func (l *resourceList) span(ctx context.Context, sp span) (more bool, err error) {
	low := sp.low
	if l.at.Type == sp.resourceType {
		low = max(low, following(l.at.Place))
	}
	m := merge{c: l.s.client, bound: maxResourcesRead - l.read}
	for b := range listBuckets {
		m.sources = append(m.sources, &source{fetch: max(8, 2*l.size/listBuckets),
			stretch: stretch{table: resourcesTable, index: l.index(), pk: shelfOf(sp.resourceType, b), low: low, high: sp.high}})
	}
	for {
		batch, err := l.batch(ctx, &m)
		if err != nil {
			return false, err
		}
		if len(batch) == 0 {
			l.read += m.read
			return m.stopped, nil
		}
		keys := make([]key, len(batch))
		for i, r := range batch {
			keys[i] = key{pk: r.item.str("ResourceId")}
		}
		rows, err := l.s.many(ctx, resourcesTable, keys, "")
		if err != nil {
			return false, err
		}
		for i, r := range batch {
			if len(l.found) == l.size {
				return true, nil // at is still the last row looked at
			}
			l.at = resourcePlace{sp.resourceType, r.order}
			if err := l.add(ctx, rows[keys[i]]); err != nil {
				return false, err
			}
		}
	}
}

// batch reads the next index rows.
func (l *resourceList) batch(ctx context.Context, m *merge) (out []row, err error) {
	for len(out) < maxBatchRead {
		r, ok, err := m.next(ctx)
		if !ok || err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

// add keeps a resource if it meets the filter.
func (l *resourceList) add(ctx context.Context, it item) error {
	if it == nil {
		return nil // trimmed meanwhile
	}
	r, err := l.s.resource(it)
	if err != nil || !l.meets(r.Resource) {
		return err
	}
	if l.q.WithDocument {
		if err := l.s.documentInto(ctx, &r); err != nil {
			return err
		}
	}
	l.found = append(l.found, r.Resource)
	return nil
}

func (l *resourceList) meets(r store.Resource) bool {
	q := l.q
	if r.Deleted && !q.Deleted || !among(q.Regions, r.Ref.Region) {
		return false
	}
	if q.Text != "" && !strings.Contains(store.Haystack(r.Name, r.Ref.ID, r.Ref.ARN), q.Text) {
		return false
	}
	if open, _ := r.OpenFindings(); q.Failing != nil && *q.Failing != (open > 0) {
		return false
	}
	return q.ListedBefore.IsZero() || r.ListedAt.Before(q.ListedBefore)
}
