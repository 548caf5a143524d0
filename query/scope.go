package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/qrie-sec/qrie"
)

// ScopeIn is a scope as a client sends it: members may be left out.
type ScopeIn struct {
	IncludeAccounts []string            `json:"include_accounts,omitempty" maxItems:"10000"`
	ExcludeAccounts []string            `json:"exclude_accounts,omitempty" maxItems:"10000"`
	IncludeTags     map[string][]string `json:"include_tags,omitempty" doc:"Values by tag key"`
	ExcludeTags     map[string][]string `json:"exclude_tags,omitempty"`
	IncludeOUPaths  []string            `json:"include_ou_paths,omitempty" maxItems:"1000" doc:"Such as /Workloads/Prod"`
	ExcludeOUPaths  []string            `json:"exclude_ou_paths,omitempty" maxItems:"1000"`
}

func (s ScopeIn) scope() qrie.Scope { return qrie.Scope(s) }

// Bounds of AWS on tags (Tag naming limits and requirements).
const (
	maxTagKey   = 128
	maxTagValue = 256
	maxTagKeys  = 50
)

func checkScope(s qrie.Scope) error {
	lists := []struct {
		name   string
		values []string
		check  func(string) string
	}{
		{"include_accounts", s.IncludeAccounts, wrongAccount},
		{"exclude_accounts", s.ExcludeAccounts, wrongAccount},
		{"include_ou_paths", s.IncludeOUPaths, wrongOUPath},
		{"exclude_ou_paths", s.ExcludeOUPaths, wrongOUPath},
	}
	p := kindInvalid.problem("")
	add := func(location, message string, value any) {
		p.Errors = append(p.Errors, FieldError{Location: location, Message: message, Value: echo(value)})
	}
	for _, l := range lists {
		for i, v := range l.values {
			if wrong := l.check(v); wrong != "" {
				add(fmt.Sprintf("body.scope.%s[%d]", l.name, i), wrong, v)
			}
		}
	}
	checkTags("body.scope.include_tags", s.IncludeTags, add)
	checkTags("body.scope.exclude_tags", s.ExcludeTags, add)
	if len(p.Errors) == 0 {
		return nil
	}
	p.Errors = p.Errors[:min(len(p.Errors), 20)]
	p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
	return p
}

func wrongAccount(v string) string {
	if qrie.ValidAccountID(v) {
		return ""
	}
	return "an account id has twelve digits"
}

func wrongOUPath(v string) string {
	if strings.HasPrefix(v, "/") && len(v) > 1 && len(v) <= 1000 {
		return ""
	}
	return "the path of an organisational unit begins with /, such as /Workloads/Prod"
}

func checkTags(location string, tags map[string][]string, add func(location, message string, value any)) {
	if len(tags) > maxTagKeys {
		add(location, fmt.Sprintf("%d tag keys are more than the %d that a resource can have", len(tags), maxTagKeys), nil)
		return
	}
	keys := make([]string, 0, len(tags))
	for key := range tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if key == "" || len([]rune(key)) > maxTagKey {
			add(location, fmt.Sprintf("a tag key has 1 to %d characters", maxTagKey), key)
		}
		if len(tags[key]) == 0 {
			add(location+"."+key, "a tag key needs one value or more", nil)
		}
		for i, v := range tags[key] {
			if len([]rune(v)) > maxTagValue {
				add(fmt.Sprintf("%s.%s[%d]", location, key, i), fmt.Sprintf("a tag value has up to %d characters", maxTagValue), v)
			}
		}
	}
}

// Optional tells a member that was left out from one that is null.
type Optional[T any] struct {
	Set   bool
	Null  bool
	Value T
}

// UnmarshalJSON is called for members that are there, null included.
func (o *Optional[T]) UnmarshalJSON(data []byte) error {
	o.Set = true
	if bytes.Equal(data, []byte("null")) {
		o.Null = true
		return nil
	}
	return json.Unmarshal(data, &o.Value)
}

// Schema is that of the value, or null.
func (Optional[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = true
	return &s
}
