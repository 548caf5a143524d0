package store

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
)

// Count is a counter as it stands.
type Count struct {
	Counter
	N      int64
	LastAt time.Time // when the last one was added; zero if that is not kept
}

// Counts are counters of one dimension. Adapters read them as they lie; what
// the port answers is made of them here.
type Counts []Count

// Sort orders counters by account, name and part, as the port lists them.
func (all Counts) Sort() {
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Part, b.Part))
	})
}

// Findings reads counters ByFinding.
func (all Counts) Findings() ([]FindingCount, error) {
	out := make([]FindingCount, 0, len(all))
	for _, c := range all {
		state, text, _ := strings.Cut(c.Part, "/")
		severity, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("counter of findings %q: %w", c.Part, err)
		}
		out = append(out, FindingCount{Account: c.Account, Policy: c.Name, Severity: qrie.Severity(severity), State: qrie.State(state), Count: c.N, LastAt: c.LastAt})
	}
	return out, nil
}

// Verdicts reads counters ByVerdict.
func (all Counts) Verdicts() []VerdictCount {
	out := make([]VerdictCount, 0, len(all))
	for _, c := range all {
		out = append(out, VerdictCount{Account: c.Account, Policy: c.Name, Outcome: qrie.Outcome(c.Part), Count: c.N})
	}
	return out
}

// Resources reads counters ByResource, sorted: a type has up to two.
func (all Counts) Resources() (out []ResourceCount) {
	failing := ResourceCounter("", "", true).Part
	for _, c := range all {
		n := len(out)
		if n == 0 || out[n-1].Account != c.Account || out[n-1].Type != c.Name {
			out = append(out, ResourceCount{Account: c.Account, Type: c.Name})
			n++
		}
		if c.Part == failing {
			out[n-1].Failing = c.N
		} else {
			out[n-1].Total = c.N
		}
	}
	return out
}

// Days reads counters ByDay, sorted, of the days from the given one on.
func (all Counts) Days(from string) (out []DayCount) {
	at := map[DayCount]int{}
	for _, c := range all {
		if c.Name < from {
			continue
		}
		what, band, _ := strings.Cut(c.Part, "/")
		key := DayCount{Day: c.Name, Band: qrie.Band(band)}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, key)
		}
		if what == "resolved" {
			out[i].Resolved = c.N
		} else {
			out[i].Opened = c.N
		}
	}
	return out
}
