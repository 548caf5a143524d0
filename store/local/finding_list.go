package local

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

const (
	// maxRowsRead bounds what one page of a list reads, so that a filter which
	// hardly anything meets gives a short page and goes on with the next.
	maxRowsRead = 5000
	// maxSources bounds the index ranges that one page merges; a filter that
	// needs more reads a coarser index and checks each row.
	maxSources = 96
	// maxFetch bounds the rows read from one range at once.
	maxFetch = 1000
)

// place is where a row stands in the order of findings.
type place struct {
	Rank   int64  `json:"r"`
	Newest int64  `json:"n"`
	ID     string `json:"i"` // hex
}

func (p place) compare(q place) int {
	switch {
	case p.Rank != q.Rank:
		return int(p.Rank - q.Rank)
	case p.Newest < q.Newest:
		return -1
	case p.Newest > q.Newest:
		return 1
	case p.ID < q.ID:
		return -1
	case p.ID > q.ID:
		return 1
	}
	return 0
}

// candidate is a row that was read; its body is nil if the filter left it out.
type candidate struct {
	place
	body []byte
}

// source is one range of one index, read upwards.
type source struct {
	query     string
	keys      []any // what the index range is fixed to
	worst     int64 // the least rank
	mildest   int64 // the greatest
	rows      []candidate
	at        place // up to where it was read
	begun     bool
	exhausted bool
	fetch     int
}

// ListFindings merges the index ranges that the filter asks for.
func (s *Store) ListFindings(ctx context.Context, q store.FindingQuery, p store.PageRequest) (page store.Page[qrie.Finding], err error) {
	defer s.metrics.Request("qrie_findings", "list")(&err)
	q = q.Normal()
	var after *place
	if p.Token != "" {
		after = new(place)
		if err := s.signer.Open("findings", p.Bound(q), p.Token, after); err != nil {
			return page, err
		}
	}
	if err := s.names.load(ctx, s.db); err != nil {
		return page, fmt.Errorf("list findings: %w", err)
	}
	plan, ok := s.plan(q)
	if !ok {
		return page, nil
	}
	size := p.PageSize()
	m := merge{store: s, plan: plan, after: after, size: size}
	bodies, last, more, err := m.page(ctx)
	if err != nil {
		return page, fmt.Errorf("list findings: %w", err)
	}
	page.Items = make([]qrie.Finding, len(bodies))
	for i, body := range bodies {
		if err := decode("a finding", body, &page.Items[i]); err != nil {
			return page, err
		}
	}
	if err := s.join(ctx, page.Items); err != nil {
		return page, err
	}
	if more {
		page.Next, err = s.signer.Seal("findings", p.Bound(q), last)
	}
	return page, err
}

// merge makes one page out of the sources of a plan.
type merge struct {
	store *Store
	plan  findingPlan
	after *place
	size  int
	read  int
}

// page gives the bodies of the next findings in order, the place of the last
// row that was looked at, and whether there may be more.
func (m *merge) page(ctx context.Context) (bodies [][]byte, last place, more bool, err error) {
	sources := m.plan.sources
	each := m.size + 1
	if len(sources) > 1 {
		each = min(each, max(8, 2*m.size/len(sources)))
	}
	for i := range sources {
		sources[i].fetch = each
	}
	slices.SortStableFunc(sources, func(a, b source) int { return cmp.Compare(a.worst, b.worst) })
	if m.after != nil {
		last = *m.after
	}
	for {
		best := -1
		for i := range sources {
			src := &sources[i]
			if len(src.rows) == 0 && !src.exhausted {
				if best >= 0 && !src.begun && src.worst > sources[best].rows[0].Rank {
					break // sorted: all that follow begin below the best row
				}
				if m.read >= maxRowsRead {
					return bodies, last, true, nil
				}
				if err := m.fill(ctx, src); err != nil {
					return nil, last, false, err
				}
			}
			if len(src.rows) > 0 && (best < 0 || src.rows[0].compare(sources[best].rows[0].place) < 0) {
				best = i
			}
		}
		if best < 0 {
			return bodies, last, false, nil
		}
		if len(bodies) == m.size {
			return bodies, last, true, nil
		}
		row := sources[best].rows[0]
		sources[best].rows = sources[best].rows[1:]
		last = row.place
		if row.body != nil {
			bodies = append(bodies, row.body)
		}
	}
}

// fill reads the next rows of a source.
func (m *merge) fill(ctx context.Context, src *source) error {
	if !src.begun {
		src.begun = true
		src.at = place{Rank: src.worst, Newest: math.MinInt64}
		if m.after != nil && m.after.compare(src.at) > 0 {
			src.at = *m.after
		}
	}
	if src.at.Rank > src.mildest {
		src.exhausted = true
		return nil
	}
	id, err := hex.DecodeString(src.at.ID)
	if err != nil {
		return fmt.Errorf("place %q: %w", src.at.ID, qrie.ErrBadToken)
	}
	if id == nil {
		id = []byte{}
	}
	limit := min(src.fetch, maxFetch)
	src.fetch *= 2
	args := append(slices.Clip(src.keys), src.at.Rank, src.at.Newest, id, src.mildest, limit)
	args = append(args, m.plan.args...)
	rows, err := m.store.db.Query(ctx, src.query, args...)
	src.rows, err = collect(rows, err, func(r *sql.Rows) (c candidate, err error) {
		var id []byte
		err = r.Scan(&c.Rank, &c.Newest, &id, &c.body)
		c.ID = hex.EncodeToString(id)
		return c, err
	})
	if err != nil {
		return err
	}
	m.read += len(src.rows)
	src.exhausted = len(src.rows) < limit
	if n := len(src.rows); n > 0 {
		src.at = src.rows[n-1].place
	}
	return nil
}
