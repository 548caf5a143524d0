package policies

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// field is one field of a view as policies see it.
type field struct {
	name  string   // its JSON name
	from  []string // the members of the document that it rests on
	index int
	kind  reflect.Type
}

// fieldsOf lists the fields of a struct type that have a JSON name.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		var from []string
		if tag := f.Tag.Get("from"); tag != "" {
			from = strings.Split(tag, ",")
		}
		fields = append(fields, field{name: name, from: from, index: i, kind: f.Type})
	}
	return fields
}

// viewType is the struct type of the views of a resource type.
func viewType(kind resources.Type) reflect.Type { return reflect.TypeOf(kind.Sample).Elem() }

// restsOn maps each field of a view to the members it rests on.
func restsOn(kind resources.Type) map[string][]string {
	rests := make(map[string][]string)
	for _, f := range fieldsOf(viewType(kind)) {
		rests[f.name] = f.from
	}
	return rests
}

// view makes the view of a fixture: from its document as in production, or
// straight from the fields it gives.
func (t Test) view(kind resources.Type, ref qrie.Ref) (resources.View, error) {
	if t.Document != nil {
		view, err := kind.View(ref, t.Document)
		if err != nil {
			return resources.View{}, fmt.Errorf("read document: %w", err)
		}
		return view, nil
	}
	value := reflect.New(viewType(kind))
	decoder := json.NewDecoder(bytes.NewReader(t.Resource))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value.Interface()); err != nil {
		return resources.View{}, fmt.Errorf("resource does not fit the view of %s: %w", kind.Name, err)
	}
	view := resources.View{Value: value.Interface(), Unknown: make(map[string]qrie.Missing)}
	for _, f := range fieldsOf(viewType(kind)) {
		switch v := value.Elem().Field(f.index).Interface().(type) {
		case string:
			if f.name == "name" {
				view.Name = v
			}
		case map[string]string:
			if f.name == "tags" {
				view.Tags = v
			}
		}
	}
	for _, member := range t.Missing {
		missing := qrie.Missing{Member: member, Code: "AccessDenied", Action: actionFor(kind, member)}
		if missing.Action == "" {
			return resources.View{}, fmt.Errorf("%s has no member %q", kind.Name, member)
		}
		view.Missing = append(view.Missing, missing)
		for _, f := range fieldsOf(viewType(kind)) {
			if slices.Contains(f.from, member) {
				view.Unknown[f.name] = missing
			}
		}
	}
	return view, nil
}

func actionFor(kind resources.Type, member string) string {
	for _, action := range kind.Actions {
		if action.Member == member {
			return action.Name
		}
	}
	return ""
}

// scalars returns the fields of a view that are one printable value, which
// the placeholders of a remediation may name.
func scalars(view any) map[string]string {
	values := make(map[string]string)
	v := reflect.Indirect(reflect.ValueOf(view))
	if v.Kind() != reflect.Struct {
		return values
	}
	for _, f := range fieldsOf(v.Type()) {
		if isScalar(f.kind) {
			values[f.name] = fmt.Sprint(v.Field(f.index).Interface())
		}
	}
	return values
}

func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		return t != reflect.TypeFor[time.Duration]()
	}
	return false
}
