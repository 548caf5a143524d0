package resources

import (
	"github.com/tidwall/gjson"

	"github.com/qrie-sec/qrie"
)

// Reference leads from a document to other resources that may change with it
// and for which AWS need not log an event: the volumes that an instance takes
// with it when it is terminated. It is data: a gjson path into the document.
type Reference struct {
	Path string // to the ids
	Type string // of those resources, which are in the same account and Region
}

// Related names the resources that a document refers to, each once.
func (t Type) Related(ref qrie.Ref, document []byte) (related []qrie.Ref) {
	seen := map[string]bool{}
	for _, r := range t.References {
		other, ok := Find(r.Type)
		if !ok {
			continue // a test sees to it that there is none
		}
		gjson.GetBytes(document, r.Path).ForEach(func(_, id gjson.Result) bool {
			to := other.Ref(ref.Account, ref.Region, id.String())
			if id.Type == gjson.String && id.Str != "" && !seen[to.Key()] {
				seen[to.Key()] = true
				related = append(related, to)
			}
			return true
		})
	}
	return related
}
