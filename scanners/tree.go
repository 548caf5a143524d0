package scanners

import (
	"encoding/json"
	"reflect"
	"time"
)

// tree turns a value of the SDK into maps, slices and scalars under AWS's own
// field names, and reports whether AWS sent it at all. encoding/json alone
// would write null for every pointer and "" for every enumeration that AWS
// left out, and a policy could not tell them from values.
//
// Left out are nil pointers, slices and maps, and empty enumerations (which
// the SDK declares as string types of their own and never as pointers). A
// string, number, list or object that AWS sent empty is kept. Times are UTC,
// RFC 3339.
func tree(v any) (any, bool) { return treeOf(reflect.ValueOf(v)) }

func treeOf(v reflect.Value) (any, bool) {
	if !v.IsValid() {
		return nil, false
	}
	switch t := v.Interface().(type) {
	case time.Time:
		return t.UTC().Format(time.RFC3339Nano), true
	case json.RawMessage:
		return t, t != nil
	case []byte:
		return t, t != nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, false
		}
		return treeOf(v.Elem())
	case reflect.Struct:
		members := make(map[string]any, v.NumField())
		addFields(members, v)
		return members, true
	case reflect.Map:
		if v.IsNil() {
			return nil, false
		}
		members := make(map[string]any, v.Len())
		for i := v.MapRange(); i.Next(); {
			if value, present := treeOf(i.Value()); present {
				members[i.Key().String()] = value
			}
		}
		return members, true
	case reflect.Slice:
		if v.IsNil() {
			return nil, false
		}
		items := make([]any, v.Len())
		for i := range items {
			items[i], _ = treeOf(v.Index(i))
		}
		return items, true
	case reflect.String:
		return v.String(), v.Len() > 0 || v.Type() == reflect.TypeFor[string]()
	default:
		return v.Interface(), true
	}
}

// addFields adds the exported fields of a struct. Those of an embedded struct
// come as if they were its own, and give way to its own of the same name.
func addFields(members map[string]any, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.IsExported() && field.Anonymous {
			addFields(members, v.Field(i))
		}
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		// The result's metadata is the SDK's, and no part of AWS's answer.
		if !field.IsExported() || field.Anonymous || field.Name == "ResultMetadata" {
			continue
		}
		if value, present := treeOf(v.Field(i)); present {
			members[field.Name] = value
		}
	}
}
