package resources

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/qrie-sec/qrie"
)

// Reference leads from a document to other resources that may change with it
// and for which AWS need not log an event: the volumes that an instance takes
// with it when it is terminated. It is data: gjson paths into the document.
type Reference struct {
	Path string // to the ids
	Type string // of those resources, which are in the same account and Region
	// Tie is the path to what tells how they are tied. They change with it, with
	// their ids, and when the resource comes or goes; if it is empty, with any
	// change.
	Tie string
}

// Related names the resources, each once, that may have changed with one whose
// document was before and is after; nil where there was none or is none.
func (t Type) Related(ref qrie.Ref, before, after []byte) (related []qrie.Ref) {
	seen := map[string]bool{}
	same := bytes.Equal(before, after)
	for _, r := range t.References {
		other, ok := Find(r.Type)
		if !ok {
			continue // a test sees to it that there is none
		}
		is := r.ids(after)
		was := is
		if !same {
			was = r.ids(before)
		}
		if r.Tie != "" && len(before) > 0 && len(after) > 0 && slices.Equal(was, is) &&
			(same || gjson.GetBytes(before, r.Tie).Raw == gjson.GetBytes(after, r.Tie).Raw) {
			continue
		}
		for _, id := range slices.Concat(is, was) {
			if to := other.Ref(ref.Account, ref.Region, id); !seen[to.Key()] {
				seen[to.Key()] = true
				related = append(related, to)
			}
		}
	}
	return related
}

// Ties is a digest of what a document tells of other resources: two documents of
// the same ties lead to the same ones, tied in the same way. It is empty for a
// type that refers to none.
func (t Type) Ties(document []byte) string {
	if len(t.References) == 0 {
		return ""
	}
	h := sha256.New()
	for _, r := range t.References {
		for _, id := range r.ids(document) {
			fmt.Fprintf(h, "%q", id)
		}
		if r.Tie != "" {
			h.Write([]byte(gjson.GetBytes(document, r.Tie).Raw))
		}
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (r Reference) ids(document []byte) (ids []string) {
	gjson.GetBytes(document, r.Path).ForEach(func(_, id gjson.Result) bool {
		if id.Type == gjson.String && id.Str != "" {
			ids = append(ids, id.Str)
		}
		return true
	})
	return ids
}
