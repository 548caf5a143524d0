package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A transition is told to the webhook, signed, with a link to its finding.
func TestWebhookIsTold(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	type told struct {
		ID, Type string
		URL      string
		Status   int
	}
	var mu sync.Mutex
	var all []told
	refusing := true
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
		if got, want := r.Header.Get("webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("signature %q, want %q", got, want)
		}
		var m struct {
			Type string
			Data struct{ ID, URL string }
		}
		if err := json.Unmarshal(body, &m); err != nil || m.Data.ID != r.Header.Get("webhook-id") {
			t.Errorf("message %s: %v", body, err)
		}
		mu.Lock()
		defer mu.Unlock()
		status := http.StatusAccepted
		if refusing {
			status = http.StatusGone // never again: it is dead at once
		}
		all = append(all, told{m.Data.ID, m.Type, m.Data.URL, status})
		w.WriteHeader(status)
	}))
	defer hook.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("whsec_"+base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := onDiskSite(t)
	p := start(t, at, "--demo-rate", "0", "--webhook-url", hook.URL, "--webhook-secret-file", secret, "--public-url", "https://qrie.example.com")
	p.inventoried()
	dead := func() string {
		_, list, _ := call(t, "", slices.Concat([]string{"deliveries", "list", "--state", "dead"}, at)...)
		return list
	}
	eventually(t, 20*time.Second, "what is refused for good is given up", func() bool { return strings.Contains(dead(), "webhook/t_") })
	mu.Lock()
	refusing = false
	first := all[0]
	mu.Unlock()
	if first.Type != "finding.opened" || !strings.HasPrefix(first.URL, "https://qrie.example.com/findings/f_") {
		t.Errorf("told %+v", first)
	}
	if code, out, errOut := call(t, "", slices.Concat([]string{"deliveries", "show", "webhook/" + first.ID}, at)...); code != 0 || !strings.Contains(out, first.ID) {
		t.Errorf("show: exit %d, %s%s", code, out, errOut)
	}
	eventually(t, 20*time.Second, "it arrives when it is replayed", func() bool {
		// Those that are refused meanwhile come to the dead later.
		call(t, "", slices.Concat([]string{"deliveries", "replay", "--all"}, at)...)
		mu.Lock()
		defer mu.Unlock()
		return slices.ContainsFunc(all, func(m told) bool { return m.ID == first.ID && m.Status == http.StatusAccepted })
	})
	p.stop()
}

func TestWebhookNeedsASecret(t *testing.T) {
	for name, args := range map[string][]string{
		"no secret":     {"--webhook-url", "https://hooks.example.com/x"},
		"no encryption": {"--webhook-url", "http://hooks.example.com/x"},
		"no address":    {"--webhook-secret-file", "/dev/null"},
	} {
		code, _, errOut := call(t, "", slices.Concat([]string{"up", "--demo", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, args)...)
		if code != 2 || !strings.Contains(errOut, "webhook") {
			t.Errorf("%s: exit %d, %s", name, code, errOut)
		}
	}
}
