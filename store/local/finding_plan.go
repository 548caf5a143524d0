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

// The index ranges of findings, each with what is fixed of its key.
var (
	everyFinding     = []string{"active"}
	findingsByKind   = []string{"active", "kind"}
	findingsByOwner  = []string{"active", "account", "service"}
	findingsOfObject = []string{"rid"}
)

// findingQuery is the text of a range read. The fixed columns are ?1 and so
// on; what follows them are the place, the bounds and, if rows are checked,
// the values of the filter as JSON.
func findingQuery(fixed []string, checked bool) string {
	var b strings.Builder
	n := len(fixed)
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
	fmt.Fprintf(&b, "SELECT rank, newest, fid, %s FROM qrie_findings WHERE ", body)
	for i, column := range fixed {
		fmt.Fprintf(&b, "%s = ?%d AND ", column, i+1)
	}
	fmt.Fprintf(&b, "(rank, newest, fid) > (?%d, ?%d, ?%d) AND rank <= ?%d ORDER BY rank, newest, fid LIMIT ?%d", n+1, n+2, n+3, n+4, n+5)
	return b.String()
}

// plan chooses the index. ok is false if nothing stored can meet the filter.
//
// An account, then a policy, type or service, narrow best and have an index
// each; Region, text and time of opening are checked on the rows.
func (s *Store) plan(q store.FindingQuery) (plan findingPlan, ok bool) {
	states := activeFlags(q.States)
	ranges := store.SeverityRanges(q.Bands)
	if len(states) == 0 || len(ranges) == 0 {
		return plan, false
	}
	check := rowCheck{text: q.Text, openedFrom: nanos(q.OpenedFrom)}
	if len(q.Regions) > 0 {
		if check.regions = s.numbersOf(regionName, q.Regions); len(check.regions) == 0 {
			return plan, false
		}
	}
	var accounts []int64
	if len(q.Accounts) > 0 {
		if accounts = s.numbersOf(accountName, q.Accounts); len(accounts) == 0 {
			return plan, false
		}
	}
	all := s.names.kinds()
	kinds := slices.DeleteFunc(slices.Clone(all), func(k kind) bool {
		return !among(q.Policies, k.policy) || !among(q.Types, k.resourceType) || !among(q.Services, k.service())
	})
	if len(kinds) == 0 {
		return plan, false
	}
	narrowed := len(kinds) < len(all)
	services := s.servicesOf(kinds)
	parts := len(states) * len(ranges)

	var fixed []string
	var keys [][]any
	switch {
	case q.Resource != "":
		rid, ok := pack(resourcePrefix, q.Resource)
		if !ok {
			return plan, false
		}
		fixed, keys = findingsOfObject, [][]any{{rid}}
		check.states = states
		check.accounts, check.kinds = accounts, numbersOfKinds(kinds, narrowed)
	case accounts != nil && len(accounts)*len(services)*parts <= maxSources:
		fixed = findingsByOwner
		for _, a := range accounts {
			for _, service := range services {
				keys = append(keys, []any{a, service})
			}
		}
		// The services of the kinds may have other kinds too.
		check.kinds = numbersOfKinds(kinds, narrowed && (len(q.Policies) > 0 || len(q.Types) > 0))
	case narrowed && len(kinds)*parts <= maxSources:
		fixed, check.accounts = findingsByKind, accounts
		for _, k := range kinds {
			keys = append(keys, []any{k.n})
		}
	default:
		fixed, keys = everyFinding, [][]any{{}}
		check.accounts, check.kinds = accounts, numbersOfKinds(kinds, narrowed)
	}

	plan.args = check.args()
	query := findingQuery(fixed, plan.args != nil)
	if q.Resource != "" {
		plan.add(query, keys[0], ranges)
		return plan, true
	}
	for _, active := range states {
		for _, key := range keys {
			plan.add(query, append([]any{active}, key...), ranges)
		}
	}
	return plan, true
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

func numbersOfKinds(kinds []kind, narrowed bool) []int64 {
	if !narrowed {
		return nil
	}
	out := make([]int64, len(kinds))
	for i, k := range kinds {
		out[i] = k.n
	}
	return out
}

func (s *Store) servicesOf(kinds []kind) []int64 {
	var texts []string
	for _, k := range kinds {
		texts = append(texts, k.service())
	}
	slices.Sort(texts)
	return s.numbersOf(serviceName, slices.Compact(texts))
}
