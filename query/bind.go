package query

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
)

// binder puts a route on the server's router and into its document.
type binder func(s *Server, r route)

// body is an answer without headers of its own.
type body[T any] struct{ Body T }

// call binds a typed handler that answers 200.
func call[I, O any](h func(*Server, context.Context, *I) (*O, error)) binder {
	return typed(http.StatusOK, h)
}

// created binds a typed handler that answers 201.
func created[I, O any](h func(*Server, context.Context, *I) (*O, error)) binder {
	return typed(http.StatusCreated, h)
}

// accepted binds a typed handler that answers 202.
func accepted[I, O any](h func(*Server, context.Context, *I) (*O, error)) binder {
	return typed(http.StatusAccepted, h)
}

// noContent binds a typed handler that answers 204.
func noContent[I, O any](h func(*Server, context.Context, *I) (*O, error)) binder {
	return typed(http.StatusNoContent, h)
}

func typed[I, O any](status int, h func(*Server, context.Context, *I) (*O, error)) binder {
	return func(s *Server, r route) {
		op := s.operation(r)
		op.DefaultStatus = status
		op.MaxBodyBytes = maxBodyBytes
		// The framework's deadline stays on the connection while the handler
		// runs, and net/http takes its passing for a client that went away.
		op.BodyReadTimeout = r.timeout
		op.Middlewares = huma.Middlewares{s.checkQuery}
		huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := h(s, ctx, in)
			if err != nil {
				return nil, finish(ctx, problemOf(err))
			}
			return out, nil
		})
	}
}

// raw binds a plain gin handler; document completes its entry, if not nil.
func raw(h func(*Server, *gin.Context), document func(*huma.Operation)) binder {
	return func(s *Server, r route) {
		op := s.operation(r)
		op.Responses["200"] = &huma.Response{Description: "OK"}
		if document != nil {
			document(&op)
		}
		s.api.OpenAPI().AddOperation(&op)
		s.engine.Handle(r.method, ginPath(r.path), func(c *gin.Context) { h(s, c) })
	}
}

// maxBodyBytes bounds the body of a request: a launch with the longest scope
// and remediation that are taken stays below it.
const maxBodyBytes = 1 << 20

func (s *Server) operation(r route) huma.Operation {
	op := huma.Operation{
		OperationID: r.id,
		Method:      r.method,
		Path:        r.path,
		Summary:     r.summary,
		Tags:        []string{r.tag},
		Extensions:  map[string]any{"x-role": r.role.String()},
		Responses: map[string]*huma.Response{"default": {
			Description: "A problem",
			Content: map[string]*huma.MediaType{problemJSON: {
				Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, ""),
			}},
		}},
	}
	if r.role != Open {
		op.Security = []map[string][]string{{"session": {}}, {"token": {}}}
	}
	return op
}

// build makes the router and the document from the table of routes.
func (s *Server) build() {
	gin.SetMode(gin.ReleaseMode) // the one switch that silences gin's own output
	s.engine = gin.New()
	s.engine.HandleMethodNotAllowed = true
	s.engine.RedirectTrailingSlash = false
	s.engine.RedirectFixedPath = false
	s.engine.Use(s.identify, s.observe, s.recover, s.secure, s.guard, s.compress)
	s.engine.NoRoute(s.noRoute)
	s.engine.NoMethod(s.noMethod)

	config := huma.DefaultConfig("qrie", apiVersion)
	config.Info.Description = "What is wrong in your AWS accounts, who made it wrong, when, and how to undo it."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "Set by POST /api/v1/login"},
		"token":   {Type: "http", Scheme: "bearer", Description: "An API token: qrie_<id>_<secret>"},
	}
	config.CreateHooks = nil // they would put $schema with the host's name into every answer
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.Transformers = []huma.Transformer{ownProblems}
	s.api = humagin.New(s.engine, config)

	s.routes = map[string]route{}
	for _, r := range routes() {
		if s.options.Operations && strings.HasPrefix(r.path, "/api/") {
			continue
		}
		s.routes[r.method+" "+ginPath(r.path)] = r
		r.bind(s, r)
	}
	tidyDocument(s.api.OpenAPI())
}

// ginPath turns {id} into :id.
func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// ownProblems replaces the framework's errors by problems that carry the id
// of the request.
func ownProblems(ctx huma.Context, _ string, v any) (any, error) {
	if m, ok := v.(*huma.ErrorModel); ok {
		return finish(ctx.Context(), fromModel(m)), nil
	}
	return v, nil
}

// finish writes the request into a problem, and its cause into the request's
// record for the log.
func finish(ctx context.Context, p *Problem) *Problem {
	if r := requestOf(ctx); r != nil {
		p.RequestID, p.Instance, r.err = r.id, r.path, p.cause
	}
	return p
}

// fail answers with a problem outside the framework.
func fail(c *gin.Context, p *Problem) {
	finish(c.Request.Context(), p)
	for name, values := range p.header {
		c.Writer.Header()[name] = values
	}
	c.Header("Content-Type", problemJSON)
	c.Status(p.Status)
	c.Abort()
	if c.Request.Method == http.MethodHead {
		return
	}
	encoder := json.NewEncoder(c.Writer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(p); err != nil {
		_ = c.Error(err) // the client went away while it was being told
	}
}
