package ingest_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie/ingest"
)

func gz(tb testing.TB, data string) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, data); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// bucketEvent is a small record that marks the bucket of that name.
func bucketEvent(name string) string {
	return `{"eventName":"CreateBucket","eventSource":"s3.amazonaws.com","awsRegion":"us-east-1","recipientAccountId":"111122223333","requestParameters":{"bucketName":"` + name + `"}}`
}

func enveloped(record string) string {
	return `{"version":"0","id":"e1","detail-type":"AWS API Call via CloudTrail","source":"aws.s3","account":"111122223333","time":"2026-03-01T12:00:03Z","region":"us-east-1","resources":[],"detail":` + record + `}`
}

// found splits, decodes and lists what each record came to.
func found(tb testing.TB, data []byte) (out []string, err error) {
	tb.Helper()
	raws, err := ingest.Split(data)
	for _, raw := range raws {
		d, err := decoder.Decode(raw)
		switch {
		case err != nil:
			out = append(out, "error")
		case d.Drop != "":
			out = append(out, string(d.Drop))
		default:
			out = append(out, d.Marks[0].Ref.ID)
		}
	}
	return out, err
}

func TestSplitShapes(t *testing.T) {
	a, b := bucketEvent("a"), bucketEvent("b")
	lookup := func(record string) string { return fmt.Sprintf(`{"EventId":"1","CloudTrailEvent":%q}`, record) }
	f := func(name, data string, want ...string) {
		t.Helper()
		for form, data := range map[string][]byte{"plain": []byte(data), "gzip": gz(t, data)} {
			got, err := found(t, data)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s, %s: error %v (-want +got):\n%s", name, form, err, diff)
			}
		}
		// Byte by byte, as a slow connection delivers it, and without the whole at once.
		n := 0
		err := ingest.SplitReader(iotest.OneByteReader(strings.NewReader(data)), func(raw ingest.Raw) error {
			n++
			if raw.Number != n {
				return fmt.Errorf("record %d has the number %d", n, raw.Number)
			}
			return nil
		})
		if err != nil || n != len(want) {
			t.Errorf("%s, one byte at a time: %d records, error %v", name, n, err)
		}
	}
	f("a bare record", a, "a")
	f("with space around it", " \n"+a+"\r\n", "a")
	f("with a byte order mark", "\xef\xbb\xbf"+a, "a")
	f("an EventBridge event", enveloped(a), "a")
	f("a log file", `{"Records":[`+a+`,`+b+`]}`, "a", "b")
	f("a log file with more members", `{ "Records" : [ `+a+` , `+b+` ] , "x" : {"y":"]}"} }`, "a", "b")
	f("a log file whose records come later", `{"x":1,"Records":[`+a+`,`+b+`]}`, "a", "b")
	f("an empty log file", `{"Records":[]}`)
	f("two log files, one after the other", `{"Records":[`+a+`]}{"Records":[`+b+`]}`, "a", "b")
	f("NDJSON of both", a+"\n"+enveloped(b)+"\n", "a", "b")
	f("an array", `[`+a+`,`+enveloped(b)+`]`, "a", "b")
	f("LookupEvents", `{"Events":[`+lookup(a)+`,`+lookup(b)+`],"NextToken":"x"}`, "a", "b")
	f("wrapped by a collector", `{"host":"h","event":`+a+`}`, "a")
	f("one bad record among good ones", a+"\n"+`{"eventName":7}`+"\n"+`{"x":tru}`+"\n"+b, "a", "error", "error", "b")
	f("not a record", `{"hello":"world"}`, "error")
	f("a list of other things", `{"x":1,"Records":[7,`+a+`]}`, "error", "a")
	f("an escaped first key", `{"\u0052ecords":[`+a+`]}`, "a")
}

func TestSplitReadsTheEnvelope(t *testing.T) {
	raws, err := ingest.Split([]byte(enveloped(bucketEvent("a"))))
	if err != nil || len(raws) != 1 {
		t.Fatalf("%d records, error %v", len(raws), err)
	}
	want := ingest.Delivery{
		ID: "e1", DetailType: "AWS API Call via CloudTrail", Source: "aws.s3", Account: "111122223333", Region: "us-east-1",
		Time: time.Date(2026, 3, 1, 12, 0, 3, 0, time.UTC),
	}
	if diff := cmp.Diff(want, raws[0].Envelope); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := string(raws[0].Record); got != bucketEvent("a") {
		t.Errorf("record %s", got)
	}
	for name, data := range map[string]string{
		"an envelope without account": strings.Replace(enveloped(bucketEvent("a")), `"account"`, `"other"`, 1),
		"a forged record":             strings.Replace(enveloped(bucketEvent("a")), `"account":"111122223333"`, `"account":"444455556666"`, 1),
	} {
		if got, err := found(t, []byte(data)); err != nil || len(got) != 1 || got[0] != "error" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestSplitErrorsSayWhereAndHowToMend(t *testing.T) {
	a := bucketEvent("a")
	f := func(data, records, want string) {
		t.Helper()
		got, err := found(t, []byte(data))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Join(got, " ") != records {
			t.Errorf("%.60q: records %q, error %v, want %q and %q", data, got, err, records, want)
		}
	}
	f("", "", "holds no records: give EventBridge events")
	f(" \n", "", "holds no records")
	f("eventName,eventSource", "", `after record 0, at byte 0: found 'e' where a JSON object begins`)
	f("\x00", "", `found '\x00'`)
	f(a[:40], "", "at byte 40: the input ends inside a record (unexpected EOF): the file is truncated, fetch it again")
	f(`{"a`, "", "truncated")
	f(`{`, "", "truncated")
	f(`{"Records":[`+a, "a", "truncated")
	f(`{"Records":[`+a+`]`, "a", "truncated")
	f(`[`+a+`,7]`, "a", `found '7' where a record begins`)
	f(a+"\n"+a[:20], "a", "after record 1")
	f("\x1f\x8b", "", "begins like gzip and is not")
	whole := string(gz(t, `{"Records":[`+a+`]}`))
	f(whole[:len(whole)-9], "a", "damaged or truncated, fetch it again")
}

func TestSplitBounds(t *testing.T) {
	big := `{"pad":"` + strings.Repeat("x", ingest.MaxRecord) + `"}`
	raws, err := ingest.Split([]byte(big + bucketEvent("a")))
	if err != nil || len(raws) != 2 {
		t.Fatalf("%d records, error %v", len(raws), err)
	}
	if _, err := decoder.Decode(raws[0]); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("holds %d bytes", len(big))) {
		t.Errorf("over-long record: %v", err)
	}
	if len(raws[0].Record) > 4<<10 {
		t.Errorf("%d bytes of it are kept", len(raws[0].Record))
	}
	if d, err := decoder.Decode(raws[1]); err != nil || len(d.Marks) != 1 {
		t.Errorf("the record after it: %v, %v", d, err)
	}

	just := bucketEvent("a")
	just = just[:len(just)-1] + `,"pad":"` + strings.Repeat("x", ingest.MaxRecord-len(just)-9) + `"}`
	if got, err := found(t, []byte(just)); len(just) != ingest.MaxRecord || err != nil || len(got) != 1 || got[0] != "a" {
		t.Errorf("a record of %d bytes: %v, %v", len(just), got, err)
	}

	for depth, want := range map[int]string{ingest.MaxDepth: "unknown_event", ingest.MaxDepth + 1: "error"} {
		nested := `{"eventName":"CreateJob","eventSource":"s3.amazonaws.com","x":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
		if got, err := found(t, []byte(nested)); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%d levels: %v, %v, want %s", depth, got, err, want)
		}
	}

	_, err = ingest.Split(gz(t, strings.Repeat(" ", 9<<20)))
	if err == nil || !strings.Contains(err.Error(), "200 times its size") {
		t.Errorf("a gzip bomb: %v", err)
	}
}

// A log file that inflates beyond what may be held is read all the same.
func TestSplitReaderHoldsOneRecord(t *testing.T) {
	const records = 10_000
	r, w := io.Pipe()
	go func() {
		z := gzip.NewWriter(w)
		random := rand.New(rand.NewPCG(1, 2))
		_, _ = io.WriteString(z, `{"Records":[`)
		for i := range records {
			if i > 0 {
				_, _ = io.WriteString(z, ",")
			}
			record := bucketEvent(fmt.Sprint(i))
			fmt.Fprintf(z, `%s,"noise":"%x%x%x"}`, record[:len(record)-1], random.Uint64(), random.Uint64(), random.Uint64())
		}
		_, _ = io.WriteString(z, `]}`)
		_ = z.Close()
		_ = w.Close()
	}()
	n := 0
	err := ingest.SplitReader(r, func(raw ingest.Raw) error {
		d, err := decoder.Decode(raw)
		if err != nil || d.Marks[0].Ref.ID != fmt.Sprint(n) {
			return fmt.Errorf("record %d: %v, %w", n, d.Marks, err)
		}
		n++
		return nil
	})
	if err != nil || n != records {
		t.Errorf("%d records, error %v", n, err)
	}
}

func TestSplitReaderStops(t *testing.T) {
	stop := errors.New("enough")
	n := 0
	err := ingest.SplitReader(strings.NewReader(`{"Records":[`+bucketEvent("a")+`,`+bucketEvent("b")+`]}`), func(ingest.Raw) error {
		n++
		return stop
	})
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d records, error %v", n, err)
	}
	broken := errors.New("disk on fire")
	err = ingest.SplitReader(io.MultiReader(strings.NewReader(bucketEvent("a")), iotest.ErrReader(broken)), func(ingest.Raw) error { return nil })
	if !errors.Is(err, broken) {
		t.Errorf("the reader's error is lost: %v", err)
	}
}

func TestEnvelope(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 3, 0, time.UTC)
	record := record("signin", "ConsoleLogin", map[string]string{"eventType": `"AwsConsoleSignIn"`})
	data := ingest.Envelope("", "", record, at)
	raws, err := ingest.Split(data)
	if err != nil || len(raws) != 1 {
		t.Fatalf("%d records, error %v: %s", len(raws), err, data)
	}
	want := ingest.Delivery{
		ID: raws[0].Envelope.ID, DetailType: "AWS Console Sign In via CloudTrail", Source: "aws.signin", Account: "111122223333", Region: "eu-west-1", Time: at,
	}
	if diff := cmp.Diff(want, raws[0].Envelope); diff != "" || !bytes.Equal(raws[0].Record, record) {
		t.Errorf("record %s, envelope (-want +got):\n%s", raws[0].Record, diff)
	}
	if again := ingest.Envelope("", "", record, at); !bytes.Equal(again, data) {
		t.Error("wrapping twice gives two events")
	}
	if len(want.ID) != 36 || strings.Count(want.ID, "-") != 4 {
		t.Errorf("id %q", want.ID)
	}

	wrapped, account := raws[0].EventBridge(at)
	if account != "111122223333" || !bytes.Equal(wrapped, data) {
		t.Errorf("account %q, wrapped again as %s", account, wrapped)
	}
	if _, account := (ingest.Raw{Record: record}).EventBridge(at); account != "111122223333" {
		t.Errorf("bare record keyed by %q", account)
	}
	bad := ingest.Raw{Record: []byte(`{"eventName":`)}
	if wrapped, account := bad.EventBridge(at); account != "" || !bytes.Equal(wrapped, bad.Record) {
		t.Errorf("a bad record is wrapped as %s for %q", wrapped, account)
	}
}
