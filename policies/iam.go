package policies

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Statement is one statement of an IAM policy document, as the iam functions
// hand it to expressions. Either of each pair (Actions, NotActions) is empty.
type Statement struct {
	Sid           string   `json:"sid"`
	Principals    []string `json:"principals"` // "*", ARNs, account ids, services
	NotPrincipals []string `json:"notPrincipals"`
	Actions       []string `json:"actions"`
	NotActions    []string `json:"notActions"`
	Resources     []string `json:"resources"`
	NotResources  []string `json:"notResources"`
	At            string   `json:"at"` // JSON Pointer into the document: /Statement/0

	allow      bool
	federated  []string // the Federated principals among Principals
	conditions []condition
}

// condition is one operator and key of a statement's Condition block. All of
// them must hold for the statement to apply.
type condition struct {
	operator string // lower case, such as forallvalues:stringlikeifexists
	key      string // lower case, such as aws:sourceip
	values   []string
	readable bool // every value is a string, a number or a bool
}

// maxPolicyBytes bounds the policy documents that are parsed. AWS's own
// greatest is 32 KiB, of a KMS key policy.
const maxPolicyBytes = 256 << 10

// parseDocument reads a policy document. The grammar lets every element be
// one value or a list, Statement included, and its names are case-sensitive.
func parseDocument(text string) ([]*Statement, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if len(text) > maxPolicyBytes {
		return nil, fmt.Errorf("policy document has %d bytes, more than %d", len(text), maxPolicyBytes)
	}
	if !gjson.Valid(text) {
		return nil, errors.New("policy document is not valid JSON")
	}
	document := gjson.Parse(text)
	if !document.IsObject() {
		return nil, errors.New("policy document is not a JSON object")
	}
	var found gjson.Result
	document.ForEach(func(name, value gjson.Result) bool {
		if name.Str == "Statement" {
			found = value
		}
		return true
	})
	switch {
	case !found.Exists():
		return nil, errors.New("policy document has no Statement")
	case found.IsObject():
		s, err := parseStatement(found, "/Statement")
		if err != nil {
			return nil, err
		}
		return []*Statement{s}, nil
	case !found.IsArray():
		return nil, fmt.Errorf("policy document, /Statement: is %.20s, neither an object nor a list", found.Raw)
	}
	var statements []*Statement
	var err error
	found.ForEach(func(_, value gjson.Result) bool {
		var s *Statement
		s, err = parseStatement(value, "/Statement/"+strconv.Itoa(len(statements)))
		statements = append(statements, s)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return statements, nil
}

func parseStatement(value gjson.Result, at string) (*Statement, error) {
	if !value.IsObject() {
		return nil, fmt.Errorf("policy document, %s: is %.20s, not an object", at, value.Raw)
	}
	s := &Statement{At: at}
	var effect string
	var failed error
	value.ForEach(func(name, value gjson.Result) bool {
		var err error
		switch name.Str {
		case "Effect":
			effect = value.Str
		case "Sid":
			s.Sid, err = parseString(value)
		case "Action":
			s.Actions, err = parseStrings(value)
		case "NotAction":
			s.NotActions, err = parseStrings(value)
		case "Resource":
			s.Resources, err = parseStrings(value)
		case "NotResource":
			s.NotResources, err = parseStrings(value)
		case "Principal":
			s.Principals, s.federated, err = parsePrincipals(value)
		case "NotPrincipal":
			s.NotPrincipals, _, err = parsePrincipals(value)
		case "Condition":
			s.conditions, err = parseConditions(value)
		}
		if err != nil {
			failed = fmt.Errorf("policy document, %s/%s: %w", at, name.Str, err)
		}
		return failed == nil
	})
	switch {
	case failed != nil:
		return nil, failed
	case effect != "Allow" && effect != "Deny":
		return nil, fmt.Errorf("policy document, %s/Effect: is %q, neither Allow nor Deny", at, effect)
	case len(s.Actions) == 0 && len(s.NotActions) == 0:
		return nil, fmt.Errorf("policy document, %s: has neither Action nor NotAction", at)
	}
	s.allow = effect == "Allow"
	return s, nil
}

// parsePrincipals reads "*" or {"AWS": …, "Service": …}; the kinds are
// flattened, and the Federated ones are returned once more on their own.
func parsePrincipals(value gjson.Result) (all, federated []string, err error) {
	if !value.IsObject() {
		all, err = parseStrings(value)
		return all, nil, err
	}
	value.ForEach(func(kind, value gjson.Result) bool {
		var some []string
		switch kind.Str {
		case "AWS", "CanonicalUser", "Federated", "Service":
			if some, err = parseStrings(value); err != nil {
				err = fmt.Errorf("%s: %w", kind.Str, err)
			}
		default:
			err = fmt.Errorf("%q is no kind of principal", kind.Str)
		}
		all = append(all, some...)
		if kind.Str == "Federated" {
			federated = some
		}
		return err == nil
	})
	if err == nil && len(all) == 0 {
		err = errors.New("names no principal")
	}
	return all, federated, err
}

func parseConditions(value gjson.Result) (conditions []condition, err error) {
	if !value.IsObject() {
		return nil, fmt.Errorf("is %.20s, not an object", value.Raw)
	}
	value.ForEach(func(operator, keys gjson.Result) bool {
		if !keys.IsObject() {
			err = fmt.Errorf("%s is %.20s, not an object", operator.Str, keys.Raw)
			return false
		}
		keys.ForEach(func(key, value gjson.Result) bool {
			values, readable := parseScalars(value)
			conditions = append(conditions, condition{
				operator: strings.ToLower(operator.Str),
				key:      strings.ToLower(key.Str),
				values:   values,
				readable: readable,
			})
			return true
		})
		return true
	})
	return conditions, err
}

func parseString(value gjson.Result) (string, error) {
	if value.Type != gjson.String {
		return "", fmt.Errorf("is %.20s, not a string", value.Raw)
	}
	return value.Str, nil
}

// parseStrings reads a string or a list of strings.
func parseStrings(value gjson.Result) (list []string, err error) {
	if !value.IsArray() {
		one, err := parseString(value)
		if err != nil {
			return nil, err
		}
		return []string{one}, nil
	}
	value.ForEach(func(_, value gjson.Result) bool {
		var one string
		one, err = parseString(value)
		list = append(list, one)
		return err == nil
	})
	return list, err
}

// parseScalars reads the values of a condition key: one or a list of strings,
// numbers or bools. ok is false for anything else.
func parseScalars(value gjson.Result) (values []string, ok bool) {
	scalar := func(value gjson.Result) bool {
		switch value.Type {
		case gjson.String:
			values = append(values, value.Str)
		case gjson.Number, gjson.True, gjson.False:
			values = append(values, value.Raw)
		default:
			return false
		}
		return true
	}
	if !value.IsArray() {
		ok = scalar(value)
		return values, ok
	}
	ok = true
	value.ForEach(func(_, value gjson.Result) bool {
		ok = scalar(value)
		return ok
	})
	return values, ok
}
