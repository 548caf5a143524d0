package dynamo

import "context"

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

// row is an item with its place in the order of a list.
type row struct {
	order string
	item  item
}

// source is one range of an index, read upwards.
type source struct {
	stretch
	fetch     int
	rows      []row
	exhausted bool
}

// merge reads several ranges as one, in the order of their sort keys.
type merge struct {
	c       *client
	sources []*source
	bound   int // of the rows read
	read    int
	begun   bool
	stopped bool // at the bound: there may be more
}

// next gives the next row; ok is false at the end and at the bound.
func (m *merge) next(ctx context.Context) (r row, ok bool, err error) {
	if !m.begun {
		m.begun = true
		// The first rows of all of them at once, or a page would take as long
		// as there are ranges.
		if err := limited(ctx, m.sources, readers, m.fill); err != nil {
			return r, false, err
		}
		for _, src := range m.sources {
			m.read += len(src.rows)
		}
	}
	var best *source
	for _, src := range m.sources {
		for len(src.rows) == 0 && !src.exhausted {
			if m.read >= m.bound {
				m.stopped = true
				return r, false, nil
			}
			if err := m.fill(ctx, src); err != nil {
				return r, false, err
			}
			m.read += len(src.rows)
		}
		if len(src.rows) > 0 && (best == nil || src.rows[0].order < best.rows[0].order) {
			best = src
		}
	}
	if best == nil {
		return r, false, nil
	}
	r, best.rows = best.rows[0], best.rows[1:]
	return r, true, nil
}

func (m *merge) fill(ctx context.Context, src *source) error {
	st := src.stretch
	st.limit = min(src.fetch, maxFetch)
	src.fetch *= 2
	rows, last, done, err := m.c.read(ctx, st)
	if err != nil {
		return err
	}
	sk := tables[st.table].sk
	if st.index != nil {
		sk = st.index.sk
	}
	for _, it := range rows {
		src.rows = append(src.rows, row{it.str(sk), it})
	}
	src.exhausted = done
	src.low = following(last)
	return nil
}
