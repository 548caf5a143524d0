package query

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// request is what the server keeps of one request while it lasts.
type request struct {
	id        string
	path      string
	secure    bool // the browser speaks TLS
	principal Principal
	err       error // why it failed, for the log
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

const headerRequestID = "X-Request-Id"

// identify gives the request its id: the caller's, if it is a fit one.
func (s *Server) identify(c *gin.Context) {
	id := c.GetHeader(headerRequestID)
	if !fitRequestID(id) {
		id = newID(s.options.Random)
	}
	c.Header(headerRequestID, id)
	ctx := context.WithValue(c.Request.Context(), requestKey{}, &request{
		id: id, path: c.Request.URL.Path, secure: c.Request.TLS != nil || s.options.Auth.Secure,
	})
	c.Request = c.Request.WithContext(ctx)
}

// fitRequestID admits what cannot disturb a log or a header.
func fitRequestID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch b := id[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.':
		default:
			return false
		}
	}
	return true
}

// newID returns sixteen random hexadecimal digits.
func newID(random io.Reader) string {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic("BUG: the source of randomness ended: " + err.Error())
	}
	return hex.EncodeToString(b[:])
}

// observe measures every request and logs those that changed something or
// that failed by the server's fault, once each.
func (s *Server) observe(c *gin.Context) {
	start := s.now()
	c.Next()
	took := s.now().Sub(start)

	status := c.Writer.Status()
	name := c.FullPath()
	if name == "" {
		name = "ui" // unmatched paths must not become labels
	}
	if r, ok := s.routes[c.Request.Method+" "+name]; !ok || r.timeout != unending {
		s.metrics.request(name, c.Request.Method, status, took)
	}

	r := requestOf(c.Request.Context())
	attrs := []slog.Attr{
		slog.String("request_id", r.id), slog.String("method", c.Request.Method), slog.String("path", r.path),
		slog.Int("status", status), slog.Duration("took", took), slog.String("caller", r.principal.Name),
	}
	switch {
	case status >= 500:
		if r.err != nil {
			attrs = append(attrs, slog.String("error", r.err.Error()))
		}
		s.options.Log.LogAttrs(c, slog.LevelError, "request failed", attrs...)
	case !safeMethod(c.Request.Method):
		s.options.Log.LogAttrs(c, slog.LevelInfo, "request", attrs...)
	}
}

func safeMethod(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// recover turns a panic into a problem; the log gets the stack under the same
// request id.
func (s *Server) recover(c *gin.Context) {
	ctx := c.Request.Context() // the caller's: that of the route has ended by then
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v) // net/http's own word for: say nothing
		}
		r := requestOf(ctx)
		if ctx.Err() != nil {
			c.Abort() // the answer could not be written because nobody reads it
			return
		}
		s.options.Log.LogAttrs(c, slog.LevelError, "panic in a request", slog.String("request_id", r.id),
			slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
		if c.Writer.Written() {
			panic(http.ErrAbortHandler) // cut the connection: half an answer must not look whole
		}
		fail(c, kindInternal.problem("the server's log tells more under the request id"))
	}()
	c.Next()
}

// contentSecurityPolicy lets the UI load what this server serves and nothing
// else: no inline script or style, no frame around it.
const contentSecurityPolicy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// secure puts the security headers on every answer, and refuses host names
// that are not this machine's while nobody has to log in.
func (s *Server) secure(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "private, no-cache")
	if requestOf(c.Request.Context()).secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	// A page of another site can point its own name at 127.0.0.1 (DNS
	// rebinding) and would then be same-origin with this server.
	if s.options.Auth.Disabled && !loopbackHost(c.Request.Host) {
		fail(c, kindHost.problem("without login the server answers to localhost, 127.0.0.1 and [::1] only, not to %q", c.Request.Host))
	}
}

func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	return strings.EqualFold(name, "localhost") || name == "127.0.0.1" || name == "::1"
}

// guard gives the request its time limit, finds out who is calling, and lets
// through whom the route admits. Paths without a route are the UI's, which
// anybody may load, and the API's unknown ones.
func (s *Server) guard(c *gin.Context) {
	r, ok := s.routes[c.Request.Method+" "+c.FullPath()]
	if !ok {
		return
	}
	ctx := c.Request.Context()
	if r.timeout != unending {
		limited, cancel := context.WithTimeout(ctx, r.timeout)
		defer cancel()
		ctx = limited
		c.Request = c.Request.WithContext(ctx)
	}
	who, problem := s.auth.identify(ctx, c.Request)
	if problem == nil {
		requestOf(ctx).principal = who
		problem = admit(who, r)
	}
	if problem == nil {
		problem = s.auth.sameOrigin(c.Request, who)
	}
	if problem != nil {
		fail(c, problem)
		return
	}
	c.Next()
}

// noRoute answers unknown paths of the API with a problem and leaves the rest
// to the UI.
func (s *Server) noRoute(c *gin.Context) {
	path := c.Request.URL.Path
	switch {
	case s.options.Operations:
		fail(c, kindNotFound.problem("this process serves /healthz, /readyz and /metrics; the API is served by qrie query"))
	case path == "/api" || strings.HasPrefix(path, "/api/"):
		fail(c, kindNotFound.problem("no operation has the path %s: see /api/v1/openapi.json", strconv.Quote(path)))
	case c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead:
		fail(c, kindMethod.problem("%s is a page and takes GET only", strconv.Quote(path)).with("Allow", "GET, HEAD"))
	default:
		s.ui.serve(c)
	}
}

func (s *Server) noMethod(c *gin.Context) {
	fail(c, kindMethod.problem("%s takes %s", strconv.Quote(c.Request.URL.Path), c.Writer.Header().Get("Allow")))
}
