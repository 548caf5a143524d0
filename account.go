package qrie

import (
	"slices"
	"strings"
)

// Account is one AWS account that qrie watches. Events of any other account
// are dropped and counted.
type Account struct {
	ID         string            `json:"id" yaml:"id"`
	Name       string            `json:"name" yaml:"name"`
	OU         string            `json:"ou,omitempty" yaml:"ou"` // path such as /Workloads/Prod
	Tags       map[string]string `json:"tags,omitempty" yaml:"tags"`
	Regions    []string          `json:"regions,omitempty" yaml:"regions"`
	RoleARN    string            `json:"role_arn,omitempty" yaml:"role_arn"`
	ExternalID string            `json:"-" yaml:"external_id"` // a shared secret: stored, never shown
}

// ValidAccountID reports whether s is an AWS account id: twelve digits.
func ValidAccountID(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Scope says which resources a launch covers. The include members are ANDed
// with one another; the values within one member are ORed, and so are the
// values of one tag key, while several tag keys must all match. Exclude wins.
// An empty member constrains nothing. Tags are the resource's own.
type Scope struct {
	IncludeAccounts []string            `json:"include_accounts"`
	ExcludeAccounts []string            `json:"exclude_accounts"`
	IncludeTags     map[string][]string `json:"include_tags"`
	ExcludeTags     map[string][]string `json:"exclude_tags"`
	IncludeOUPaths  []string            `json:"include_ou_paths"`
	ExcludeOUPaths  []string            `json:"exclude_ou_paths"`
}

// Covers reports whether a resource of the account with the given tags is in
// the scope.
func (s Scope) Covers(account Account, tags map[string]string) bool {
	if len(s.IncludeAccounts) > 0 && !slices.Contains(s.IncludeAccounts, account.ID) {
		return false
	}
	if slices.Contains(s.ExcludeAccounts, account.ID) {
		return false
	}
	if len(s.IncludeOUPaths) > 0 && !underAny(account.OU, s.IncludeOUPaths) {
		return false
	}
	if underAny(account.OU, s.ExcludeOUPaths) {
		return false
	}
	for key, values := range s.IncludeTags {
		if got, ok := tags[key]; !ok || !slices.Contains(values, got) {
			return false
		}
	}
	for key, values := range s.ExcludeTags {
		if got, ok := tags[key]; ok && slices.Contains(values, got) {
			return false
		}
	}
	return true
}

// underAny matches on whole segments: /Prod holds /Prod/Web and not /Production.
func underAny(path string, roots []string) bool {
	for _, root := range roots {
		root = strings.TrimSuffix(root, "/")
		if path == root || strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	return false
}
