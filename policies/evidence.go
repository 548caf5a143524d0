package policies

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/qrie-sec/qrie"
)

// pointerKey is the member of a violation that tells where it is in the
// document: one JSON Pointer or a list of them. It goes to the evidence's
// pointers and is taken out of the violation.
const pointerKey = "at"

// The bounds of one violation, beside qrie.MaxViolations. A bucket policy has
// 20 KiB; a card shows the first few names of a list.
const (
	maxEvidenceString = 512
	maxEvidenceList   = 50
	maxPointers       = 10
)

// evidenceOf turns CEL's violations into JSON objects and pointers, in order.
// It shows what the expression put there; views hold no secret to be shown.
func evidenceOf(found []ref.Val) qrie.Evidence {
	evidence := qrie.Evidence{Total: len(found), Violations: []json.RawMessage{}, Pointers: []string{}}
	for _, violation := range found[:min(len(found), qrie.MaxViolations)] {
		object, ok := plain(violation).(map[string]any)
		if !ok {
			object = map[string]any{"value": plain(violation)}
		}
		evidence.Pointers = append(evidence.Pointers, pointersOf(object[pointerKey])...)
		delete(object, pointerKey)
		text, err := json.Marshal(object)
		if err != nil {
			panic(fmt.Sprintf("BUG: violation of plain values does not marshal: %v", err))
		}
		evidence.Violations = append(evidence.Violations, text)
	}
	return evidence
}

func pointersOf(at any) []string {
	var pointers []string
	switch at := at.(type) {
	case string:
		pointers = append(pointers, at)
	case []any:
		for _, element := range at[:min(len(at), maxPointers)] {
			if pointer, ok := element.(string); ok {
				pointers = append(pointers, pointer)
			}
		}
	}
	return pointers
}

// plain turns a CEL value into what encoding/json writes as one expects. A
// member that is an empty string or list, null, or a time that never was
// (CEL's zero time is 1970-01-01T00:00:00Z) is left out of its object.
func plain(value ref.Val) any {
	switch v := value.(type) {
	case types.Null:
		return nil
	case types.Bool:
		return bool(v)
	case types.Int:
		return int64(v)
	case types.Uint:
		return uint64(v)
	case types.String:
		return cut(string(v), maxEvidenceString)
	case types.Timestamp:
		return moment(v.Time)
	case types.Duration:
		return v.Duration.String()
	case traits.Mapper:
		object := make(map[string]any)
		for i := v.Iterator(); i.HasNext() == types.True; {
			key := i.Next()
			put(object, fmt.Sprint(key.Value()), plain(v.Get(key)))
		}
		return object
	case traits.Lister:
		list := []any{}
		for i := v.Iterator(); i.HasNext() == types.True && len(list) < maxEvidenceList; {
			list = append(list, plain(i.Next()))
		}
		return list
	}
	return plainNative(reflect.ValueOf(value.Value()))
}

// plainNative does the same for a Go value behind a native struct.
func plainNative(v reflect.Value) any {
	v = reflect.Indirect(v)
	if !v.IsValid() {
		return nil
	}
	if t, ok := v.Interface().(time.Time); ok {
		return moment(t)
	}
	switch v.Kind() {
	case reflect.String:
		return cut(v.String(), maxEvidenceString)
	case reflect.Struct:
		object := make(map[string]any)
		for _, f := range fieldsOf(v.Type()) {
			put(object, f.name, plainNative(v.Field(f.index)))
		}
		return object
	case reflect.Slice:
		list := []any{}
		for i := range min(v.Len(), maxEvidenceList) {
			list = append(list, plainNative(v.Index(i)))
		}
		return list
	case reflect.Map:
		object := make(map[string]any)
		for _, key := range v.MapKeys() {
			put(object, fmt.Sprint(key), plainNative(v.MapIndex(key)))
		}
		return object
	case reflect.Float32, reflect.Float64:
		return fmt.Sprint(v.Float()) // JSON has no word for NaN and the infinities
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint64:
		return v.Interface()
	}
	return fmt.Sprint(v.Interface())
}

func put(object map[string]any, key string, value any) {
	switch v := value.(type) {
	case nil:
		return
	case string:
		if v == "" {
			return
		}
	case []any:
		if len(v) == 0 {
			return
		}
	}
	object[key] = value
}

// moment writes a time, nil for one that never was.
func moment(t time.Time) any {
	if t.IsZero() || t.Equal(time.Unix(0, 0)) {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
