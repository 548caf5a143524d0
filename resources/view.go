package resources

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
)

// View makes the view of the document of ref: Decode, and then whatever AWS's
// answers do not say of themselves (a bucket's name, an account's id) or what
// could not be read (a user's name) from ref.
func (t Type) View(ref qrie.Ref, document []byte) (View, error) {
	view, err := t.Decode(document)
	if err != nil {
		return View{}, err
	}
	value := reflect.ValueOf(view.Value).Elem()
	for _, f := range t.fields {
		field := value.Field(f.index)
		if f.ref == "" || !field.IsZero() {
			continue
		}
		id := ref.ID
		if f.ref == "name" {
			id = id[strings.LastIndexByte(id, '/')+1:]
		}
		field.SetString(id)
	}
	if view.Name == "" {
		view.Name = ref.ID[strings.LastIndexByte(ref.ID, '/')+1:]
	}
	return view, nil
}

// decoder makes the Decode of a type out of the shape D of its document and a
// function that fills the view V from it.
func decoder[D, V any](fill func(document *D, value *V, view *View) error) func([]byte) (View, error) {
	fields := fieldsOf(reflect.TypeFor[V]())
	return func(document []byte) (View, error) {
		d, value := new(D), new(V)
		if err := unmarshal(document, d); err != nil {
			return View{}, err
		}
		view := View{Value: value}
		if err := fill(d, value, &view); err != nil {
			return View{}, err
		}
		for _, m := range view.Missing {
			// A scanner may name a part of a member; the view knows whole ones.
			member, _, _ := strings.Cut(strings.TrimPrefix(m.Member, "/"), "/")
			member, _, _ = strings.Cut(member, ".")
			for _, f := range fields {
				if !f.restsOn(member) {
					continue
				}
				if view.Unknown == nil {
					view.Unknown = map[string]qrie.Missing{}
				}
				if _, ok := view.Unknown[f.json]; !ok {
					view.Unknown[f.json] = m
				}
			}
		}
		if s, ok := any(value).(settler); ok {
			s.settle(&view)
		}
		return view, nil
	}
}

// settler is a view that is sure of some field in spite of a missing member.
type settler interface{ settle(*View) }

// unmarshal reads a document strictly: one object, every member that a view
// uses of the shape that AWS gives it. Members that no view uses are skipped.
func unmarshal(document []byte, into any) error {
	if trimmed := bytes.TrimLeft(document, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("document is not a JSON object: store AWS's answers under one member per API call")
	}
	err := json.Unmarshal(document, into)
	var shape *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &shape):
		return fmt.Errorf("document member %s holds a JSON %s where AWS answers with %s", shape.Field, shape.Value, jsonKind(shape.Type))
	case errors.As(err, &syntax):
		return fmt.Errorf("document is not valid JSON at byte %d: %w", syntax.Offset, err)
	default:
		return fmt.Errorf("document: %w", err)
	}
}

func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	default:
		return "a whole number"
	}
}

// field is what the tags of one field of a view say.
type field struct {
	index int
	json  string
	from  []string // members that the field rests on
	ref   string   // "id" or "name": what of the Ref fills it when the document does not
}

func (f field) restsOn(member string) bool {
	for _, m := range f.from {
		if m == member {
			return true
		}
	}
	return false
}

func fieldsOf(t reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		f := field{index: i, json: tag.Get("json"), ref: tag.Get("ref")}
		if from := tag.Get("from"); from != "" {
			f.from = strings.Split(from, ",")
		}
		fields = append(fields, f)
	}
	return fields
}

// at is the JSON Pointer to element i of an array.
func at(array string, i int) string { return array + "/" + strconv.Itoa(i) }

// jsonText is the text of an embedded policy document: compact if AWS's text
// was JSON, as it was otherwise, empty if there is none.
func jsonText(member string, raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	switch raw[0] {
	case '{', '[':
		var b bytes.Buffer
		b.Grow(len(raw))
		if err := json.Compact(&b, raw); err != nil {
			return "", fmt.Errorf("document member %s: %w", member, err)
		}
		return b.String(), nil
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", fmt.Errorf("document member %s: %w", member, err)
		}
		return s, nil
	default:
		return "", fmt.Errorf("document member %s holds %.20s where a policy document belongs", member, raw)
	}
}

// timeOf reads a time of the document; an absent one is zero.
func timeOf(member, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("document member %s: %.40q is not a time as RFC 3339 writes it", member, s)
	}
	return t.UTC(), nil
}

// tag is a tag as AWS answers with it.
type tag struct{ Key, Value string }

func tagMap(tags []tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// regionOfZone cuts an Availability Zone to its Region: us-east-1a, and
// us-west-2-lax-1a for a Local Zone.
func regionOfZone(zone string) string {
	parts := strings.SplitN(zone, "-", 4)
	for i, p := range parts {
		if len(p) > 0 && p[0] >= '0' && p[0] <= '9' {
			return strings.Join(append(parts[:i:i], strings.TrimRight(p, "abcdefghijklmnopqrstuvwxyz")), "-")
		}
	}
	return ""
}

// regionOfARN is the fourth part of an ARN.
func regionOfARN(arn string) string {
	parts := strings.SplitN(arn, ":", 5)
	if len(parts) < 5 {
		return ""
	}
	return parts[3]
}
