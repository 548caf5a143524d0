package scanners

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"unicode/utf8"

	"github.com/qrie-sec/qrie"
)

// FuzzAnswers gives the same arbitrary answer to every call of every type: a
// broken far side is a fault or an observation whose document is JSON, and
// never a panic or a list without end.
func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte(`<a><IsTruncated>true</IsTruncated><Marker>m</Marker></a>`))
	f.Add(200, []byte(`<GetUserResponse><GetUserResult><User><UserName>ana</UserName></User></GetUserResult></GetUserResponse>`))
	f.Add(200, []byte(`<ListAccessKeysResponse><ListAccessKeysResult><Marker>m</Marker><IsTruncated>true</IsTruncated></ListAccessKeysResult></ListAccessKeysResponse>`))
	f.Add(200, []byte(`<r><reservationSet><item><instancesSet><item/></instancesSet></item></reservationSet><nextToken>t</nextToken></r>`))
	f.Add(200, []byte(`{"Statement":[]}`))
	f.Add(200, []byte{})
	f.Add(404, []byte(`<Error><Code>NoSuchBucket</Code></Error>`))
	f.Add(301, []byte(`<Error><Code>PermanentRedirect</Code></Error>`))
	f.Fuzz(func(t *testing.T, status int, answer []byte) {
		if status < 200 || status > 599 {
			return
		}
		s := newTestScanner(doFunc(func(r *http.Request) (*http.Response, error) {
			body, code := answer, status
			if r.URL.Host == "sts.us-east-1.amazonaws.com" {
				body, code = assumeRoleAnswer(testTime.AddDate(100, 0, 0)), 200
			}
			return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
		}))
		for _, r := range readers() {
			id := "x"
			switch r.name {
			case "AWS::Account":
				id = testAccount
			case "AWS::IAM::ManagedPolicy":
				id = "arn:aws:iam::" + testAccount + ":policy/x"
			}
			var fault *qrie.Fault
			o, err := s.Describe(context.Background(), r.resource.Ref(testAccount, "us-east-1", id))
			if err != nil && !errors.As(err, &fault) {
				t.Errorf("%s: error %T is no fault: %v", r.name, err, err)
			}
			if err == nil && !o.Deleted && !json.Valid(o.Document) {
				t.Errorf("%s: document %q", r.name, o.Document)
			}
			if _, _, err := s.List(context.Background(), testAccount, "us-east-1", r.name, ""); err != nil && !errors.As(err, &fault) {
				t.Errorf("%s: error %T is no fault: %v", r.name, err, err)
			}
		}
	})
}

// FuzzReportRow reads arbitrary credential reports.
func FuzzReportRow(f *testing.F) {
	f.Add([]byte("user,arn\n<root_account>,arn:aws:iam::111122223333:root\n"))
	f.Add([]byte("user,arn\n\"<root_account>\n"))
	f.Add([]byte("user\nana\n"))
	f.Fuzz(func(t *testing.T, report []byte) {
		row, err := reportRow(report, rootUser)
		if err == nil && len(row) == 0 {
			t.Error("neither a row nor an error")
		}
	})
}

// FuzzPolicyDocument embeds arbitrary policy texts: the document stays JSON,
// and a text that is no object is kept as it is.
func FuzzPolicyDocument(f *testing.F) {
	f.Add(`%7B%22Statement%22%3A%5B%5D%7D`)
	f.Add(`{"Statement": [`)
	f.Add("{\"a\":\"\xff\"}")
	f.Add(`%`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, document := range []any{policyDocument(text), iamPolicyDocument(text)} {
			d := newDocument()
			d.put("Policy", document)
			encoded, err := d.encode()
			if err != nil || !json.Valid(encoded) {
				t.Fatalf("%q: error %v, document %q", text, err, encoded)
			}
			kept, isText := document.(string)
			if !isText || !utf8.ValidString(kept) {
				continue
			}
			var back struct{ Policy string }
			if err := json.Unmarshal(encoded, &back); err != nil || back.Policy != kept {
				t.Fatalf("%q came back as %q, error %v", kept, back.Policy, err)
			}
		}
	})
}
