package ingest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
)

// labelled is a real event, published by others, with what is known of it.
type labelled struct {
	ID       string          `json:"id"`
	Envelope json.RawMessage `json:"envelope"`
	Event    json.RawMessage `json:"event"`
	Label    struct {
		MgmtWrite  bool  `json:"mgmt_write"`
		Failed     bool  `json:"failed"`
		ReadOnly   *bool `json:"read_only"`
		Classifier struct {
			Status  string `json:"status"`
			Changes []struct {
				Type string `json:"type"`
				ID   string `json:"id"`
			} `json:"changes"`
		} `json:"classifier"`
	} `json:"label"`
}

func corpus(tb testing.TB) []labelled {
	tb.Helper()
	files, err := filepath.Glob("../../shared/data/events/*.jsonl")
	if err != nil {
		tb.Fatal(err)
	}
	if len(files) == 0 {
		tb.Skip("SKIPPED: the published events are not here (../../shared/data/events); the cases written in this package run without them")
	}
	var out []labelled
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var l labelled
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				tb.Fatalf("%s: %v", name, err)
			}
			out = append(out, l)
		}
		if err := lines.Err(); err != nil {
			tb.Fatal(err)
		}
	}
	return out
}

// types translates the classifier's resource types; those that qrie does not
// know are absent.
var types = map[string]string{
	"AWS.S3.Bucket": "Bucket", "AWS.EC2.Instance": "Instance", "AWS.EC2.Volume": "Volume", "AWS.EC2.SecurityGroup": "SecurityGroup",
	"AWS.IAM.User": "User", "AWS.IAM.Policy": "ManagedPolicy", "AWS.RDS.Instance": "DBInstance",
}

// notOurs are labels that do not hold for qrie, each with the reason.
var notOurs = map[string]string{
	"streamalert_rules/s18": "a setting of the account, not of the bucket it names: it marks the account and every bucket",
}

// otherResources are words in the names of calls of our services that change
// resources of other types.
var otherResources = []string{
	"Image", "InternetGateway", "NetworkAcl", "Route", "Snapshot", "FlowLogs", "Subnet", "SerialConsole", // ec2, rds
	"Role", "GroupPolicy", "VirtualMFADevice", // iam
}

// expectsMarks says whether a call that writes is of one of our types, without
// asking the event maps.
func expectsMarks(e qrie.Event) bool {
	service, _, _ := strings.Cut(e.Source, ".")
	switch {
	case !slices.Contains([]string{"s3", "iam", "ec2", "rds"}, service):
		return false
	case service != "s3" && strings.Contains(e.Name, "Bucket"), e.Name == "SetQueueAttributes", e.Name == "PutPolicy":
		return false // published with the source of another service
	}
	return !slices.ContainsFunc(otherResources, func(word string) bool { return strings.Contains(e.Name, word) })
}

func TestCorpus(t *testing.T) {
	counts := map[string]int{}
	expected := 0
	for _, l := range corpus(t) {
		raws, err := ingest.Split(l.Event)
		if err != nil || len(raws) != 1 {
			t.Errorf("%s: %d records, error %v", l.ID, len(raws), err)
			continue
		}
		d, err := decoder.Decode(raws[0])
		switch {
		case err != nil:
			counts["error"]++
			t.Logf("%s: %v", l.ID, err)
		case d.Drop != "":
			counts[string(d.Drop)]++
		default:
			counts["marked"]++
		}
		got := marked(d)
		if (l.Label.Failed || l.Label.ReadOnly != nil && *l.Label.ReadOnly) && len(got) > 0 {
			t.Errorf("%s: %s failed or reads, and marks %v", l.ID, d.Event.Name, got)
		}
		if err == nil && l.Label.MgmtWrite && !l.Label.Failed && len(got) == 0 && expectsMarks(d.Event) {
			t.Errorf("%s: %s of %s marks nothing (drop %q)", l.ID, d.Event.Name, d.Event.Source, d.Drop)
		}
		if notOurs[l.ID] != "" || l.Label.Failed || l.Label.Classifier.Status != "changes" {
			continue
		}
		for _, c := range l.Label.Classifier.Changes {
			typ, ok := types[c.Type]
			id := c.ID[strings.LastIndexAny(c.ID, ":/")+1:]
			switch {
			case !ok, c.ID == "", strings.Contains(c.ID, ":iam::aws:policy/"), strings.Contains(c.ID, ":snapshot:"):
				continue
			case typ == "ManagedPolicy":
				id = c.ID
			}
			expected++
			if !slices.Contains(got, typ+" "+id) {
				t.Errorf("%s: %s marks %v (drop %q, error %v), and changes %s %s", l.ID, d.Event.Name, got, d.Drop, err, typ, id)
			}
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%5d %s", counts[reason], reason)
	}
	if expected < 50 {
		t.Errorf("only %d labels were compared: the labels are no longer read", expected)
	}
	t.Logf("%5d labels compared", expected)
}

// The same events in every shape come to the same.
func TestCorpusInEveryShape(t *testing.T) {
	list := corpus(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var bare, wrapped, want []string
	for _, l := range list {
		got, err := found(t, l.Event)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, got...)
		bare = append(bare, string(l.Event))
		raws, err := ingest.Split(l.Event)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := raws[0].EventBridge(at)
		wrapped = append(wrapped, string(data))
	}
	file := `{"Records":[` + strings.Join(bare, ",") + `]}`
	for shape, data := range map[string][]byte{
		"log file": []byte(file), "wrapped": []byte(`{"host":"h","event":` + strings.Join(bare, "}\n{\"event\":") + `}`), "gzip": gz(t, file), "NDJSON": []byte(strings.Join(bare, "\n")), "EventBridge": []byte(strings.Join(wrapped, "\n")),
	} {
		got, err := found(t, data)
		if err != nil {
			t.Errorf("%s: %v", shape, err)
		}
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Errorf("%s: event %d (%s) comes to %q of %d, alone to %q", shape, i, list[i].ID, got[i:min(i+1, len(got))], len(got), want[i])
				break
			}
		}
	}
}
