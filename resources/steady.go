package resources

import "github.com/tidwall/gjson"

// Steady is a document without its volatile fields, for telling whether
// anything changed. It is no document any more: what was cut leaves a gap.
func (t Type) Steady(document []byte) []byte {
	for _, path := range t.Volatile {
		value := gjson.GetBytes(document, path)
		if !value.Exists() || value.Index == 0 {
			continue
		}
		kept := make([]byte, 0, len(document))
		kept = append(kept, document[:value.Index]...)
		document = append(kept, document[value.Index+len(value.Raw):]...)
	}
	return document
}
