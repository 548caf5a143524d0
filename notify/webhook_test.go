package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var moment = time.Date(2026, 3, 18, 10, 30, 0, 0, time.UTC)

func frozen() time.Time { return moment }

// The secrets of the tests, and the keys that are in them.
var (
	oneKey, otherKey = []byte(strings.Repeat("a", 24)), []byte(strings.Repeat("b", 64))
	oneSecret        = "whsec_" + base64.StdEncoding.EncodeToString(oneKey)
	otherSecret      = "whsec_" + base64.StdEncoding.EncodeToString(otherKey)
)

func hook(t *testing.T, url, secret string) *Webhook {
	t.Helper()
	w, err := NewWebhook(WebhookOptions{URL: url, Secret: secret, Version: "1", Now: frozen})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A receiver verifies as Standard Webhooks 1.0 says: HMAC-SHA256 over
// id.timestamp.body, in base64, each signature after its version.
func verified(r *http.Request, body []byte, key []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for signature := range strings.SplitSeq(r.Header.Get("webhook-signature"), " ") {
		if hmac.Equal([]byte(signature), []byte(want)) {
			return true
		}
	}
	return false
}

func TestWebhookSignsWithEveryKey(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Webhook-Id") != "t_1" || r.Header.Get("Webhook-Timestamp") != "1773829800" {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
		if !verified(r, body, oneKey) || !verified(r, body, otherKey) || verified(r, body, []byte("not the key")) {
			t.Errorf("signature %q of %s", r.Header.Get("Webhook-Signature"), body)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer s.Close()
	status, err := hook(t, s.URL, oneSecret+" "+otherSecret).Send(t.Context(), "t_1", []byte(`{"a":1}`))
	if status != 202 || err != nil {
		t.Errorf("%d, %v", status, err)
	}
}

func TestWebhookTellsRefusals(t *testing.T) {
	for _, c := range []struct {
		name, retryAfter string
		status           int
		want             Refusal
	}{
		{"failing", "", 500, Refusal{Status: 500, Text: "no room here"}},
		{"seconds", "90", 429, Refusal{Status: 429, RetryAfter: 90 * time.Second, Text: "no room here"}},
		{"a date", moment.Add(time.Minute).Format(http.TimeFormat), 503, Refusal{Status: 503, RetryAfter: time.Minute, Text: "no room here"}},
		{"for ever", "99999999999999999999", 503, Refusal{Status: 503, Text: "no room here"}},
		{"a year", "31536000", 503, Refusal{Status: 503, RetryAfter: time.Hour, Text: "no room here"}},
		{"the past", moment.Add(-time.Minute).Format(http.TimeFormat), 503, Refusal{Status: 503, Text: "no room here"}},
		{"gone", "", 410, Refusal{Status: 410, Final: true, Text: "no room here"}},
		{"elsewhere", "", 302, Refusal{Status: 302, Text: "no room here"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				io.WriteString(w, "no\x00room\r\nhere")
			}))
			defer s.Close()
			_, err := hook(t, s.URL, oneSecret).Send(t.Context(), "t_1", []byte("{}"))
			var got *Refusal
			if !errors.As(err, &got) || *got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if asked != 1 {
				t.Errorf("asked %d times: a redirect carries findings to where nobody sent them", asked)
			}
		})
	}
}

// An address may hold a secret, as chat services' do.
func TestWebhookKeepsItsSecrets(t *testing.T) {
	s := httptest.NewServer(nil)
	address := s.URL + "/services/T0/very-secret?token=very-secret"
	s.Close() // nobody answers
	w := hook(t, address, oneSecret)
	_, err := w.Send(t.Context(), "t_1", []byte("{}"))
	if err == nil || strings.Contains(err.Error(), "very-secret") || strings.Contains(err.Error(), oneSecret) {
		t.Errorf("the error is %v", err)
	}
	if strings.Contains(w.Name(), "secret") {
		t.Errorf("the name is %s", w.Name())
	}
}

func TestWebhookRefusesWhatIsUnsafe(t *testing.T) {
	for name, o := range map[string]WebhookOptions{
		"not encrypted":   {URL: "http://hooks.example.com/x", Secret: oneSecret},
		"no URL":          {URL: "://", Secret: oneSecret},
		"no host":         {URL: "https:///x", Secret: oneSecret},
		"a file":          {URL: "file:///etc/passwd", Secret: oneSecret},
		"no secret":       {URL: "https://hooks.example.com"},
		"a weak secret":   {URL: "https://hooks.example.com", Secret: "whsec_c2hvcnQ="},
		"a password":      {URL: "https://hooks.example.com", Secret: "correct horse battery staple"},
		"a broken second": {URL: "https://hooks.example.com", Secret: oneSecret + " whsec_!"},
	} {
		if _, err := NewWebhook(o); err == nil || o.Secret != "" && strings.Contains(err.Error(), o.Secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"https://hooks.example.com/x", "http://127.0.0.1:9", "http://localhost/x", "http://[::1]/x"} {
		hook(t, url, oneSecret)
	}
}
