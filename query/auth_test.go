package query

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/store"
)

const loginCode = "correct-horse-battery"

func withLogin(o *Options) {
	o.Auth = Auth{Secret: []byte("0123456789abcdef0123456789abcdef"), LoginCode: loginCode}
}

// token stores an API token and returns its text.
func (r *rig) token(role Role, age time.Duration) string {
	r.t.Helper()
	text, token, err := NewToken(rand.Reader, "of a test", role, r.clock.now(), age)
	must(r.t, err)
	must(r.t, r.store.PutToken(r.t.Context(), token))
	return text
}

func TestEveryRouteAsksForItsRole(t *testing.T) {
	r := newWorld(t, withLogin, withDemo)
	r.run(r.server)
	tokens := map[Role]string{}
	for role := Viewer; role <= Admin; role++ {
		tokens[role] = r.token(role, time.Hour)
	}
	for _, route := range routes() {
		if route.id == "stream" || route.id == "metrics" {
			continue // they have tests of their own
		}
		t.Run(route.id, func(t *testing.T) {
			r := &rig{t: t, server: r.server}
			path := strings.NewReplacer("{id}", "x", "{version}", "1").Replace(route.path)
			// Refused before anything else is looked at: the body is nonsense.
			a := r.ask(route.method, path, "{", "X-Forwarded-For", "203.0.113.1")
			if route.role == Open {
				if a.StatusCode == 401 || a.StatusCode == 403 {
					t.Errorf("an open route answers %d", a.StatusCode)
				}
				return
			}
			r.problem(a, 401, "unauthorized")
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate = %q", a.Header.Get("WWW-Authenticate"))
			}
			for role := Viewer; role <= Admin; role++ {
				a := r.ask(route.method, path, "", "Authorization", "Bearer "+tokens[role])
				if role < route.role {
					p := r.problem(a, 403, "forbidden")
					if !strings.Contains(p.Detail, route.role.String()) {
						t.Errorf("the problem does not name the role %s: %s", route.role, p.Detail)
					}
				} else if a.StatusCode == 401 || a.StatusCode == 403 {
					t.Errorf("%s is refused: %s", role, a.body)
				}
			}
		})
	}
}

func TestWritesNeedMoreThanAViewer(t *testing.T) {
	for _, r := range routes() {
		if !safeMethod(r.method) && r.role < PolicyAuthor && r.id != "login" && r.id != "logout" {
			t.Errorf("%s %s may be called by %s", r.method, r.path, r.role)
		}
	}
}

func TestTokens(t *testing.T) {
	r := newRig(t, withLogin)
	good := r.token(Viewer, time.Hour)
	stranger, _, err := NewToken(rand.Reader, "not stored", Admin, start, time.Hour)
	must(t, err)
	id, secret, _ := splitToken(good)
	for _, tc := range []struct {
		name, header string
		status       int
	}{
		{"good", "Bearer " + good, 200},
		{"scheme in other letters", "bearer " + good, 200},
		{"not stored", "Bearer " + stranger, 401},
		{"another id before the secret", "Bearer qrie_aaaaaaaa_" + secret, 401},
		{"another secret behind the id", "Bearer qrie_" + id + "_" + strings.Repeat("a", len(secret)), 401},
		{"no secret", "Bearer qrie_" + id + "_", 401},
		{"no prefix", "Bearer " + id + "_" + secret, 401},
		{"basic", "Basic cXJpZTpxcmll", 401},
		{"nothing", "Bearer", 401},
		{"very long", "Bearer qrie_" + strings.Repeat("a", 5000), 401},
	} {
		if a := r.ask("GET", "/api/v1/accounts", "", "Authorization", tc.header); a.StatusCode != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, a.StatusCode, tc.status)
		}
	}
	r.clock.advance(time.Hour)
	if a := r.ask("GET", "/api/v1/accounts", "", "Authorization", "Bearer "+good); a.StatusCode != 401 {
		t.Errorf("an expired token: %d", a.StatusCode)
	}
	list, err := r.store.ListTokens(t.Context())
	must(t, err)
	for _, stored := range list {
		if strings.Contains(stored.Hash+stored.ID+stored.Name, secret) {
			t.Error("the secret is stored")
		}
	}
}

func TestNewTokenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, title string
		role        Role
		age         time.Duration
	}{
		{"no role", "a", Open, time.Hour}, {"unknown role", "a", Admin + 1, time.Hour},
		{"no age", "a", Viewer, 0}, {"too old", "a", Viewer, MaxTokenAge + 1},
		{"no name", "", Viewer, time.Hour}, {"long name", strings.Repeat("a", 101), Viewer, time.Hour},
	} {
		if text, token, err := NewToken(rand.Reader, tc.title, tc.role, start, tc.age); err == nil || text != "" || token != (store.Token{}) {
			t.Errorf("%s: got %q, %v", tc.name, text, err)
		}
	}
}

func TestLogin(t *testing.T) {
	r := newRig(t, withLogin)
	if m := get[Meta](r, "/api/v1/meta"); !m.Login || m.Role != "" {
		t.Errorf("before: login %v, role %q", m.Login, m.Role)
	}
	r.problem(r.ask("POST", "/api/v1/login", `{"code":"a guess"}`), 401, "unauthorized")
	a := r.ask("POST", "/api/v1/login", `{"code":"`+loginCode+`"}`)
	if a.StatusCode != 204 || len(a.body) != 0 {
		t.Fatalf("login: %d %s", a.StatusCode, a.body)
	}
	c := a.Cookies()[0]
	if c.Name != "qrie_session" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure || c.Path != "/" || c.MaxAge != 12*3600 {
		t.Errorf("cookie: %+v", c)
	}
	cookie := c.Name + "=" + c.Value
	m := decode[Meta](t, r.ask("GET", "/api/v1/meta", "", "Cookie", cookie))
	if m.Login || m.Role != "admin" {
		t.Errorf("after: login %v, role %q", m.Login, m.Role)
	}
	// The code is good for one login.
	r.problem(r.ask("POST", "/api/v1/login", `{"code":"`+loginCode+`"}`), 401, "unauthorized")

	// The cookie outlives the server, but not its secret, its time or a change.
	again := r.newServer(withLogin)
	if a := r.askServer(again, "GET", "/api/v1/accounts", "", "Cookie", cookie); a.StatusCode != 200 {
		t.Errorf("after a restart: %d", a.StatusCode)
	}
	other := r.newServer(withLogin, func(o *Options) { o.Auth.Secret = []byte("another secret of thirty-two bytes") })
	if a := r.askServer(other, "GET", "/api/v1/accounts", "", "Cookie", cookie); a.StatusCode != 401 {
		t.Errorf("with another secret: %d", a.StatusCode)
	}
	for i := range c.Value {
		changed := []byte(c.Value)
		changed[i] ^= 1
		if _, ok := r.server.auth.bySession(string(changed)); ok {
			t.Errorf("a session is valid with byte %d changed", i)
		}
	}
	r.clock.advance(12 * time.Hour)
	if a := r.ask("GET", "/api/v1/accounts", "", "Cookie", cookie); a.StatusCode != 401 {
		t.Errorf("after twelve hours: %d", a.StatusCode)
	}
	if a := r.ask("POST", "/api/v1/logout", ""); a.StatusCode != 204 || a.Cookies()[0].MaxAge >= 0 {
		t.Errorf("logout: %d, %v", a.StatusCode, a.Cookies())
	}
}

func TestCookieIsSecureBehindTLS(t *testing.T) {
	r := newRig(t, withLogin, func(o *Options) { o.Auth.Secure = true })
	a := r.ask("POST", "/api/v1/login", `{"code":"`+loginCode+`"}`)
	if len(a.Cookies()) != 1 || !a.Cookies()[0].Secure {
		t.Errorf("cookies: %v", a.Cookies())
	}
	if a.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

func TestLoginsAreLimited(t *testing.T) {
	r := newRig(t, withLogin)
	limited := 0
	for range 20 {
		if a := r.ask("POST", "/api/v1/login", `{"code":"guess"}`); a.StatusCode == 429 {
			limited++
			if a.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
		}
	}
	if limited != 15 {
		t.Errorf("%d of 20 guesses were refused for being too many, want 15", limited)
	}
	r.clock.advance(time.Minute)
	if a := r.ask("POST", "/api/v1/login", `{"code":"`+loginCode+`"}`); a.StatusCode != 204 {
		t.Errorf("after a minute: %d", a.StatusCode)
	}
}

func TestOtherSitesCannotWrite(t *testing.T) {
	open := newWorld(t)
	locked := newRig(t, withLogin)
	c := locked.ask("POST", "/api/v1/login", `{"code":"`+loginCode+`"}`).Cookies()[0]
	cookie := c.Name + "=" + c.Value
	token := "Bearer " + locked.token(Admin, time.Hour)
	for _, tc := range []struct {
		name    string
		r       *rig
		headers []string
		refused bool
	}{
		{"no login, a program", open, nil, false},
		{"no login, own page", open, []string{"Sec-Fetch-Site", "same-origin"}, false},
		{"no login, another site", open, []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"no login, another port of this machine", open, []string{"Sec-Fetch-Site", "same-site", "Origin", "http://localhost:9999"}, true},
		{"no login, old browser, another site", open, []string{"Origin", "https://evil.example"}, true},
		{"cookie, own page", locked, []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, false},
		{"cookie, typed address", locked, []string{"Cookie", cookie, "Sec-Fetch-Site", "none"}, false},
		{"cookie, old browser, own page", locked, []string{"Cookie", cookie, "Origin", "http://localhost"}, false},
		{"cookie, another site", locked, []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, true},
		{"cookie, no word of the origin", locked, []string{"Cookie", cookie}, true},
		{"cookie, origin that is no origin", locked, []string{"Cookie", cookie, "Origin", "null"}, true},
		{"token, a program", locked, []string{"Authorization", token}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := tc.r.ask("PUT", "/api/v1/policies/S3BucketListed", `{"status":"active"}`, tc.headers...)
			if tc.refused {
				(&rig{t: t}).problem(a, 403, "cross-origin")
			} else if a.StatusCode == 403 {
				t.Errorf("refused: %s", a.body)
			}
		})
	}
	if a := open.ask("GET", "/api/v1/accounts", "", "Sec-Fetch-Site", "cross-site"); a.StatusCode != 200 {
		t.Errorf("a read from a link on another site: %d", a.StatusCode)
	}
}

func TestHostNames(t *testing.T) {
	open, locked := newRig(t), newRig(t, withLogin)
	for _, tc := range []struct {
		host string
		ok   bool
	}{
		{"localhost", true}, {"localhost:8080", true}, {"LocalHost:8080", true}, {"127.0.0.1:8080", true}, {"[::1]:8080", true}, {"[::1]", true},
		{"evil.example", false}, {"localhost.evil.example", false}, {"127.0.0.1.evil.example:80", false}, {"10.0.0.7:8080", false}, {"", false},
	} {
		for _, path := range []string{"/api/v1/accounts", "/", "/metrics"} {
			a := open.ask("GET", path, "", "Host", tc.host)
			if got := a.StatusCode != 421; got != tc.ok {
				t.Errorf("Host %q, %s: %d", tc.host, path, a.StatusCode)
			}
		}
		if a := locked.ask("GET", "/healthz", "", "Host", tc.host); a.StatusCode != 200 {
			t.Errorf("with login, Host %q: %d", tc.host, a.StatusCode)
		}
	}
}

func TestAuthOptions(t *testing.T) {
	for _, tc := range []struct {
		name string
		auth Auth
		want string
	}{
		{"nothing", Auth{}, "Auth.Secret has 0 bytes"},
		{"short secret", Auth{Secret: make([]byte, 31)}, "needs 32"},
		{"short code", Auth{Secret: make([]byte, 32), LoginCode: "1234"}, "Auth.LoginCode"},
		{"both", Auth{Disabled: true, LoginCode: loginCode}, "exclude each other"},
	} {
		if err := tc.auth.check(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q in it", tc.name, err, tc.want)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("New without a store is no error")
	}
}

func FuzzSession(f *testing.F) {
	a := newAuthenticator(Auth{Secret: []byte("0123456789abcdef0123456789abcdef")}, nil, func() time.Time { return start }, nil)
	sealed := a.seal(session{ID: "1", Role: "admin", Expires: start.Add(time.Hour).Unix()})
	f.Add(sealed)
	f.Add(".")
	f.Add("e30.e30")
	f.Fuzz(func(t *testing.T, value string) {
		if who, ok := a.bySession(value); ok && value != sealed {
			t.Errorf("%q is a session of %v that was never sealed", value, who)
		}
	})
}
