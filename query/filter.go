package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
)

// Paging is the part of a list's request that chooses the page.
type Paging struct {
	PageSize  int    `query:"page_size" minimum:"1" maximum:"500" default:"50" doc:"Entries on one page"`
	NextToken string `query:"next_token" maxLength:"8192" doc:"From the page before; opaque, and good for the same filter only"`
}

func (p Paging) request() store.PageRequest {
	return store.PageRequest{Size: p.PageSize, Token: p.NextToken}
}

// ListMeta says what a list leaves unsaid.
type ListMeta struct {
	Total      *int64    `json:"total,omitempty" doc:"Entries on all pages, where it is known without counting them"`
	TotalExact bool      `json:"total_exact"`
	AsOf       time.Time `json:"as_of"`
}

// maxValues bounds the values of one list parameter.
const maxValues = 200

// parts drops the empty values of a list parameter and those given twice.
func parts(location string, given []string) ([]string, error) {
	var values []string
	for _, v := range given {
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	if len(values) > maxValues {
		return nil, invalid(location, nil, "takes up to %d values and got %d", maxValues, len(values))
	}
	return values, nil
}

func accountIDs(location string, given []string) ([]string, error) {
	values, err := parts(location, given)
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		if !qrie.ValidAccountID(v) {
			return nil, invalid(location, v, "%q is no account id: twelve digits", v)
		}
	}
	return values, nil
}

// services are names such as s3. An unknown one is an error and not an empty
// list, which would read as "nothing is wrong".
func services(location string, given []string) ([]string, error) {
	values, err := parts(location, given)
	if err != nil {
		return nil, err
	}
	known := serviceNames()
	for i, v := range values {
		values[i] = strings.ToLower(v)
		if !slices.Contains(known, values[i]) {
			return nil, invalid(location, v, "%q is no service; the nearest is %s of %s", v, nearest(v, known), strings.Join(known, ", "))
		}
	}
	return values, nil
}

// resourceTypes are CloudFormation names. As in the first edition of the API,
// the name of a service stands for all of its types.
func resourceTypes(location string, given []string) ([]string, error) {
	values, err := parts(location, given)
	if err != nil {
		return nil, err
	}
	var types, names []string
	for _, t := range resources.All() {
		names = append(names, t.Name)
	}
	for _, v := range values {
		found := false
		for _, name := range names {
			if strings.EqualFold(name, v) || qrie.ServiceOf(name) == strings.ToLower(v) {
				found = true
				if !slices.Contains(types, name) {
					types = append(types, name)
				}
			}
		}
		if !found {
			return nil, invalid(location, v, "%q is no resource type; the nearest is %s", v, nearest(v, append(names, serviceNames()...)))
		}
	}
	return types, nil
}

// oneOf reads values of a closed set, whatever their case.
func oneOf[T ~string](location string, given []string, allowed ...T) ([]T, error) {
	values, err := parts(location, given)
	if err != nil {
		return nil, err
	}
	var result []T
	for _, v := range values {
		i := slices.IndexFunc(allowed, func(a T) bool { return strings.EqualFold(string(a), v) })
		if i < 0 {
			return nil, invalid(location, v, "%q is none of %s", v, joined(allowed))
		}
		if !slices.Contains(result, allowed[i]) {
			result = append(result, allowed[i])
		}
	}
	return result, nil
}

func joined[T ~string](values []T) string {
	var text []string
	for _, v := range values {
		text = append(text, string(v))
	}
	return strings.Join(text, ", ")
}

// since turns "24h", "30m" or "7d" into a moment that long before now.
func since(location, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	d, err := parseAge(text)
	if err != nil {
		return time.Time{}, invalid(location, text, "%v", err)
	}
	return now.Add(-d), nil
}

func parseAge(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= 3660 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no length of time such as 30m, 24h or 7d", text)
}

// notNil makes an empty list of a nil one: no collection of an answer is null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func notNilMap[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}
