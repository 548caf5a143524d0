package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
)

func TestCountsReadBack(t *testing.T) {
	findings, err := Counts{{FindingCounter("a", "P", qrie.Resolved, 7), 3, noon}}.Findings()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]FindingCount{{Account: "a", Policy: "P", Severity: 7, State: qrie.Resolved, Count: 3, LastAt: noon}}, findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if _, err := (Counts{{Counter: Counter{Part: "ACTIVE/x"}}}).Findings(); err == nil {
		t.Error("a counter without severity was read")
	}
	verdicts := Counts{{Counter: VerdictCounter("", "P", qrie.Fail), N: 2}}.Verdicts()
	if diff := cmp.Diff([]VerdictCount{{Policy: "P", Outcome: qrie.Fail, Count: 2}}, verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestCountsOfOneThingAreGrouped(t *testing.T) {
	all := Counts{
		{Counter: ResourceCounter("b", "T", false), N: 4}, {Counter: ResourceCounter("a", "U", false), N: 3},
		{Counter: ResourceCounter("a", "T", false), N: 2}, {Counter: ResourceCounter("a", "T", true), N: 1},
	}
	all.Sort()
	want := []ResourceCount{{Account: "a", Type: "T", Total: 2, Failing: 1}, {Account: "a", Type: "U", Total: 3}, {Account: "b", Type: "T", Total: 4}}
	if diff := cmp.Diff(want, all.Resources()); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	days := Counts{
		{Counter: DayCounter(noon.AddDate(0, 0, -1), qrie.High, false), N: 9}, {Counter: DayCounter(noon, qrie.High, true), N: 1},
		{Counter: DayCounter(noon, qrie.High, false), N: 2}, {Counter: DayCounter(noon, qrie.Low, true), N: 3},
	}
	days.Sort()
	wantDays := []DayCount{{Day: "2026-03-14", Band: qrie.High, Opened: 2, Resolved: 1}, {Day: "2026-03-14", Band: qrie.Low, Resolved: 3}}
	if diff := cmp.Diff(wantDays, days.Days("2026-03-14")); diff != "" {
		t.Errorf("days (-want +got):\n%s", diff)
	}
	if got := len(days.Days("")); got != 3 {
		t.Errorf("%d days in all", got)
	}
}
