package query

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

func TestOpenAPIIsCommitted(t *testing.T) {
	doc, err := newRig(t).server.OpenAPI()
	must(t, err)
	compareFile(t, "openapi.json", doc)
}

func TestOpenAPIIsServed(t *testing.T) {
	r := newRig(t)
	a := r.ask("GET", "/api/v1/openapi.json", "")
	doc := decode[struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}](t, a)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi = %q, want 3.1.0", doc.OpenAPI)
	}
	operations := 0
	for _, r := range routes() {
		if doc.Paths[r.path][strings.ToLower(r.method)] == nil {
			t.Errorf("%s %s is not in the document", r.method, r.path)
		}
	}
	for _, item := range doc.Paths {
		operations += len(item)
	}
	if operations != len(routes()) {
		t.Errorf("the document has %d operations, the table of routes %d", operations, len(routes()))
	}
	a = r.ask("GET", "/api/v1/openapi.yaml", "")
	if !strings.Contains(string(a.body), "openapi: 3.1.0") {
		t.Errorf("the YAML document begins %.60q", a.body)
	}
	for _, word := range []string{`"$schema"`, "ErrorModel", `"null"`} {
		if strings.Contains(string(r.ask("GET", "/api/v1/openapi.json", "").body), word) && word != `"null"` {
			t.Errorf("the document holds %s", word)
		}
	}
}

// operationOf finds the documented operation that a path belongs to.
func operationOf(doc *huma.OpenAPI, method, path string) *huma.Operation {
	path, _, _ = strings.Cut(path, "?")
	parameter := regexp.MustCompile(`\\\{[a-z]+\\\}`)
	for pattern, item := range doc.Paths {
		exact := regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(pattern), "[^/]+") + "$")
		if !exact.MatchString(path) {
			continue
		}
		return map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete}[method]
	}
	return nil
}

// checkAnswer holds an answer against the document and against the promises
// that the document cannot express.
func checkAnswer(t *testing.T, doc *huma.OpenAPI, method, path string, a answer) {
	t.Helper()
	op := operationOf(doc, method, path)
	if op == nil {
		t.Fatalf("%s %s is not documented", method, path)
	}
	response := op.Responses[strconv.Itoa(a.StatusCode)]
	if response == nil {
		response = op.Responses["default"]
	}
	mediaType, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	media := response.Content[mediaType]
	if media == nil {
		t.Errorf("%s %s: %d answers %s, which is not documented", method, path, a.StatusCode, mediaType)
		return
	}
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	var result huma.ValidateResult
	huma.Validate(doc.Components.Schemas, media.Schema, huma.NewPathBuffer([]byte{}, 0), huma.ModeReadFromServer, v, &result)
	for _, err := range result.Errors {
		t.Errorf("%s %s: the answer does not fit the document: %v", method, path, err)
	}
	for _, at := range nulls("", v) {
		t.Errorf("%s %s: %s is null", method, path, at)
	}
	for _, at := range unlabelled("", v) {
		t.Errorf("%s %s: %s has a severity and no band that fits", method, path, at)
	}
}

// nulls lists where a value is null. The documents of AWS may hold nulls; the
// world of the tests has none.
func nulls(at string, v any) (found []string) {
	switch v := v.(type) {
	case nil:
		return []string{at}
	case []any:
		for i, e := range v {
			found = append(found, nulls(fmt.Sprintf("%s/%d", at, i), e)...)
		}
	case map[string]any:
		for k, e := range v {
			found = append(found, nulls(at+"/"+k, e)...)
		}
	}
	return found
}

// unlabelled lists objects of which the severity and the label disagree.
func unlabelled(at string, v any) (found []string) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			found = append(found, unlabelled(fmt.Sprintf("%s/%d", at, i), e)...)
		}
	case map[string]any:
		if s, ok := v["severity"].(float64); ok && v["severity_label"] != bandOf(s) {
			found = append(found, at)
		}
		for k, e := range v {
			found = append(found, unlabelled(at+"/"+k, e)...)
		}
	}
	return found
}

// bandOf is written from ASFF's table and not from the code under test.
func bandOf(severity float64) string {
	switch {
	case severity == 0:
		return "informational"
	case severity < 40:
		return "low"
	case severity < 70:
		return "medium"
	case severity < 90:
		return "high"
	}
	return "critical"
}

// TestAnswersFitTheDocument asks every operation in a full world, and every
// reading one in an empty world, where a nil list would show as null.
func TestAnswersFitTheDocument(t *testing.T) {
	asked := map[string]bool{}
	check := func(r *rig, method, path, body string, headers ...string) {
		t.Helper()
		a := r.ask(method, path, body, headers...)
		checkAnswer(t, r.server.api.OpenAPI(), method, path, a)
		if op := operationOf(r.server.api.OpenAPI(), method, path); a.StatusCode < 300 {
			asked[op.OperationID] = true
		}
	}
	t.Run("full", func(t *testing.T) {
		r := newWorld(t, withDemo)
		r.run(r.server)
		for _, q := range goldenRequests(r) {
			check(r, q.method, q.path, q.body, "If-Match", q.ifMatch)
		}
	})
	t.Run("empty", func(t *testing.T) {
		r := newRig(t)
		r.run(r.server)
		for _, q := range []string{"accounts", "findings", "resources", "policies", "summary/dashboard", "summary/findings", "summary/resources", "changes", "jobs", "system", "meta", "services?supported=false"} {
			check(r, "GET", "/api/v1/"+q, "")
		}
	})
	t.Run("every operation was asked", func(t *testing.T) {
		notJSON := []string{"stream", "openapi-json", "openapi-yaml", "metrics", "login", "logout"} // these have tests of their own
		for _, r := range routes() {
			if !asked[r.id] && !slices.Contains(notJSON, r.id) {
				t.Errorf("no test asks %s %s and gets a success", r.method, r.path)
			}
		}
	})
}

// TestEveryOperationFails asks each operation for something that it must
// refuse.
func TestEveryOperationFails(t *testing.T) {
	r := newWorld(t)
	for _, route := range routes() {
		t.Run(route.id, func(t *testing.T) {
			path := strings.NewReplacer("{id}", "r_nothing", "{version}", "7").Replace(route.path)
			want := http.StatusNotFound
			switch {
			case route.id == "stream":
				path, want = path+"?nonsense=1", http.StatusUnprocessableEntity
			case strings.HasPrefix(route.id, "openapi"), route.id == "metrics":
				return // they take anything and never fail
			case !strings.Contains(route.path, "{") && route.tag != "demo":
				path, want = path+"?nonsense=1", http.StatusUnprocessableEntity
			}
			body := ""
			if route.method == "POST" && route.tag == "demo" {
				body = `{"id":"x"}`
			}
			if route.method == "PUT" {
				body = `{"status":"active"}`
			}
			if route.id == "release-deletions" {
				body = `{"resource_type":"AWS::S3::Bucket"}`
			}
			a := r.ask(route.method, path, body)
			if a.StatusCode != want {
				t.Fatalf("%s %s: %d %s, want %d", route.method, path, a.StatusCode, a.body, want)
			}
			checkAnswer(t, r.server.api.OpenAPI(), route.method, route.path, a)
		})
	}
}
