package resources

import (
	"slices"

	"github.com/tidwall/gjson"
)

// Stage is a member of a document that says whether AWS is still at work: after
// the call, and after its event, a DB instance is "deleting" for minutes. It is
// data: a gjson path, which may lead to many values, and those that pass by
// themselves.
type Stage struct {
	Path   string
	Passes []string
}

// Unfinished reports whether AWS was still at work on a resource when the
// document was read, so that it will change without another event.
func (t Type) Unfinished(document []byte) bool {
	for _, s := range t.Stages {
		found := false
		gjson.GetBytes(document, s.Path).ForEach(func(_, value gjson.Result) bool {
			found = value.Type == gjson.String && slices.Contains(s.Passes, value.Str)
			return !found
		})
		if found {
			return true
		}
	}
	return false
}
