package memory

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// place is where something stands in the order of its list.
type place struct {
	First  int64  `json:"f,omitempty"`
	Second int64  `json:"s,omitempty"`
	Third  string `json:"t,omitempty"`
	Last   string `json:"l,omitempty"` // backwards
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.First, q.First), cmp.Compare(p.Second, q.Second), cmp.Compare(p.Third, q.Third), cmp.Compare(q.Last, p.Last))
}

func placeOfResource(r store.Resource) place {
	return place{Third: strings.Join([]string{r.Ref.Type, r.Ref.Account, r.Ref.Region, r.Ref.ID}, "\x00")}
}

func placeOfFinding(f qrie.Finding) place {
	return place{First: -int64(f.Severity), Second: -nanos(f.ChangedAt), Third: f.ID}
}

func placeOfVersion(v store.Version) place { return place{First: -v.Version} }

func placeOfTransition(t qrie.Transition) place { return place{First: -t.Seq} }

func placeOfException(x store.Exception) place { return place{Third: x.ID} }

func placeOfEntry(e store.AuditEntry) place { return place{First: -nanos(e.At), Last: e.ID} }

func placeOfLetter(d store.DeadLetter) place { return place{First: -nanos(d.At), Last: d.ID} }

// by compares by place.
func by[T any](placeOf func(T) place) func(a, b T) int {
	return func(a, b T) int { return placeOf(a).compare(placeOf(b)) }
}

// nanos is the Unix time in nanoseconds, which the zero time has none of.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// cut sorts what meets a query and gives the page that is asked for.
func cut[T any](signer *store.Signer, list string, query any, p store.PageRequest, all []T, placeOf func(T) place) (page store.Page[T], err error) {
	slices.SortFunc(all, by(placeOf))
	if p.Token != "" {
		var after place
		if err := signer.Open(list, p.Bound(query), p.Token, &after); err != nil {
			return page, err
		}
		all = slices.DeleteFunc(all, func(v T) bool { return placeOf(v).compare(after) <= 0 })
	}
	if size := p.PageSize(); len(all) > size {
		all = all[:size]
		page.Next, err = signer.Seal(list, p.Bound(query), placeOf(all[size-1]))
	}
	page.Items = all
	return page, err
}
