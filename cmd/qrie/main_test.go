package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/sim"
)

// asProgram makes the test binary behave as qrie, so that tests can start, stop
// and kill the real program.
const asProgram = "QRIE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a running qrie.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	base   string // of its HTTP server
	client *http.Client
	log    *bytes.Buffer
}

// start runs 'qrie up --demo' and waits for its address.
func start(t *testing.T, at site, args ...string) *process {
	t.Helper()
	return launch(t, slices.Concat([]string{"up", "--demo", "--listen", "127.0.0.1:0", "--demo-accounts", "4", "--demo-resources", "200"}, at, args)...)
}

// site is where a test has its stream and store, as flags.
type site []string

// onDiskSite is a new data directory.
func onDiskSite(t *testing.T) site { return site{"--data", t.TempDir()} }

// data is the data directory.
func (s site) data() string { return s[slices.Index(s, "--data")+1] }

// onEachSite runs a test on every pair of adapters that there are servers for.
func onEachSite(t *testing.T, test func(t *testing.T, at site)) {
	t.Run("local", func(t *testing.T) { test(t, onDiskSite(t)) })
	for name, open := range remoteSites {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// launch runs qrie with the arguments given and waits for its address.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return launchUntil(t, "dashboard   ", args...)
}

// launchUntil runs qrie and waits for the line in which an address follows some
// words.
func launchUntil(t *testing.T, words string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), client: http.DefaultClient, log: &bytes.Buffer{}}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("log of qrie:\n%s", p.log)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), words); ok {
			p.base = strings.TrimSuffix(strings.TrimSpace(url), "/")
			go io.Copy(io.Discard, out) // ends with the process
			return p
		}
	}
	t.Fatalf("qrie ended before it told its address: %v\n%s", p.cmd.Wait(), p.log)
	return nil
}

// stop asks the process to end and expects it to do so cleanly.
func (p *process) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("qrie did not stop cleanly: %v\n%s", err, p.log)
	}
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (p *process) do(method, path string, body, into any) int {
	p.t.Helper()
	var r io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, r)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", p.base) // as the dashboard's own page
	resp, err := p.client.Do(req)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.log)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	switch v := into.(type) {
	case nil:
	case *string:
		*v = string(text)
	default:
		if err := json.Unmarshal(text, v); err != nil {
			p.t.Fatalf("%s %s answers %s", method, path, text)
		}
	}
	return resp.StatusCode
}

// eventually polls until f is true.
func eventually(t *testing.T, within time.Duration, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

type findingAnswer struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Policy   string `json:"policy"`
	Reopened int    `json:"reopened"`
	Cause    struct {
		Attribution string `json:"attribution"`
		Events      []struct {
			ID    string `json:"id"`
			Name  string `json:"name"`
			Actor struct {
				Name string `json:"name"`
			} `json:"actor"`
		} `json:"events"`
	} `json:"cause"`
	Timeline []struct {
		ID   string `json:"id"`
		Kind string `json:"kind"`
	} `json:"timeline"`
}

// inventoried waits until the first inventory is listed and all of it is read.
func (p *process) inventoried() {
	p.t.Helper()
	p.listed()
	eventually(p.t, time.Minute, "all that was listed is read", func() bool {
		var system struct {
			Stream struct {
				Shards []struct {
					Behind int64   `json:"behind"`
					Lag    float64 `json:"lag_seconds"`
				} `json:"shards"`
			} `json:"stream"`
		}
		p.do("GET", "/api/v1/system", nil, &system)
		for _, s := range system.Stream.Shards {
			if s.Behind > 0 || s.Lag > 0 { // Kinesis cannot tell how many
				return false
			}
		}
		return len(system.Stream.Shards) > 0
	})
}

// listed waits until the first inventory has listed every resource.
func (p *process) listed() {
	p.t.Helper()
	eventually(p.t, time.Minute, "the first inventory is done", func() bool {
		var jobs struct {
			Jobs []struct {
				State string `json:"state"`
			} `json:"jobs"`
		}
		p.do("GET", "/api/v1/jobs?kind=inventory", nil, &jobs)
		return len(jobs.Jobs) > 0 && jobs.Jobs[0].State == "done"
	})
}

// As a new user would: change something, see who did it, undo it.
func TestChangeIsSeenWithItsCause(t *testing.T) { onEachSite(t, changeIsSeenWithItsCause) }

func changeIsSeenWithItsCause(t *testing.T, at site) {
	p := start(t, at, "--demo-rate", "0")
	p.inventoried()
	var made struct {
		ARN        string `json:"arn"`
		ResourceID string `json:"resource_id"`
		EventID    string `json:"event_id"`
		EventName  string `json:"event_name"`
		Actor      string `json:"actor"`
	}
	if status := p.do("POST", "/api/v1/demo/changes", map[string]string{"id": "bucket-public"}, &made); status != 200 {
		t.Fatalf("change: status %d", status)
	}
	var list struct {
		Findings []findingAnswer `json:"findings"`
	}
	eventually(t, 10*time.Second, "the finding is there", func() bool {
		p.do("GET", "/api/v1/findings?state=ACTIVE&policy=S3BucketPublic&resource="+made.ResourceID, nil, &list)
		return len(list.Findings) == 1
	})
	f := list.Findings[0]
	if f.Cause.Attribution != "exact" || len(f.Cause.Events) != 1 || f.Cause.Events[0].ID != made.EventID ||
		f.Cause.Events[0].Name != made.EventName || f.Cause.Events[0].Actor.Name != made.Actor {
		t.Errorf("cause is %+v, want %+v", f.Cause, made)
	}
	p.do("POST", "/api/v1/demo/changes", map[string]string{"id": "bucket-private", "arn": made.ARN}, nil)
	eventually(t, 10*time.Second, "the finding is resolved", func() bool {
		p.do("GET", "/api/v1/findings/"+f.ID, nil, &f)
		return f.State == "RESOLVED"
	})
	if len(f.Timeline) != 2 {
		t.Errorf("timeline %+v, want opened and resolved", f.Timeline)
	}
	p.stop()
}

func TestPolicyLifecycleOverHTTP(t *testing.T) { onEachSite(t, policyLifecycleOverHTTP) }

func policyLifecycleOverHTTP(t *testing.T, at site) {
	p := start(t, at, "--demo-rate", "0")
	p.inventoried()
	const path = "/api/v1/policies/S3BucketVersioningDisabled"
	type policy struct {
		Status     string `json:"status"`
		Generation int64  `json:"generation"`
		Open       int64  `json:"open_findings"`
		Failing    int64  `json:"failing"`
	}
	get := func() (v policy) { p.do("GET", path, nil, &v); return v }
	before := get()
	if before.Status != "active" || before.Open == 0 {
		t.Fatalf("the demo begins with %+v", before)
	}
	with := func(method string, body any, generation int64) (int, map[string]any) {
		t.Helper()
		text, _ := json.Marshal(body)
		req, err := http.NewRequestWithContext(t.Context(), method, p.base+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("If-Match", fmt.Sprintf("%q", "g"+strconv.FormatInt(generation, 10)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, out
	}
	if code, out := with("PUT", map[string]any{"status": "suspended"}, before.Generation); code != 200 {
		t.Fatalf("suspend: %d %v", code, out)
	}
	suspended := get()
	if suspended.Status != "suspended" || suspended.Open != before.Open {
		t.Errorf("suspended: %+v, want the findings kept", suspended)
	}
	if code, _ := with("DELETE", nil, before.Generation); code != 412 {
		t.Errorf("delete of an old generation: %d, want 412", code)
	}
	code, out := with("DELETE", nil, suspended.Generation)
	if code != 200 || out["findings_deleted"] != float64(before.Open) {
		t.Errorf("delete: %d %v, want %d findings", code, out, before.Open)
	}
	if gone := get(); gone.Status != "available" || gone.Open != 0 {
		t.Errorf("deleted: %+v", gone)
	}
	purge := slices.Concat([]string{"policy", "purge", "S3BucketVersioningDisabled"}, at)
	if code, out, errOut := call(t, "", purge...); code != exitOK || !strings.Contains(out, "forgotten") {
		t.Errorf("purge: exit %d, %q, %q", code, out, errOut)
	}
	if code := p.do("POST", "/api/v1/policies", map[string]any{"policy_id": "S3BucketVersioningDisabled"}, nil); code != 201 {
		t.Fatalf("launch: %d", code)
	}
	if code, _, errOut := call(t, "", purge...); code != exitConflict || !strings.Contains(errOut, "delete the launch first") {
		t.Errorf("purge of a launched policy: exit %d, %q; want %d", code, errOut, exitConflict)
	}
	eventually(t, 20*time.Second, "launching finds the same again", func() bool { return get().Open == before.Open })
	p.stop()
}

// Killed again and again while the organisation changes, qrie ends with the
// findings of the world as it is, none missing and none doubled.
func TestKilledAndStartedAgain(t *testing.T) { onEachSite(t, killedAndStartedAgain) }

func killedAndStartedAgain(t *testing.T, at site) {
	for i := range 3 {
		p := start(t, at, "--demo-rate", "1200")
		if i == 0 {
			p.listed()
		}
		time.Sleep(2*time.Second + time.Duration(i)*700*time.Millisecond)
		p.kill()
	}
	p := start(t, at, "--demo-rate", "0")
	time.Sleep(2 * time.Second)

	journal, err := os.Open(filepath.Join(at.data(), "demo.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	w, _, err := sim.Open(readOnly{journal}, sim.Options{Faults: sim.DemoFaults()})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, e := range w.Expect() {
		want[e.Ref.FindingID(e.Policy)] = true
	}
	var last string
	eventually(t, 90*time.Second, "the findings are those of the world", func() bool {
		got := p.activeFindings()
		last = difference(got, want)
		return last == ""
	})
	p.stop()

	p = start(t, at, "--demo-rate", "0")
	if d := difference(p.activeFindings(), want); d != "" {
		t.Errorf("after another start: %s", d)
	}
	p.stop()
}

// readOnly lets a journal be read without being written.
type readOnly struct{ io.Reader }

func (readOnly) Write(b []byte) (int, error) { return len(b), nil }

func (p *process) activeFindings() map[string]bool {
	p.t.Helper()
	got := map[string]bool{}
	path := "/api/v1/findings?state=ACTIVE&page_size=500"
	for next := path; next != ""; {
		var page struct {
			Findings []findingAnswer `json:"findings"`
			Next     string          `json:"next_token"`
		}
		p.do("GET", next, nil, &page)
		for _, f := range page.Findings {
			if got[f.ID] {
				p.t.Errorf("finding %s is listed twice", f.ID)
			}
			got[f.ID] = true
		}
		next = ""
		if page.Next != "" {
			next = path + "&next_token=" + page.Next
		}
	}
	return got
}

func difference(got, want map[string]bool) string {
	missing, extra := 0, 0
	for id := range want {
		if !got[id] {
			missing++
		}
	}
	for id := range got {
		if !want[id] {
			extra++
		}
	}
	if missing+extra == 0 {
		return ""
	}
	return fmt.Sprintf("%d findings are missing and %d should not be", missing, extra)
}

// Every record that is replayed is accounted for: marked, dropped with a
// reason, or a dead letter.
func TestReplayAccountsForEveryRecord(t *testing.T) { onEachSite(t, replayAccountsForEveryRecord) }

func replayAccountsForEveryRecord(t *testing.T, at site) {
	p := start(t, at, "--demo-rate", "0")
	p.inventoried()
	accounts := 0
	var list []struct {
		ID string `json:"account_id"`
	}
	p.do("GET", "/api/v1/accounts", nil, &list)
	accounts = len(list)
	if accounts == 0 {
		t.Fatal("the demo has no accounts")
	}
	record := func(account, name string) string {
		return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","userName":"ann","accountId":%q},"eventTime":"2026-11-01T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":%q,"awsRegion":"us-east-1","requestParameters":{"bucketName":"nobody-has-this-bucket"},"responseElements":null,"readOnly":false,"eventID":%q,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":%q}`,
			account, name, randomID(8), account)
	}
	var lines []string
	for range 700 {
		lines = append(lines, record(list[0].ID, "PutBucketPolicy"))
	}
	for range 50 {
		lines = append(lines, record("999999999999", "PutBucketPolicy"), record(list[0].ID, "PutSomethingNew"), `{"eventVersion":"1.11","eventName":7}`)
	}
	file := filepath.Join(t.TempDir(), "trail.ndjson")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	before := p.outcomes()
	var out, errOut bytes.Buffer
	if code := run(t.Context(), slices.Concat([]string{"replay", file}, at), nil, &out, &errOut); code != 0 {
		t.Fatalf("replay: exit %d, %s", code, errOut.String())
	}
	if want := fmt.Sprintf("published %d records of 1 file(s)\n", len(lines)); out.String() != want {
		t.Errorf("replay says %q, want %q", out.String(), want)
	}
	want := map[string]float64{"marked": 700, "dropped_unknown_account": 50, "dropped_unknown_event": 50, "dead_letter": 50}
	var got map[string]float64
	eventually(t, 20*time.Second, "every record is accounted for", func() bool {
		got = map[string]float64{}
		for k, n := range p.outcomes() {
			if d := n - before[k]; d != 0 {
				got[k] = d
			}
		}
		return fmt.Sprint(got) == fmt.Sprint(want)
	})

	// A scan of one account, on demand, from another process.
	code, id, errText := call(t, "", slices.Concat([]string{"scan", "run", "--account", list[0].ID, "--service", "s3", "--wait"}, at)...)
	if code != 0 || !strings.Contains(errText, "done after") {
		t.Errorf("scan: exit %d, %s", code, errText)
	}
	var job struct {
		State, Scope, Reason string
		Items                int64
	}
	if p.do("GET", "/api/v1/jobs/"+strings.TrimSpace(id), nil, &job); job.State != "done" || job.Items == 0 || job.Reason != "request" || job.Scope != list[0].ID+": s3" {
		t.Errorf("the scan is %+v", job)
	}
	if code, _, errText := call(t, "", slices.Concat([]string{"scan", "cancel", strings.TrimSpace(id)}, at)...); code != 6 || !strings.Contains(errText, "ended already") {
		t.Errorf("cancelling what has ended: exit %d, %s", code, errText)
	}

	// What could not be understood is kept, can be looked at, and goes back
	// into the stream.
	_, listed, _ := call(t, "", slices.Concat([]string{"stream", "dlq", "list", "-o", "ndjson"}, at)...)
	letters := strings.Split(strings.TrimSpace(listed), "\n")
	if len(letters) != 50 || !strings.Contains(letters[0], `"reason":"`) {
		t.Fatalf("%d dead letters are listed, want 50: %s", len(letters), letters[0])
	}
	var letter struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(letters[0]), &letter); err != nil {
		t.Fatal(err)
	}
	if _, shown, _ := call(t, "", slices.Concat([]string{"stream", "dlq", "show", letter.ID}, at)...); !strings.Contains(shown, `"eventName":7`) {
		t.Errorf("the dead letter shows %q", shown)
	}
	if code, out, errOut := call(t, "", slices.Concat([]string{"stream", "dlq", "replay", "--all"}, at)...); code != 0 || out != "replayed 50 dead letter(s)\n" {
		t.Errorf("replay of the dead letters: exit %d, %q %q", code, out, errOut)
	}
	eventually(t, 20*time.Second, "what still cannot be understood is a dead letter again", func() bool {
		return p.outcomes()["dead_letter"]-before["dead_letter"] == 100
	})
	p.stop()
}

var eventsTotal = regexp.MustCompile(`(?m)^qrie_events_total\{outcome="([^"]+)",service="[^"]+"\} (\S+)$`)

// outcomes adds up qrie_events_total by outcome.
func (p *process) outcomes() map[string]float64 {
	p.t.Helper()
	var text string
	p.do("GET", "/metrics", nil, &text)
	sums := map[string]float64{}
	for _, m := range eventsTotal.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			p.t.Fatal(err)
		}
		sums[m[1]] += n
	}
	return sums
}
