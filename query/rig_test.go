package query

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/store/local"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is a Wednesday.
var start = time.Date(2026, 3, 18, 10, 30, 0, 0, time.UTC)

// clock stands still until it is told.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// rig is a server over an embedded store.
type rig struct {
	t        *testing.T
	clock    *clock
	store    *local.Store
	policies *policies.Set
	server   *Server
	log      *syncBuffer
	started  []Task
	jobs     int // started in all
}

// counting is a reader of "random" bytes that gives the same ids every time.
type counting struct {
	mu sync.Mutex
	n  byte
}

func (c *counting) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range p {
		c.n++
		p[i] = c.n
	}
	return len(p), nil
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func testPolicies(t testing.TB) *policies.Set {
	t.Helper()
	set, err := policies.Load(os.DirFS("testdata/policies"))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// newRig opens an empty store behind a server without login.
func newRig(t *testing.T, changes ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{at: start}, policies: testPolicies(t), log: &syncBuffer{}}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "qrie.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	r.store, err = local.Open(t.Context(), db, local.Options{Now: r.clock.now, Secret: []byte("the secret of page tokens, for tests")})
	if err != nil {
		t.Fatal(err)
	}
	r.server = r.newServer(changes...)
	return r
}

// newServer makes another server over the same store.
func (r *rig) newServer(changes ...func(*Options)) *Server {
	r.t.Helper()
	o := Options{
		Store: r.store, Policies: r.policies, Auth: Auth{Disabled: true}, Version: "test",
		Now: r.clock.now, Random: &counting{}, Jitter: func() float64 { return 0.5 },
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
		UI: fstest.MapFS{
			"index.html":              {Data: []byte("<!doctype html><title>qrie</title>")},
			"assets/app-abc123.js":    {Data: []byte("console.log('plain')")},
			"assets/app-abc123.js.br": {Data: []byte("brotli")},
			"assets/app-abc123.js.gz": {Data: []byte("gzip")},
			"logo.svg":                {Data: []byte("<svg/>")},
		},
		Start: func(ctx context.Context, t Task) (store.Job, error) {
			r.started = append(r.started, t)
			r.jobs++
			j := store.Job{ID: fmt.Sprintf("job-%d", r.jobs), Kind: "inventory", Scope: "what was asked for", Reason: t.Reason, Started: r.clock.now()}
			if t.Policy != "" {
				j.Kind = "policy"
			}
			j = j.Begin("plan/0")
			return j, r.store.PutJob(ctx, j)
		},
	}
	for _, change := range changes {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// run does the background work of a server for the rest of the test.
func (r *rig) run(s *Server) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				r.t.Errorf("Run: %v", err)
			}
		})
	}
	r.t.Cleanup(stop)
	return stop
}

// answer is what came back.
type answer struct {
	*http.Response
	body []byte
}

// ask sends one request. body may be empty; headers are pairs.
func (r *rig) ask(method, path, body string, headers ...string) answer {
	r.t.Helper()
	return r.askServer(r.server, method, path, body, headers...)
}

func (r *rig) askServer(s *Server, method, path, body string, headers ...string) answer {
	r.t.Helper()
	req := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, req)
	res := rec.Result()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res, data}
}

// get reads JSON into a new T; any other status than 200 ends the test.
func get[T any](r *rig, path string) T {
	r.t.Helper()
	a := r.ask("GET", path, "")
	if a.StatusCode != http.StatusOK {
		r.t.Fatalf("GET %s: %d %s", path, a.StatusCode, a.body)
	}
	return decode[T](r.t, a)
}

func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("decode %s: %v", a.body, err)
	}
	return v
}

// problem asserts the status and the kind of a failure.
func (r *rig) problem(a answer, status int, name string) Problem {
	r.t.Helper()
	p := decode[Problem](r.t, a)
	if a.StatusCode != status || p.Status != status || p.Type != "/problems/"+name {
		r.t.Fatalf("got %d %s, want %d /problems/%s: %s", a.StatusCode, p.Type, status, name, a.body)
	}
	if got := a.Header.Get("Content-Type"); got != problemJSON {
		r.t.Errorf("Content-Type = %q, want %q", got, problemJSON)
	}
	if p.RequestID == "" || p.RequestID != a.Header.Get(headerRequestID) {
		r.t.Errorf("request_id = %q, header %q", p.RequestID, a.Header.Get(headerRequestID))
	}
	if p.Title == "" || p.Detail == "" || p.Instance == "" {
		r.t.Errorf("a problem lacks its title, detail or instance: %s", a.body)
	}
	return p
}

// golden compares indented JSON with a file in testdata.
func (r *rig) golden(name string, data []byte) {
	r.t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		r.t.Fatalf("%s is not JSON: %v: %s", name, err, data)
	}
	compareFile(r.t, filepath.Join("testdata", name+".golden.json"), b.Bytes())
}

func compareFile(t testing.TB, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale (-want +got): run the test with -update and read the difference\n%s", file, diff)
	}
}

var _ store.Store = (*local.Store)(nil)

// event is one CloudTrail event by Alice.
func event(id, name string, at time.Time) qrie.Event {
	return qrie.Event{
		ID: id, Name: name, Source: "s3.amazonaws.com", Account: "111122223333", Region: "eu-west-1",
		Time: at.Truncate(time.Second), Arrived: at.Add(2 * time.Second), SourceIP: "203.0.113.9", UserAgent: "aws-cli/2.17",
		Actor: qrie.Actor{Kind: qrie.ActorHuman, Name: "alice@example.com", Type: "AssumedRole", Account: "111122223333", Role: "Engineer", Via: "SSO", Tool: "CLI"},
	}
}
