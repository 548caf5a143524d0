package processor

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

func TestSketch(t *testing.T) {
	ref := qrie.Ref{Account: "111122223333", Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: "logs", ARN: "arn:aws:s3:::logs"}
	all := ref
	all.ID, all.ARN = "", ""
	event := qrie.Event{ID: "e", Name: "PutBucketPolicy", Actor: qrie.Actor{Name: "ann"}}
	mark, err := encode(kindMark, "k", []touched{{Ref: ref, Reason: qrie.ReasonEvent, Events: []qrie.Event{event}}, {Ref: all, Reason: qrie.ReasonScan}})
	if err != nil {
		t.Fatal(err)
	}
	task := scanTask{Account: "111122223333", Region: "eu-west-1", Type: "AWS::EC2::Volume", Page: 2}
	sweep := task
	sweep.Sweep, sweep.Page = true, 0
	scan, err := encode(kindScan, "k", []scanTask{task, sweep})
	if err != nil {
		t.Fatal(err)
	}
	judge, err := encode(kindJudge, "k", []judgeTask{{Account: "111122223333", Type: "AWS::S3::Bucket"}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := encode(kindPlan, "k", []planTask{{Job: store.Job{ID: "j1", Kind: jobInventory, Scope: allAccounts, Started: time.Unix(0, 0)}}})
	if err != nil {
		t.Fatal(err)
	}
	probe, err := Probe("p1")
	if err != nil {
		t.Fatal(err)
	}
	for kind, c := range map[string]struct {
		data []byte
		want []string
	}{
		"mark": {mark.Data, []string{"arn:aws:s3:::logs after PutBucketPolicy by ann", "every AWS::S3::Bucket in account 111122223333, eu-west-1"}},
		"scan": {scan.Data, []string{"list AWS::EC2::Volume in account 111122223333, eu-west-1, page 3",
			"look for what was not listed of AWS::EC2::Volume in account 111122223333, eu-west-1, page 1"}},
		"judge": {judge.Data, []string{"judge AWS::S3::Bucket of account 111122223333 anew, page 1"}},
		"plan":  {plan.Data, []string{"lay out the inventory job j1 (all accounts)"}},
		"probe": {probe.Data, []string{"p1"}},
	} {
		got, words, own := Sketch(c.data)
		if diff := cmp.Diff(c.want, words); got != kind || !own || diff != "" {
			t.Errorf("%s is sketched as %s, own %v (-want +got):\n%s", kind, got, own, diff)
		}
	}
	if _, _, own := Sketch([]byte(`{"version":"0","detail-type":"AWS API Call via CloudTrail"}`)); own {
		t.Error("an event is taken for one of qrie's own")
	}
	for _, bad := range []string{`{"v":2,"kind":"mark"}`, `{"v":1,"kind":"mark","items":7}`, `{"v":1,"kind":"dance","items":[]}`, `{"v":1,"kind":"`} {
		if _, words, own := Sketch([]byte(bad)); !own || len(words) != 1 || !strings.HasPrefix(words[0], "cannot be understood: ") {
			t.Errorf("%s: own %v, %q", bad, own, words)
		}
	}
}
