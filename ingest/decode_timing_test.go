package ingest_test

import (
	"testing"
	"time"

	"github.com/qrie-sec/qrie/ingest"
)

// usual is an EventBridge event of the usual size: 1.7 KB of record, and the
// envelope around it.
func usual() []byte {
	return ingest.Envelope("", "", record("ec2", "AuthorizeSecurityGroupIngress", map[string]string{
		"userIdentity":      `{"type":"AssumedRole","principalId":"AROAEXAMPLEEXAMPLE01:ann@example.com","arn":"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_NetworkAdmin_0123456789abcdef/ann@example.com","accountId":"111122223333","accessKeyId":"ASIAEXAMPLEEXAMPLE01","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLEEXAMPLE01","arn":"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_NetworkAdmin_0123456789abcdef","accountId":"111122223333","userName":"AWSReservedSSO_NetworkAdmin_0123456789abcdef"},"webIdFederationData":{},"attributes":{"creationDate":"2026-03-01T11:42:10Z","mfaAuthenticated":"false"}}}`,
		"userAgent":         `"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"`,
		"requestParameters": `{"groupId":"sg-0123456789abcdef0","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":22,"toPort":22,"groups":{},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0","description":"for a moment"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}`,
		"responseElements":  `{"requestId":"1c9f7a5e-3a33-4c0a-9d35-0d6c1f9d7f11","_return":true,"securityGroupRuleSet":{"items":[{"groupOwnerId":"111122223333","groupId":"sg-0123456789abcdef0","securityGroupRuleId":"sgr-0fedcba9876543210","isEgress":false,"ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIpv4":"0.0.0.0/0","description":"for a moment"}]}}`,
		"requestID":         `"1c9f7a5e-3a33-4c0a-9d35-0d6c1f9d7f11"`,
		"tlsDetails":        `{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"ec2.eu-west-1.amazonaws.com"}`,
	}), time.Date(2026, 3, 1, 12, 0, 3, 0, time.UTC))
}

// From the bytes of the stream to marks, on one core.
func BenchmarkSplitAndDecode(b *testing.B) {
	data := usual()
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		raws, err := ingest.Split(data)
		if err != nil {
			b.Fatal(err)
		}
		for _, raw := range raws {
			if d, err := decoder.Decode(raw); err != nil || len(d.Marks) != 1 {
				b.Fatal(d, err)
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkCorpus(b *testing.B) {
	list := corpus(b)
	b.ReportAllocs()
	events := 0
	for b.Loop() {
		for _, l := range list {
			raws, err := ingest.Split(l.Event)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = decoder.Decode(raws[0]) // some are refused, and cost as much
			events++
		}
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
