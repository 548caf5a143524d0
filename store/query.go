package store

import (
	"slices"
	"strings"

	"github.com/qrie-sec/qrie"
)

// Normal is the same query in its one spelling: values sorted, none twice. A
// page token is bound to it, so the order in which a caller names values does
// not matter.
func (q ResourceQuery) Normal() ResourceQuery {
	q.Accounts, q.Services = normal(q.Accounts), normal(q.Services)
	q.Types, q.Regions = normal(q.Types), normal(q.Regions)
	q.Text = strings.ToLower(q.Text)
	q.ListedBefore = q.ListedBefore.UTC()
	return q
}

// Normal is the same query in its one spelling.
func (q FindingQuery) Normal() FindingQuery {
	q.States, q.Policies, q.Accounts = normal(q.States), normal(q.Policies), normal(q.Accounts)
	q.Services, q.Types, q.Regions = normal(q.Services), normal(q.Types), normal(q.Regions)
	q.Bands, q.Text = normal(q.Bands), strings.ToLower(q.Text)
	q.OpenedFrom = q.OpenedFrom.UTC()
	return q
}

func normal[T ~string](values []T) []T {
	if len(values) == 0 {
		return nil
	}
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

// SeverityRange is a closed range on the scale.
type SeverityRange struct{ Least, Greatest qrie.Severity }

// SeverityRanges joins bands to ranges, from the worst down. No band at all is
// the whole scale; a word that is no band adds nothing.
func SeverityRanges(bands []qrie.Band) []SeverityRange {
	if len(bands) == 0 {
		return []SeverityRange{{0, 100}}
	}
	var out []SeverityRange
	for _, band := range qrie.Bands {
		if !slices.Contains(bands, band) {
			continue
		}
		least, greatest, _ := band.Range()
		if n := len(out); n > 0 && out[n-1].Least == greatest+1 {
			out[n-1].Least = least
			continue
		}
		out = append(out, SeverityRange{least, greatest})
	}
	return out
}

// Haystack is what a text filter is looked for in: the parts in lower case,
// apart from one another. The text of a Normal query is in lower case too.
func Haystack(parts ...string) string {
	return strings.ToLower(strings.Join(parts, "\x1f"))
}

// PageSize is the size that a request asks for, within its bounds.
func (p PageRequest) PageSize() int {
	switch {
	case p.Size <= 0:
		return DefaultPage
	case p.Size > MaxPage:
		return MaxPage
	}
	return p.Size
}

// Bound is what a page token is bound to beside its list: the query, as it is
// spelled in Normal, and the scope of the caller.
func (p PageRequest) Bound(query any) any {
	return struct {
		Query any    `json:"q"`
		Scope string `json:"s"`
	}{query, p.Scope}
}
