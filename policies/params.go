package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
)

// The bounds of a parameter: a list holds at most maxParamElements, a string
// at most maxParamBytes. A launch is small and its parameters are read on
// every evaluation.
const (
	maxParamElements = 50
	maxParamBytes    = maxNameBytes
)

// paramTypes are the types of parameters, each with its CEL type and how its
// JSON is read.
var paramTypes = map[string]struct {
	cel  *cel.Type
	read func(json.RawMessage) (any, error)
}{
	"bool":         {cel.BoolType, readAs[bool]},
	"int":          {cel.IntType, readAs[int64]},
	"string":       {cel.StringType, readAs[string]},
	"list(int)":    {cel.ListType(cel.IntType), readAs[[]int64]},
	"list(string)": {cel.ListType(cel.StringType), readAs[[]string]},
}

// readAs reads one JSON value of type T. null is no value.
func readAs[T any](text json.RawMessage) (any, error) {
	var value *T
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&value); err != nil || value == nil {
		return nil, fmt.Errorf("%s is not of this type", bytes.TrimSpace(text))
	}
	return *value, nil
}

// value converts an override and holds it against the parameter's bounds.
func (p Param) value(text json.RawMessage) (any, error) {
	kind, ok := paramTypes[p.Type]
	if !ok {
		return nil, fmt.Errorf("there is no type %q", p.Type)
	}
	value, err := kind.read(text)
	if err != nil {
		return nil, fmt.Errorf("must be %s: %w", p.Type, err)
	}
	return value, p.check(value)
}

func (p Param) check(value any) error {
	switch v := value.(type) {
	case int64:
		return p.checkInt(v)
	case string:
		return checkString(v)
	case []int64:
		return checkList(v, p.checkInt)
	case []string:
		return checkList(v, checkString)
	}
	return nil
}

func (p Param) checkInt(n int64) error {
	if p.Min != nil && n < *p.Min {
		return fmt.Errorf("%d is less than %d", n, *p.Min)
	}
	if p.Max != nil && n > *p.Max {
		return fmt.Errorf("%d is greater than %d", n, *p.Max)
	}
	return nil
}

func checkString(s string) error {
	if len(s) > maxParamBytes {
		return fmt.Errorf("a string of %d bytes is longer than %d", len(s), maxParamBytes)
	}
	if !utf8.ValidString(s) {
		return errors.New("is not valid UTF-8")
	}
	return nil
}

func checkList[T any](list []T, check func(T) error) error {
	if len(list) > maxParamElements {
		return fmt.Errorf("%d elements are more than %d", len(list), maxParamElements)
	}
	for i, element := range list {
		if err := check(element); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// bindParams gives every parameter its override or its default, under the
// name by which expressions read it. It reports every fault.
func (p *Policy) bindParams(overrides map[string]json.RawMessage) (map[string]any, error) {
	bound := make(map[string]any, len(p.Params))
	var errs []error
	for _, param := range p.Params {
		value := param.Default
		if text, ok := overrides[param.Name]; ok && !bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
			var err error
			if value, err = param.value(text); err != nil {
				errs = append(errs, fmt.Errorf("parameter %s of %s: %w", param.Name, p.ID, err))
			}
		}
		bound["params."+param.Name] = p.env.adapter.NativeToValue(value)
	}
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if _, ok := bound["params."+name]; !ok {
			errs = append(errs, fmt.Errorf("%s has no parameter %q", p.ID, name))
		}
	}
	return bound, errors.Join(errs...)
}
