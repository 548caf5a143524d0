package query

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

const (
	sessionCookie = "qrie_session"
	sessionAge    = 12 * time.Hour
)

// authenticator finds out who is calling.
type authenticator struct {
	Auth
	tokens store.Tokens
	now    func() time.Time
	random io.Reader
	logins *rate.Limiter
	origin *http.CrossOriginProtection

	mu   sync.Mutex
	used bool // the login code was traded
}

func newAuthenticator(a Auth, tokens store.Tokens, now func() time.Time, random io.Reader) *authenticator {
	return &authenticator{
		Auth: a, tokens: tokens, now: now, random: random,
		logins: rate.NewLimiter(rate.Every(2*time.Second), 5),
		origin: http.NewCrossOriginProtection(),
	}
}

// identify names the caller; a caller who shows nothing is nobody, with the
// role Open. What is shown and wrong is a problem.
func (a *authenticator) identify(ctx context.Context, r *http.Request) (Principal, *Problem) {
	if a.Disabled {
		return Principal{Name: "local", Role: Admin}, nil
	}
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return Principal{}, kindUnauthorized.problem("Authorization must be: Bearer qrie_<id>_<secret>").with("WWW-Authenticate", `Bearer realm="qrie"`)
		}
		return a.byToken(ctx, strings.TrimSpace(token))
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		if who, ok := a.bySession(c.Value); ok {
			return who, nil
		}
	}
	return Principal{Name: "nobody"}, nil
}

func (a *authenticator) byToken(ctx context.Context, token string) (Principal, *Problem) {
	refused := kindUnauthorized.problem("the API token is unknown or has expired").with("WWW-Authenticate", `Bearer realm="qrie", error="invalid_token"`)
	id, secret, ok := splitToken(token)
	if !ok {
		return Principal{}, refused
	}
	t, err := a.tokens.Token(ctx, hashSecret(secret))
	switch {
	case errors.Is(err, qrie.ErrNotFound):
		return Principal{}, refused
	case err != nil:
		return Principal{}, problemOf(fmt.Errorf("look up an API token: %w", err))
	}
	role, err := ParseRole(t.Role)
	if err != nil {
		return Principal{}, problemOf(fmt.Errorf("API token %s: %w", t.ID, err))
	}
	if subtle.ConstantTimeCompare([]byte(t.ID), []byte(id)) != 1 || !a.now().Before(t.ExpiresAt) {
		return Principal{}, refused
	}
	return Principal{Name: "token " + t.ID, Role: role, Expires: t.ExpiresAt}, nil
}

// session is what a cookie holds. It is signed, not secret, and lives in no
// store: any server with the same secret knows it.
type session struct {
	ID      string `json:"i"`
	Role    string `json:"r"`
	Expires int64  `json:"e"` // seconds since 1970
}

// cookieText is strict, so that a session has one spelling.
var cookieText = base64.RawURLEncoding.Strict()

func (a *authenticator) seal(s session) string {
	payload, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a session cannot be encoded: " + err.Error())
	}
	text := cookieText.EncodeToString(payload)
	return text + "." + cookieText.EncodeToString(a.sign(text))
}

func (a *authenticator) sign(text string) []byte {
	mac := hmac.New(sha256.New, a.Secret)
	mac.Write([]byte("qrie session v1\x00" + text))
	return mac.Sum(nil)
}

func (a *authenticator) bySession(value string) (Principal, bool) {
	text, signature, ok := strings.Cut(value, ".")
	if !ok || len(value) > 1024 {
		return Principal{}, false
	}
	got, err := cookieText.DecodeString(signature)
	if err != nil || !hmac.Equal(got, a.sign(text)) {
		return Principal{}, false
	}
	payload, err := cookieText.DecodeString(text)
	if err != nil {
		return Principal{}, false
	}
	var s session
	if err := json.Unmarshal(payload, &s); err != nil {
		return Principal{}, false
	}
	role, err := ParseRole(s.Role)
	expires := time.Unix(s.Expires, 0).UTC()
	if err != nil || !a.now().Before(expires) {
		return Principal{}, false
	}
	return Principal{Name: "session " + s.ID, Role: role, Expires: expires, cookie: true}, true
}

// trade takes the login code, once.
func (a *authenticator) trade(code string) bool {
	want, got := sha256.Sum256([]byte(a.LoginCode)), sha256.Sum256([]byte(code))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.LoginCode == "" || a.used || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return false
	}
	a.used = true
	return true
}

// sameOrigin refuses writes that a browser sends for another site. Callers
// without a browser send neither header and no cookie.
func (a *authenticator) sameOrigin(r *http.Request, who Principal) *Problem {
	if safeMethod(r.Method) {
		return nil
	}
	if err := a.origin.Check(r); err != nil {
		return kindCrossOrigin.problem("a write must come from this server's own pages: Sec-Fetch-Site or Origin names another").because(err)
	}
	if who.cookie && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return kindCrossOrigin.problem("a write with a session cookie must carry Sec-Fetch-Site or Origin; programs use an API token instead")
	}
	return nil
}
