package compact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
)

const record = `{"version":"0","id":"5a0b1c2d-0000-4000-8000-000000000001","detail-type":"AWS API Call via CloudTrail","source":"aws.s3","account":"111122223333","time":"2026-11-22T10:00:00Z","region":"eu-west-3","resources":[],"detail":{"eventVersion":"1.10","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:build-17","arn":"arn:aws:sts::111122223333:assumed-role/deploy/build-17","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::111122223333:role/deploy","accountId":"111122223333","userName":"deploy"},"attributes":{"creationDate":"2026-11-22T09:58:00Z","mfaAuthenticated":"false"}}},"eventTime":"2026-11-22T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"DeleteBucketPolicy","awsRegion":"eu-west-3","sourceIPAddress":"198.51.100.7","userAgent":"[aws-cli/2.22.4]","requestParameters":{"bucketName":"invoices","Host":"s3.eu-west-3.amazonaws.com"},"responseElements":null,"requestID":"EXAMPLE","eventID":"5a0b1c2d-0000-4000-8000-000000000002","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}}`

func TestShorterThanWithoutVocabulary(t *testing.T) {
	whole, without, with := len(record), len(s2.Encode(nil, []byte(record))), len(Encode([]byte(record)))
	t.Logf("%d bytes, %d as S2, %d with the vocabulary", whole, without, with)
	if 2*with > without {
		t.Errorf("%d bytes become %d; S2 alone makes %d of them", whole, with, without)
	}
}

// TestFormat: files are read by versions that come later.
func TestFormat(t *testing.T) {
	sum := sha256.Sum256(vocabulary)
	if got, want := hex.EncodeToString(sum[:8]), "6fdbca6e10600d2f"; got != want {
		t.Errorf("the vocabulary has the hash %s, not %s: what was written with it cannot be read any more; give a new one a mark of its own", got, want)
	}
	for text, written := range map[string]string{
		"":     "00",
		"qrie": "0071726965",
		`{"id":"x","name":"PutRolePolicy","source":"iam.amazonaws.com","region":"us-east-1"}`: "03531c7b226964223a227819ecb2b404554f2875732d656173742d31227d",
		strings.Repeat("qrie", 5000): "04a09c010c7172696511041900104d",
	} {
		b, err := hex.DecodeString(written)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(nil, b, len(text)); err != nil || string(got) != text {
			t.Errorf("%s is read as %q, %v; want %q", written, got, err, text)
		}
	}
}

func TestDecodeAppendsWithinItsLimit(t *testing.T) {
	for _, text := range []string{"", "a", record, strings.Repeat("x", 100_000)} {
		b := Encode([]byte(text))
		for _, room := range []int{0, 3, 200_000} {
			got, err := Decode(append(make([]byte, 0, room+3), "abc"...), b, len(text))
			if err != nil || string(got) != "abc"+text {
				t.Errorf("%d bytes with room for %d: %d bytes, %v", len(text), room, len(got), err)
			}
		}
		if got, err := Decode([]byte("abc"), b, len(text)-1); !errors.Is(err, ErrTooLong) || string(got) != "abc" {
			t.Errorf("%d bytes, one less allowed: %d bytes, %v", len(text), len(got), err)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, text := range []string{"", "a", record, strings.Repeat(record, 1+longText/len(record))} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b := Encode(text)
		if len(b) == 0 || len(b) > len(text)+1 {
			t.Errorf("%d bytes become %d", len(text), len(b))
		}
		if json.Valid(b) || !Marked(b) {
			t.Errorf("%x could be taken for JSON", b)
		}
		got, err := Decode(nil, b, len(text))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%x becomes %x, %v", text, got, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode([]byte(record)))
	f.Add([]byte{words, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{plain})
	f.Add([]byte{2, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		if text, err := Decode(nil, b, limit); err == nil && len(text) > limit {
			t.Errorf("%d bytes", len(text))
		}
	})
}
