package resources

import (
	"slices"
	"strings"
	"testing"
)

func TestSteadyLeavesOutWhatAWSChangesByItself(t *testing.T) {
	rds, _ := Find("AWS::RDS::DBInstance")
	steady := func(doc string) string { return string(rds.Steady([]byte(doc))) }
	a := steady(`{"DBInstance":{"LatestRestorableTime":"2026-01-01T00:00:00Z","Engine":"postgres"}}`)
	b := steady(`{"DBInstance":{"LatestRestorableTime":"2026-01-01T00:05:00Z","Engine":"postgres"}}`)
	c := steady(`{"DBInstance":{"LatestRestorableTime":"2026-01-01T00:00:00Z","Engine":"mysql"}}`)
	if a != b || a == c {
		t.Errorf("%s\n%s\n%s", a, b, c)
	}
	if got := steady(`{"DBInstance":{"Engine":"postgres"}}`); got != `{"DBInstance":{"Engine":"postgres"}}` {
		t.Errorf("a document without the field became %s", got)
	}
}

func TestVolatileFieldsAreOfListedMembers(t *testing.T) {
	for _, typ := range All() {
		for _, path := range typ.Volatile {
			if member, _, _ := strings.Cut(path, "."); !slices.Contains(typ.Members, member) {
				t.Errorf("%s: volatile field %s is of no listed member", typ.Name, path)
			}
		}
	}
}
