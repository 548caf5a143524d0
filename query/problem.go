package query

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/qrie-sec/qrie"
)

// Problem is the answer to a request that failed (RFC 9457).
type Problem struct {
	Type      string       `json:"type" doc:"Names the kind of problem, relative to the server" example:"/problems/not-found"`
	Title     string       `json:"title" doc:"The kind of problem, the same every time"`
	Status    int          `json:"status" doc:"HTTP status"`
	Detail    string       `json:"detail" doc:"What happened this time and how to mend it"`
	Instance  string       `json:"instance" doc:"Path of the request"`
	RequestID string       `json:"request_id" doc:"Id of the request, as in X-Request-Id and in the log"`
	Errors    []FieldError `json:"errors,omitempty" doc:"The parts of the request that are wrong"`

	header http.Header
	cause  error // for the log, never for the client
}

// FieldError is one part of a request that is wrong.
type FieldError struct {
	Location string `json:"location" doc:"Such as query.severity or body.scope.include_accounts[0]"`
	Message  string `json:"message"`
	Value    any    `json:"value,omitempty" doc:"What was sent"`
}

var (
	_ huma.StatusError       = (*Problem)(nil)
	_ huma.ContentTypeFilter = (*Problem)(nil)
	_ huma.HeadersError      = (*Problem)(nil)
)

func (p *Problem) Error() string           { return p.Title + ": " + p.Detail }
func (p *Problem) Unwrap() error           { return p.cause }
func (p *Problem) GetStatus() int          { return p.Status }
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType makes the media type that of a problem, whatever was negotiated.
func (p *Problem) ContentType(string) string { return problemJSON }

const problemJSON = "application/problem+json"

// kind is one kind of problem.
type kind struct {
	name   string // the path under /problems/
	status int
	title  string
}

var (
	kindBadRequest     = kind{"bad-request", 400, "The request cannot be read"}
	kindCursor         = kind{"cursor-mismatch", 400, "The page token does not belong to this list"}
	kindUnauthorized   = kind{"unauthorized", 401, "Log in first"}
	kindForbidden      = kind{"forbidden", 403, "Your role does not allow this"}
	kindCrossOrigin    = kind{"cross-origin", 403, "Another site sent this request"}
	kindHost           = kind{"wrong-host", 421, "This server does not answer under that name"}
	kindNotFound       = kind{"not-found", 404, "There is no such thing"}
	kindMethod         = kind{"method-not-allowed", 405, "The path does not take this method"}
	kindConflict       = kind{"conflict", 409, "It cannot be done as things are"}
	kindExists         = kind{"already-exists", 409, "It is there already"}
	kindStale          = kind{"precondition-failed", 412, "It changed since you read it"}
	kindTooLarge       = kind{"too-large", 413, "The request is too large"}
	kindMediaType      = kind{"unsupported-media-type", 415, "Send JSON"}
	kindInvalid        = kind{"invalid", 422, "The request has wrong values"}
	kindNeedsCondition = kind{"precondition-required", 428, "Send If-Match"}
	kindTooMany        = kind{"too-many-requests", 429, "Too many requests"}
	kindGone           = kind{"client-closed-request", 499, "The client went away"}
	kindInternal       = kind{"internal", 500, "Something went wrong in the server"}
	kindUnavailable    = kind{"unavailable", 503, "Not ready to answer this now"}
)

// statusKinds says which kind stands for a status that the framework gives.
var statusKinds = map[int]kind{
	400: kindBadRequest, 408: kindBadRequest, 413: kindTooLarge, 415: kindMediaType,
	422: kindInvalid, 500: kindInternal,
}

func (k kind) problem(format string, args ...any) *Problem {
	return &Problem{
		Type:   "/problems/" + k.name,
		Title:  k.title,
		Status: k.status,
		Detail: fmt.Sprintf(format, args...),
	}
}

// invalid is a problem with one part of the request.
func invalid(location string, value any, format string, args ...any) *Problem {
	p := kindInvalid.problem("%s: "+format, append([]any{location}, args...)...)
	p.Errors = []FieldError{{Location: location, Message: fmt.Sprintf(format, args...), Value: value}}
	return p
}

// retryAfter adds the header that says when to try again.
func (p *Problem) retryAfter(d time.Duration) *Problem {
	seconds := max(1, int((d+time.Second-1)/time.Second))
	return p.with("Retry-After", strconv.Itoa(seconds))
}

func (p *Problem) with(header, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(header, value)
	return p
}

func (p *Problem) because(err error) *Problem {
	p.cause = err
	return p
}

// problemOf makes a problem of whatever a handler failed with. What it does
// not know is an internal error: the cause goes to the log alone.
func problemOf(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, qrie.ErrBadToken):
		return kindCursor.problem("next_token was damaged or made for another filter: start again from the first page").because(err)
	case errors.Is(err, qrie.ErrNotFound):
		return kindNotFound.problem("nothing is stored under that id").because(err)
	case errors.Is(err, context.Canceled):
		return kindGone.problem("the request was given up").because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return kindUnavailable.problem("the store did not answer in time: try again").retryAfter(2 * time.Second).because(err)
	default:
		return kindInternal.problem("the server's log tells more under the request id").because(err)
	}
}

// maxEcho bounds what a problem repeats of a request.
const maxEcho = 200

// fromModel makes a problem of the framework's own error, which it raises
// where a request does not fit the types of an operation.
func fromModel(m *huma.ErrorModel) *Problem {
	k, ok := statusKinds[m.Status]
	if !ok {
		k = kind{"http-" + strconv.Itoa(m.Status), m.Status, http.StatusText(m.Status)}
	}
	p := k.problem("%s", m.Detail)
	for _, d := range m.Errors {
		if d == nil {
			continue
		}
		p.Errors = append(p.Errors, FieldError{Location: d.Location, Message: d.Message, Value: echo(d.Value)})
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
		if more := len(p.Errors) - 1; more > 0 {
			p.Detail += fmt.Sprintf(" (and %d more)", more)
		}
	}
	return p
}

// echo repeats short scalars only: a whole body says nothing to its sender.
func echo(v any) any {
	switch v := v.(type) {
	case string:
		if len(v) > maxEcho {
			return v[:maxEcho] + "…"
		}
		return v
	case bool, int, int64, float64:
		return v
	}
	return nil
}
