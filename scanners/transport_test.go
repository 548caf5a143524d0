package scanners

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qrie-sec/qrie"
)

func body(s string) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(s))}
}

func get(t *testing.T, ctx context.Context) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://ec2.eu-west-1.amazonaws.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTransportBoundsTheAnswer(t *testing.T) {
	f := func(size int, tooLarge bool) {
		t.Helper()
		tr := newTransport(doFunc(func(*http.Request) (*http.Response, error) { return body(strings.Repeat("x", size)), nil }), 1)
		tr.max = 1000
		resp, err := tr.Do(get(t, context.Background()))
		var large *tooLargeError
		if errors.As(err, &large) != tooLarge {
			t.Fatalf("%d bytes: error %v", size, err)
		}
		if tooLarge {
			if kindOf(err) != qrie.Invalid {
				t.Errorf("kind %s: trying again cannot help", kindOf(err))
			}
			return
		}
		if b, err := io.ReadAll(resp.Body); err != nil || len(b) != size {
			t.Errorf("read %d bytes of %d, error %v", len(b), size, err)
		}
	}
	f(0, false)
	f(1000, false)
	f(1001, true)
}

func TestTooLargeAnswersAreNotAskedForAgain(t *testing.T) {
	asked := 0
	p := &replay{t: t}
	s := newTestScanner(doFunc(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Host, "sts.") {
			return p.Do(r)
		}
		asked++
		resp := body("")
		resp.Body = io.NopCloser(readFunc(func(b []byte) (int, error) { return len(b), nil }))
		return resp, nil
	}))
	_, err := s.Describe(context.Background(), anaRef)
	wantFault(t, err, qrie.Invalid, "AnswerTooLarge")
	if asked != 1 {
		t.Errorf("asked %d times, want 1", asked)
	}
}

func TestTransportBoundsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTransport(doFunc(func(r *http.Request) (*http.Response, error) {
			// The headers come at once and the body never.
			resp := body("")
			resp.Body = io.NopCloser(readFunc(func([]byte) (int, error) { <-r.Context().Done(); return 0, r.Context().Err() }))
			return resp, nil
		}), 1)
		start := time.Now()
		_, err := tr.Do(get(t, context.Background()))
		if took := time.Since(start); took != callTimeout || kindOf(err) != qrie.Transient || codeOf(err) != "Timeout" {
			t.Errorf("after %s: %v (%s, %s)", took, err, kindOf(err), codeOf(err))
		}
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

func TestTransportBoundsTheNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, most := make(chan struct{}, 100), 0
		tr := newTransport(doFunc(func(*http.Request) (*http.Response, error) {
			running <- struct{}{}
			time.Sleep(time.Second)
			most = max(most, len(running))
			<-running
			return body("ok"), nil
		}), 3)
		done := make(chan error, 100)
		for range 10 {
			go func() { _, err := tr.Do(get(t, context.Background())); done <- err }()
		}
		// One that gives up while it waits.
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		synctest.Wait()
		if _, err := tr.Do(get(t, ctx)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the caller's deadline", err)
		}
		for range 10 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if most != 3 {
			t.Errorf("%d requests ran at once, want 3", most)
		}
	})
}

func TestLRU(t *testing.T) {
	l := newLRU[int, string](2)
	made := 0
	get := func(k int) string {
		return l.get(k, func() string { made++; return fmt.Sprint(k) })
	}
	for _, k := range []int{1, 2, 1, 3, 1} { // 3 pushes 2 out
		if got := get(k); got != fmt.Sprint(k) {
			t.Errorf("get %d: %q", k, got)
		}
	}
	if made != 3 {
		t.Errorf("made %d values, want 3", made)
	}
	if get(2); made != 4 || len(l.items) != 2 || l.order.Len() != 2 {
		t.Errorf("made %d, kept %d and %d", made, len(l.items), l.order.Len())
	}
}
