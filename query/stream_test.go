package query

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
)

// sse is one event as a browser would see it.
type sse struct{ id, name, data string }

// listen opens the stream; events arrive on the channel until it ends.
func (r *rig) listen(base string, headers ...string) (events <-chan sse, status int, leave func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", base+"/api/v1/stream", nil)
	must(r.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	must(r.t, err)
	ch, done := make(chan sse, 100), make(chan struct{})
	go func() {
		defer close(done)
		defer close(ch)
		var e sse
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "":
				if e != (sse{}) {
					select {
					case ch <- e:
					case <-ctx.Done():
						return
					}
				}
				e = sse{}
			}
		}
	}()
	leave = func() { cancel(); _ = res.Body.Close(); <-done }
	r.t.Cleanup(leave)
	return ch, res.StatusCode, leave
}

func next(t *testing.T, events <-chan sse) sse {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			t.Fatal("the stream ended")
		}
		return e
	case <-time.After(5 * time.Second):
		t.Fatal("no event came")
	}
	return sse{}
}

// live is a rig that listens on a socket and reads changes often.
func live(t *testing.T, changes ...func(*Options)) (*rig, string, func()) {
	t.Helper()
	r := newWorld(t, changes...)
	r.server.hub.every = 5 * time.Millisecond
	stop := r.run(r.server)
	front := httptest.NewServer(r.server.Handler())
	t.Cleanup(func() { stop(); front.Close(); http.DefaultClient.CloseIdleConnections() })
	return r, front.URL, stop
}

// open makes a finding on a new bucket.
func (r *rig) open(name string) {
	r.t.Helper()
	at := r.clock.now()
	r.observe(refOf(r.t, "AWS::S3::Bucket", staging, "eu-west-1", name), at, openBucket,
		qrie.Cause{Attribution: qrie.AttributionExact, Events: []qrie.Event{event("e-"+name, "PutBucketAcl", at.Add(-time.Second))}})
}

func TestStream(t *testing.T) {
	r, base, stop := live(t)
	events, status, _ := r.listen(base)
	if status != 200 {
		t.Fatalf("status %d", status)
	}
	var hello Hello
	e := next(t, events)
	must(t, json.Unmarshal([]byte(e.data), &hello))
	if e.name != "hello" || hello.Version != "test" || hello.Newest == 0 {
		t.Fatalf("first event: %+v", e)
	}
	second, _, _ := r.listen(base)
	next(t, second)

	r.open("new-bucket")
	for _, events := range []<-chan sse{events, second} {
		policies := map[string]bool{}
		for range 2 { // it fails two policies
			e := next(t, events)
			var got Transition
			must(t, json.Unmarshal([]byte(e.data), &got))
			policies[got.Policy] = true
			if e.name != "transition" || e.id != fmt.Sprint(got.Seq) || got.Seq <= hello.Newest {
				t.Errorf("event %q with id %s: seq %d after %d", e.name, e.id, got.Seq, hello.Newest)
			}
			if got.Kind != qrie.Opened || got.AccountName != "staging" || got.PolicyTitle == "" || got.SeverityLabel == "" || got.Cause.Events[0].Actor.Name != "alice@example.com" {
				t.Errorf("transition: %+v", got)
			}
		}
		if len(policies) != 2 {
			t.Errorf("policies: %v", policies)
		}
	}
	// Shutting down ends the streams, so that the server can stop.
	stop()
	for range events {
	}
	for range second {
	}
	if a := r.ask("GET", "/api/v1/stream", ""); a.StatusCode != 503 {
		t.Errorf("after the end: %d", a.StatusCode)
	}
}

func TestStreamResumes(t *testing.T) {
	r, base, _ := live(t)
	newest := get[ChangeList](r, "/api/v1/changes").Newest
	r.open("a")
	r.open("b")
	events, _, leave := r.listen(base, "Last-Event-ID", fmt.Sprint(newest))
	if e := next(t, events); e.name != "hello" {
		t.Fatalf("first event: %+v", e)
	}
	for i := range int64(4) {
		if e := next(t, events); e.name != "transition" || e.id != fmt.Sprint(newest+1+i) {
			t.Errorf("event %d: %+v, want id %d", i, e, newest+1+i)
		}
	}
	r.open("c") // and goes on
	if e := next(t, events); e.id != fmt.Sprint(newest+5) {
		t.Errorf("the next is %+v, want id %d", e, newest+5)
	}
	leave()

	for _, tc := range []struct{ name, last string }{
		{"from the future", "999999"},
		{"too long ago", fmt.Sprint(newest + 6 - 2*maxReplay)},
	} {
		if strings.HasPrefix(tc.last, "-") {
			continue // this store is younger than the gap
		}
		events, _, leave := r.listen(base, "Last-Event-ID", tc.last)
		next(t, events)
		if e := next(t, events); e.name != "reset" {
			t.Errorf("%s: %+v, want a reset", tc.name, e)
		}
		leave()
	}
	r.problem(r.ask("GET", "/api/v1/stream", "", "Last-Event-ID", "soon"), 422, "invalid")
}

func TestGapTooWideResets(t *testing.T) {
	r := newWorld(t)
	rec := httptest.NewRecorder()
	out := eventWriter{w: rec, control: http.NewResponseController(rec)}
	must(t, r.server.greet(t.Context(), out, &client{from: 5000}, 5000-maxReplay-1, true))
	if !strings.Contains(rec.Body.String(), "event: reset\n") || !strings.Contains(rec.Body.String(), "id: 5000\n") {
		t.Errorf("got %s", rec.Body)
	}
}

func TestStreamHasALimit(t *testing.T) {
	r, base, _ := live(t, func(o *Options) { o.MaxStreams = 2 })
	_, _, leave := r.listen(base)
	r.listen(base)
	p := r.problem(r.ask("GET", "/api/v1/stream", ""), 503, "unavailable")
	if !strings.Contains(p.Detail, "/api/v1/changes") {
		t.Errorf("the problem does not tell another way: %s", p.Detail)
	}
	leave()
	deadline := time.Now().Add(5 * time.Second)
	for r.server.hub.listeners() > 1 {
		if time.Now().After(deadline) {
			t.Fatal("a client that left is still counted")
		}
		time.Sleep(time.Millisecond)
	}
	if _, status, _ := r.listen(base); status != 200 {
		t.Errorf("after one left: %d", status)
	}
}

// TestSlowClientIsCutOff: it does not hold up the others, and learns of it.
func TestSlowClientIsCutOff(t *testing.T) {
	r := newWorld(t)
	h := r.server.hub
	slow, err := h.join(t.Context())
	must(t, err)
	quick, err := h.join(t.Context())
	must(t, err)
	var got int64
	for i := range int64(clientBuffer + 10) {
		after := h.position
		h.publish(after, []qrie.Transition{{Seq: after + 1}}, [][]byte{[]byte("{}")})
		m := <-quick.messages
		if m.seq != after+1 {
			t.Fatalf("message %d has seq %d, want %d", i, m.seq, after+1)
		}
		got++
	}
	n := 0
	for range slow.messages {
		n++
	}
	if n != clientBuffer || !slow.overrun || quick.overrun {
		t.Errorf("the slow client got %d of %d, overrun %v; the quick one %d, overrun %v", n, clientBuffer, slow.overrun, got, quick.overrun)
	}
	h.leave(slow) // once more does no harm
	h.leave(quick)
}

// TestNobodyListensNobodyReads: an idle server leaves the store alone.
func TestNobodyListensNobodyReads(t *testing.T) {
	r, base, _ := live(t)
	r.open("unseen")
	events, _, leave := r.listen(base)
	next(t, events)
	r.open("seen")
	var got Transition
	must(t, json.Unmarshal([]byte(next(t, events).data), &got))
	if got.ResourceName != "seen" {
		t.Errorf("the first transition is of %s: what happened before the hello must not come", got.ResourceName)
	}
	leave()
}

func TestStreamNeedsAViewerAndEndsWithTheToken(t *testing.T) {
	r, base, _ := live(t, withLogin)
	r.problem(r.ask("GET", "/api/v1/stream", ""), 401, "unauthorized")
	token := r.token(Viewer, 50*time.Millisecond) // the clock stands still; the stream's time does not
	events, status, _ := r.listen(base, "Authorization", "Bearer "+token)
	if status != 200 {
		t.Fatalf("status %d", status)
	}
	next(t, events)
	select {
	case _, open := <-events:
		if open {
			t.Error("an event came")
		}
	case <-time.After(5 * time.Second):
		t.Error("the stream outlives its token")
	}
}

func TestStreamIsNotCompressed(t *testing.T) {
	r, base, _ := live(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/api/v1/stream", nil)
	must(t, err)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	for name, want := range map[string]string{"Content-Encoding": "", "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no", "Cache-Control": "no-store"} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	_ = r
}
