package local

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// findingPlan is how a filter is answered: the index ranges to merge, and the
// arguments of what is checked on each row.
type findingPlan struct {
	sources []source
	args    []any
}

// findingIndex is an index of findings and what a range of it fixes.
type findingIndex struct {
	name  string
	fixed []string
}

// Each index is named in its query: SQLite takes them for equally good until
// it is told how the values lie.
var (
	everyFinding     = findingIndex{"qrie_findings_all", []string{"active"}}
	findingsByKind   = findingIndex{"qrie_findings_kind", []string{"active", "kind"}}
	findingsByOwner  = findingIndex{"qrie_findings_account", []string{"active", "account", "service"}}
	findingsOfObject = findingIndex{"qrie_findings_resource", []string{"rid"}}
)

// findingQuery is the text of a range read. The fixed columns are ?1 and so
// on; what follows them are the place, the bounds and, if rows are checked,
// the values of the filter as JSON.
func findingQuery(index findingIndex, checked bool) string {
	var b strings.Builder
	n := len(index.fixed)
	body := "body"
	if checked {
		body = fmt.Sprintf(`CASE WHEN
			(?%[1]d IS NULL OR active IN (SELECT value FROM json_each(?%[1]d))) AND
			(?%[2]d IS NULL OR kind IN (SELECT value FROM json_each(?%[2]d))) AND
			(?%[3]d IS NULL OR account IN (SELECT value FROM json_each(?%[3]d))) AND
			(?%[4]d IS NULL OR region IN (SELECT value FROM json_each(?%[4]d))) AND
			opened_at >= ?%[5]d AND (?%[6]d = '' OR instr(haystack, ?%[6]d) > 0)
			THEN body END`, n+6, n+7, n+8, n+9, n+10, n+11)
	}
	fmt.Fprintf(&b, "SELECT rank, newest, fid, %s FROM qrie_findings INDEXED BY %s WHERE ", body, index.name)
	for i, column := range index.fixed {
		fmt.Fprintf(&b, "%s = ?%d AND ", column, i+1)
	}
	fmt.Fprintf(&b, "(rank, newest, fid) > (?%d, ?%d, ?%d) AND rank <= ?%d ORDER BY rank, newest, fid LIMIT ?%d", n+1, n+2, n+3, n+4, n+5)
	return b.String()
}

// plan is how a filter is answered. ok is false if nothing stored can meet it.
func (s *Store) plan(q store.FindingQuery) (plan findingPlan, ok bool) {
	f, ok := s.resolve(q)
	if !ok {
		return plan, false
	}
	index, keys := f.choose()
	plan.args = f.check.args()
	query := findingQuery(index, plan.args != nil)
	for _, key := range keys {
		if f.rid != nil {
			plan.add(query, key, f.ranges)
			continue
		}
		for _, active := range f.states {
			plan.add(query, append([]any{active}, key...), f.ranges)
		}
	}
	return plan, true
}

// findingFilter is a query in the numbers that the rows hold.
type findingFilter struct {
	states   []int64
	ranges   []store.SeverityRange
	kinds    []int64
	narrowed bool    // kinds are not all there are
	exact    bool    // the query names policies or types
	services []int64 // of the kinds
	accounts []int64 // nil: any
	rid      []byte  // nil: any
	check    rowCheck
}

// resolve looks the names of a query up. ok is false if one of its members
// names only what no finding has.
func (s *Store) resolve(q store.FindingQuery) (f findingFilter, ok bool) {
	f.states, f.ranges = activeFlags(q.States), store.SeverityRanges(q.Bands)
	f.accounts = s.numbersOf(accountName, q.Accounts)
	f.check = rowCheck{text: q.Text, openedFrom: nanos(q.OpenedFrom), regions: s.numbersOf(regionName, q.Regions)}
	all := s.names.kinds()
	var services []string
	for _, k := range all {
		if among(q.Policies, k.policy) && among(q.Types, k.resourceType) && among(q.Services, k.service()) {
			f.kinds = append(f.kinds, k.n)
			services = append(services, k.service())
		}
	}
	slices.Sort(services)
	f.services = s.numbersOf(serviceName, slices.Compact(services))
	f.narrowed, f.exact = len(f.kinds) < len(all), len(q.Policies)+len(q.Types) > 0
	if q.Resource != "" {
		if f.rid, ok = pack(resourcePrefix, q.Resource); !ok {
			return f, false
		}
	}
	ok = len(f.states) > 0 && len(f.ranges) > 0 && len(f.kinds) > 0 &&
		(len(q.Accounts) == 0 || len(f.accounts) > 0) && (len(q.Regions) == 0 || len(f.check.regions) > 0)
	return f, ok
}

// choose takes an index and leaves to f.check what it does not answer. One
// resource, then an account, then a policy, type or service narrow best.
func (f *findingFilter) choose() (index findingIndex, keys [][]any) {
	parts := len(f.states) * len(f.ranges)
	if f.narrowed {
		f.check.kinds = f.kinds
	}
	f.check.accounts = f.accounts
	switch {
	case f.rid != nil:
		f.check.states = f.states
		return findingsOfObject, [][]any{{f.rid}}
	case f.accounts != nil && len(f.accounts)*len(f.services)*parts <= maxSources:
		f.check.accounts = nil
		if !f.exact {
			f.check.kinds = nil // the services say it all
		}
		for _, account := range f.accounts {
			for _, service := range f.services {
				keys = append(keys, []any{account, service})
			}
		}
		return findingsByOwner, keys
	case f.narrowed && len(f.kinds)*parts <= maxSources:
		f.check.kinds = nil
		for _, kind := range f.kinds {
			keys = append(keys, []any{kind})
		}
		return findingsByKind, keys
	}
	return everyFinding, [][]any{{}}
}

// add plans one index range for each range of severities.
func (p *findingPlan) add(query string, keys []any, ranges []store.SeverityRange) {
	for _, r := range ranges {
		p.sources = append(p.sources, source{query: query, keys: keys, worst: 100 - int64(r.Greatest), mildest: 100 - int64(r.Least)})
	}
}

// rowCheck is what the chosen index does not answer.
type rowCheck struct {
	states, kinds, accounts, regions []int64
	openedFrom                       int64
	text                             string
}

// args are nil if nothing is left to check.
func (c rowCheck) args() []any {
	if c.states == nil && c.kinds == nil && c.accounts == nil && c.regions == nil && c.openedFrom == 0 && c.text == "" {
		return nil
	}
	return []any{jsonList(c.states), jsonList(c.kinds), jsonList(c.accounts), jsonList(c.regions), c.openedFrom, c.text}
}

// jsonList is nil, which the query takes for "any", or the values as JSON.
func jsonList[T any](values []T) any {
	if values == nil {
		return nil
	}
	b, err := json.Marshal(values)
	if err != nil {
		panic(fmt.Sprintf("BUG: numbers or strings cannot be encoded: %v", err))
	}
	return string(b)
}

func activeFlags(states []qrie.State) []int64 {
	if len(states) == 0 {
		return []int64{1, 0}
	}
	var out []int64
	for _, state := range states {
		switch state {
		case qrie.Active:
			out = append(out, 1)
		case qrie.Resolved:
			out = append(out, 0)
		}
	}
	return out
}

func among(values []string, v string) bool {
	return len(values) == 0 || slices.Contains(values, v)
}

// numbersOf leaves out what nothing stored is called.
func (s *Store) numbersOf(sort string, texts []string) []int64 {
	var out []int64
	for _, text := range texts {
		if n, ok := s.names.id(name{sort, text}); ok {
			out = append(out, n)
		}
	}
	return out
}
