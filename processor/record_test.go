package processor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
)

func TestMarksAreGroupedByOwnerAndBounded(t *testing.T) {
	var marks []touched
	for i := range 150 {
		marks = append(marks, touched{Ref: ref("111111111111", fmt.Sprintf("vol-%d", i)), Reason: qrie.ReasonScan})
	}
	marks = append(marks, touched{Ref: qrie.Ref{Account: "111111111111", Type: "AWS::S3::Bucket", ID: "b", Global: true}})
	records, err := encodeMarks(marks, func([]byte, []touched) {})
	if err != nil {
		t.Fatal(err)
	}
	var back []touched
	var keys []string
	for _, r := range records {
		keys = append(keys, r.Key)
		k, own, err := open(r.Data)
		if err != nil || !own || k != kindMark {
			t.Fatalf("open: kind %q, own %v, error %v", k, own, err)
		}
		part, err := items[touched](r.Data)
		if err != nil {
			t.Fatal(err)
		}
		if len(part) > maxMarksPerRecord {
			t.Errorf("a record holds %d marks", len(part))
		}
		back = append(back, part...)
	}
	if diff := cmp.Diff([]string{"111111111111_ec2", "111111111111_ec2", "111111111111_ec2", "111111111111_s3"}, keys); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(marks, back); diff != "" {
		t.Error(diff)
	}
}

// What is kept of a record is what decoding it gives, and it is given once.
func TestMemo(t *testing.T) {
	var m memo
	at := time.Date(2026, 11, 29, 10, 0, 0, 5, time.UTC)
	marks := []touched{
		{Ref: ref("111111111111", "vol-1"), Reason: qrie.ReasonEvent, Events: []qrie.Event{{ID: "e1", Time: at, Arrived: at}, {ID: "e2", Time: at, Wide: true}}},
		{Ref: ref("111111111111", "vol-2"), Reason: qrie.ReasonScan, Attempt: 2},
		{Ref: ref("222222222222", "vol-1"), Reason: qrie.ReasonEvent, Through: true},
	}
	records, err := encodeMarks(marks, m.keep)
	if err != nil || len(records) != 2 {
		t.Fatalf("%d records, error %v", len(records), err)
	}
	for _, r := range records {
		want, err := items[touched](r.Data)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := m.take(r.Data)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("kept %t, what was decoded and what was kept: %s", ok, diff)
		}
		if _, ok := m.take(r.Data); ok {
			t.Error("marks were given twice")
		}
	}
	if left := len(m.fresh) + len(m.old); left != 0 {
		t.Errorf("%d records are left", left)
	}
	const half = memoBytes >> 20
	for i := range 5 * half {
		m.keep(append(make([]byte, 1<<20-1), byte(i)), nil)
		if n := len(m.fresh) + len(m.old); n > 2*half {
			t.Fatalf("%d records of 1 MiB are kept", n)
		}
	}
	if _, ok := m.take(append(make([]byte, 1<<20-1), 4*half-1)); !ok {
		t.Error("the one before the newest eight is forgotten")
	}
}

func TestLargeMarksGetRecordsOfTheirOwn(t *testing.T) {
	var marks []touched
	for i := range 10 {
		marks = append(marks, touched{Ref: ref("111111111111", fmt.Sprint(i)), Events: []qrie.Event{{ID: "e", UserAgent: strings.Repeat("x", 50_000)}}})
	}
	records, err := encodeMarks(marks, func([]byte, []touched) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 10 {
		t.Errorf("%d records, want one for each mark", len(records))
	}
}

func TestOpenTellsEventsFromOwnRecords(t *testing.T) {
	if _, own, _ := open([]byte(`{"version":"0","id":"x","detail":{}}`)); own {
		t.Error("an EventBridge event was taken for a record of qrie's")
	}
	if _, _, err := open([]byte(`{"v":2,"kind":"mark","items":[]}`)); err == nil || !strings.Contains(err.Error(), "upgrade it") {
		t.Errorf("a record of a later version gave %v", err)
	}
	for _, torn := range []string{`{"v":1,"kind":`, `{"v":1,"kind":"ma`} {
		if _, own, err := open([]byte(torn)); !own || err == nil {
			t.Errorf("a torn record gave own %v, error %v", own, err)
		}
	}
	if _, err := items[touched]([]byte(`{"v":1,"kind":"mark","items":[{"ref`)); err == nil {
		t.Error("a record torn within its items was read")
	}
}

func TestMergeKeepsTheNewestEvents(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := touched{Ref: ref("1", "a"), Reason: qrie.ReasonScan, Attempt: 2}
	for i := range 8 {
		m.merge(touched{Ref: ref("1", "a"), Reason: qrie.ReasonEvent, Events: []qrie.Event{{ID: fmt.Sprint(i % 7), Time: at.Add(time.Duration(i%7) * time.Second)}}})
	}
	var ids []string
	for _, e := range m.Events {
		ids = append(ids, e.ID)
	}
	if diff := cmp.Diff([]string{"6", "5", "4", "3", "2"}, ids); diff != "" {
		t.Error(diff)
	}
	if m.Attempt != 0 || m.Reason != qrie.ReasonEvent {
		t.Errorf("merged mark has attempt %d and reason %s: a new event starts anew", m.Attempt, m.Reason)
	}
}

func TestMergeTellsWhetherEventsWereLeftOut(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	of := func(numbers ...int) touched {
		m := touched{Ref: ref("1", "a"), Reason: qrie.ReasonEvent}
		for _, n := range numbers {
			m.merge(touched{Ref: ref("1", "a"), Reason: qrie.ReasonEvent, Events: []qrie.Event{{ID: fmt.Sprint(n), Time: at.Add(time.Duration(n) * time.Second)}}})
		}
		return m
	}
	for _, c := range []struct {
		name     string
		mark     touched
		merged   touched
		leaveOut bool
	}{
		{"copies", of(1, 2, 3, 4, 5), of(1, 2, 3, 4, 5), false},
		{"a part", of(1, 2, 3, 4, 5), of(4), false},
		{"fewer than fit", of(1, 2), of(3, 4), false},
		{"an older one", of(1, 2, 3, 4, 5), of(0), true},
		{"a newer one", of(1, 2, 3, 4, 5), of(6), true},
		{"one that left some out", of(1), of(1, 2, 3, 4, 5, 6), true},
	} {
		if c.mark.merge(c.merged); c.mark.More != c.leaveOut {
			t.Errorf("%s: more is %v", c.name, c.mark.More)
		}
	}
}

// What is left out of a mark is not listed among the events that were handled.
func TestMarkOfMoreEventsThanItListsIsNotPassedOver(t *testing.T) {
	s := &session{}
	of := func(id string, at int64) touched {
		return touched{Ref: ref("1", "a"), Reason: qrie.ReasonEvent, Events: []qrie.Event{{ID: id, Time: time.Unix(at, 0)}}}
	}
	m := of("e0", 100)
	for i := range qrie.MaxCauseEvents {
		m.merge(of(fmt.Sprint("e", i), int64(100+i)))
	}
	for _, e := range m.Events {
		s.seen.add(e.ID + m.Ref.Key())
	}
	if !s.handled(m) {
		t.Error("a copy is handled again")
	}
	m.merge(of("late", 1))
	if s.handled(m) {
		t.Error("an event that nobody has handled is passed over")
	}
}

func FuzzOpen(f *testing.F) {
	good, err := encode(kindMark, "k", []touched{{Ref: ref("1", "a")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Data)
	f.Add([]byte(`{"v":1,"kind":"scan","items":[{"page":-1}]}`))
	f.Add([]byte(`{"v":1,"kind":"mark","items":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, own, err := open(data); !own || err != nil {
			return
		}
		marks, err := items[touched](data)
		if err == nil && !json.Valid(data) {
			t.Fatalf("a record that is no JSON was read: %q", data)
		}
		for _, m := range marks {
			m.merge(m) // whatever was written, merging it must not fail
		}
		_, _ = items[scanTask](data)
	})
}

// What events say again may be passed over. What a first look or a scan asked
// for may not, whatever it is merged with, in whatever order.
func TestMergeNeverHidesAPlannedLook(t *testing.T) {
	said := touched{Ref: ref("1", "a"), Reason: qrie.ReasonEvent, Events: []qrie.Event{{ID: "e"}}}
	again, scan := said, touched{Ref: said.Ref, Reason: qrie.ReasonScan}
	again.Attempt = 1
	for name, marks := range map[string][]touched{
		"again last": {said, again}, "again first": {again, said}, "a scan last": {said, scan}, "a scan first": {scan, said},
		"again between": {said, again, said}, "a scan between": {said, scan, said},
	} {
		m := marks[0]
		for _, o := range marks[1:] {
			m.merge(o)
		}
		if m.fromStream() {
			t.Errorf("%s: the merged mark may be passed over", name)
		}
		if m.Attempt != 0 || m.Reason != qrie.ReasonEvent {
			t.Errorf("%s: attempt %d, reason %s", name, m.Attempt, m.Reason)
		}
	}
	m := said
	m.merge(said)
	if !m.fromStream() {
		t.Error("two copies of an event are a planned look")
	}
}
