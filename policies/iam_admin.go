package policies

import (
	"slices"
	"strings"
)

// adminStatements returns the statements that allow everything on everything
// without a condition. Beside Action "*" on Resource "*" that is NotAction
// and NotResource where what they leave out does not keep the holder from
// granting himself the rest: all actions but "s3:*" include those of IAM.
func adminStatements(text string) ([]*Statement, error) {
	statements, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(statements, func(s *Statement) bool { return !s.admin() }), nil
}

func (s *Statement) admin() bool {
	return s.allow && len(s.conditions) == 0 && s.everyAction() && s.everyResource()
}

func (s *Statement) everyAction() bool {
	if len(s.NotActions) > 0 {
		return !slices.ContainsFunc(s.NotActions, coversIAM)
	}
	return slices.ContainsFunc(s.Actions, matchesAll)
}

func (s *Statement) everyResource() bool {
	if len(s.NotResources) > 0 {
		return !slices.ContainsFunc(s.NotResources, matchesAll)
	}
	return slices.ContainsFunc(s.Resources, matchesAll)
}

// matchesAll reports whether a pattern of actions or resources matches all of
// them: "*", "*:*", "arn:*", "arn:aws:*:*:*:*".
func matchesAll(pattern string) bool {
	if !strings.Contains(pattern, "*") {
		return false
	}
	if rest, ok := strings.CutPrefix(pattern, "arn:"); ok {
		if partition, after, ok := strings.Cut(rest, ":"); ok && strings.HasPrefix(partition, "aws") {
			rest = after
		}
		pattern = rest
	}
	return strings.Trim(pattern, "*:") == ""
}

// coversIAM reports whether a pattern of actions takes in all of IAM's.
func coversIAM(pattern string) bool {
	if matchesAll(pattern) {
		return true
	}
	service, action, ok := strings.Cut(strings.ToLower(pattern), ":")
	return ok && strings.Trim(action, "*") == "" && action != "" && glob(service, "iam")
}

// glob matches s against a pattern of *, which is any run, and ?, which is
// any one character. It backtracks to the last * only, so its time is bounded
// by the product of the lengths.
func glob(pattern, s string) bool {
	star, from := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
