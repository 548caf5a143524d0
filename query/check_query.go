package query

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
)

// checkQuery refuses query parameters that the operation does not have: a
// filter that is ignored shows too much and looks right. A list parameter may
// be given several times, which is the same as once with commas.
func (s *Server) checkQuery(ctx huma.Context, next func(huma.Context)) {
	c := humagin.Unwrap(ctx)
	if c.Request.URL.RawQuery == "" {
		next(ctx)
		return
	}
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		fail(c, kindBadRequest.problem("the query string cannot be read: %v", err))
		return
	}
	known := map[string]bool{} // by name: is it a list
	for _, p := range ctx.Operation().Parameters {
		if p.In == "query" {
			known[p.Name] = p.Schema.Type == huma.TypeArray
		}
	}
	p := kindInvalid.problem("")
	repeated := false
	for name, given := range values {
		list, ok := known[name]
		switch {
		case !ok:
			p.Errors = append(p.Errors, FieldError{Location: "query." + name, Message: unknownParameter(name, known), Value: echo(given[0])})
		case len(given) > 1 && list:
			values[name], repeated = []string{strings.Join(given, ",")}, true
		case len(given) > 1:
			p.Errors = append(p.Errors, FieldError{Location: "query." + name, Message: "takes one value and was given several times", Value: echo(strings.Join(given, ", "))})
		}
	}
	if len(p.Errors) > 0 {
		slices.SortFunc(p.Errors, func(a, b FieldError) int { return strings.Compare(a.Location, b.Location) })
		p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
		fail(c, p)
		return
	}
	if repeated {
		c.Request.URL.RawQuery = values.Encode()
	}
	next(ctx)
}

func unknownParameter(name string, known map[string]bool) string {
	if len(known) == 0 {
		return "unknown parameter: this operation takes none"
	}
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, k)
	}
	slices.Sort(names)
	return fmt.Sprintf("unknown parameter; the nearest is %s", nearest(name, names))
}

// nearest returns the candidate that begins with word, or else the one with
// the least edit distance from it; the first of several.
func nearest(word string, candidates []string) string {
	word = strings.ToLower(word)
	if len(word) > 64 {
		word = word[:64] // the distance costs the product of both lengths
	}
	best, least := "", -1
	for i, c := range candidates {
		c = strings.ToLower(c)
		d := editDistance(word, c)
		if word != "" && strings.HasPrefix(c, word) {
			d = 0
		}
		if least < 0 || d < least {
			best, least = candidates[i], d
		}
	}
	return best
}

// editDistance is Levenshtein's: insertions, deletions and replacements.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
