package query

import (
	"fmt"
	"math"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Score is the share of passing resources, by policy, weighted by severity.
type Score struct {
	Value *float64 `json:"value,omitempty" minimum:"0" maximum:"100" doc:"100 is best; absent while no policy has judged anything"`
	Note  string   `json:"note" doc:"What the value covers"`
}

// Coverage is what the numbers of the dashboard rest on.
type Coverage struct {
	Accounts  int64 `json:"accounts" doc:"Accounts with at least one stored resource"`
	Resources int64 `json:"resources"`
	Evaluated int64 `json:"evaluated" doc:"Verdicts that are pass or fail"`
	Unknown   int64 `json:"unknown" doc:"Verdicts that could not be made"`
}

// weight is how much a policy of a severity counts.
func weight(s qrie.Severity) float64 {
	switch s.Band() {
	case qrie.Critical:
		return 10
	case qrie.High:
		return 5
	case qrie.Medium:
		return 2
	case qrie.Low:
		return 1
	}
	return 0
}

// scoreOf is 100 Σ w·pass/(pass+fail) / Σ w over the active policies that have
// judged at least one resource. Taking each policy's share first keeps a large
// fleet of one type from hiding or drowning the others. Unknown verdicts are
// in neither sum: the note and the coverage tell of them.
func scoreOf(d *directory, verdicts []store.VerdictCount) Score {
	type share struct{ pass, fail, unknown int64 }
	shares := map[string]share{}
	for _, v := range verdicts {
		s := shares[v.Policy]
		switch v.Outcome {
		case qrie.Pass:
			s.pass += v.Count
		case qrie.Fail:
			s.fail += v.Count
		case qrie.Unknown:
			s.unknown += v.Count
		}
		shares[v.Policy] = s
	}
	var sum, weights float64
	var active, judged int
	var unknown int64
	for id, l := range d.launches {
		if l.Status != qrie.LaunchActive {
			continue
		}
		active++
		s := shares[id]
		unknown += s.unknown
		severity, ok := d.severity(id)
		if !ok || s.pass+s.fail == 0 {
			continue
		}
		judged++
		w := weight(severity)
		sum += w * float64(s.pass) / float64(s.pass+s.fail)
		weights += w
	}
	score := Score{Note: fmt.Sprintf("%d of %d active policies have judged resources; %d verdicts are unknown and not counted", judged, active, unknown)}
	if weights > 0 {
		value := math.Round(1000*sum/weights) / 10
		score.Value = &value
	}
	return score
}
