package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Webhook posts messages to an address and signs them as Standard Webhooks
// 1.0 says, so that receivers can use the libraries that exist for it.
type Webhook struct {
	address *url.URL
	keys    [][]byte
	client  *http.Client
	agent   string
	now     func() time.Time
}

// WebhookOptions are what a Webhook is made of. All but Transport are required.
type WebhookOptions struct {
	URL string // https, or http to this machine
	// Secret signs: "whsec_" and 24 to 64 bytes in base64. Two, separated by a
	// space, sign both while receivers change from one to the other.
	Secret    string
	Version   string            // of qrie, for the receiver's log
	Now       func() time.Time  // tells receivers when a message was sent
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// A receiver is to take a message and work on it afterwards.
const webhookTimeout = 15 * time.Second

// NewWebhook checks the options. Its errors do not repeat the secret.
func NewWebhook(o WebhookOptions) (*Webhook, error) {
	address, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, errors.New("the address of the webhook is no URL")
	case address.Host == "" || address.Scheme != "https" && address.Scheme != "http":
		return nil, errors.New("the address of the webhook must begin with https://")
	case address.Scheme == "http" && !loopback(address.Hostname()):
		return nil, fmt.Errorf("the webhook at %s is not encrypted: use https", address.Host)
	}
	w := &Webhook{address: address, agent: "qrie/" + o.Version, now: o.Now, client: &http.Client{
		Timeout: webhookTimeout, Transport: o.Transport,
		// A redirect would carry findings to where nobody sent them.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, secret := range strings.Fields(o.Secret) {
		encoded, ok := strings.CutPrefix(secret, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < 24 || len(key) > 64 {
			return nil, errors.New(`a webhook's secret is whsec_ and 24 to 64 random bytes in base64: echo "whsec_$(openssl rand -base64 32)" makes one`)
		}
		w.keys = append(w.keys, key)
	}
	if len(w.keys) == 0 {
		return nil, errors.New(`the webhook needs a secret that signs its messages: echo "whsec_$(openssl rand -base64 32)" makes one`)
	}
	return w, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Name implements Sink. It does not hold the address, which may be a secret.
func (w *Webhook) Name() string { return "webhook" }

// answerBytes is how much of a refusal is kept.
const answerBytes = 200

// Send implements Sink. Anything but 2xx is a refusal; 410 is final.
func (w *Webhook) Send(ctx context.Context, id string, payload []byte) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address.String(), bytes.NewReader(payload))
	if err != nil {
		return 0, errors.New("the address of the webhook is no URL")
	}
	sent := strconv.FormatInt(w.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.agent)
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", sent)
	req.Header.Set("Webhook-Signature", w.sign(id, sent, payload))
	answer, err := w.client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // the address may be a secret
		}
		return 0, fmt.Errorf("no answer from %s: %w", w.address.Host, err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, answerBytes)) // for people only
	if answer.StatusCode/100 == 2 {
		return answer.StatusCode, nil
	}
	return answer.StatusCode, &Refusal{Status: answer.StatusCode, RetryAfter: retryAfter(answer.Header.Get("Retry-After"), w.now()),
		Final: answer.StatusCode == http.StatusGone, Text: plain(text)}
}

// sign gives a signature for each key.
func (w *Webhook) sign(id, sent string, payload []byte) string {
	var signatures []string
	for _, key := range w.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + sent + "."))
		mac.Write(payload)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " ")
}

// maxRetryAfter bounds what a receiver may ask for.
const maxRetryAfter = time.Hour

// retryAfter reads the header: seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// plain is a text that disturbs no log.
func plain(text []byte) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(text), "?"), func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
}
