package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// detailTypes are EventBridge's names for the kinds of CloudTrail record.
// Source: EventBridge User Guide, "AWS service events delivered via AWS
// CloudTrail", but for the sign-in, which that page spells "Signin" and
// EventBridge delivers as "Sign In".
var detailTypes = map[string]string{
	"AwsApiCall":       "AWS API Call via CloudTrail",
	"AwsServiceEvent":  "AWS Service Event via CloudTrail",
	"AwsConsoleAction": "AWS Console Action via CloudTrail",
	"AwsConsoleSignIn": "AWS Console Sign In via CloudTrail",
}

// Envelope wraps a valid CloudTrail record as EventBridge delivers it. An
// empty account or Region is taken from the record. The id is made from the
// record and its account, so that wrapping again gives the same event.
func Envelope(account, region string, record []byte, at time.Time) []byte {
	text := func(path string) string { return gjson.GetBytes(record, path).Str }
	if account == "" {
		account = accountOf(record)
	}
	if region == "" {
		region = text("awsRegion")
	}
	detailType, ok := detailTypes[text("eventType")]
	if !ok {
		detailType = detailTypes["AwsApiCall"]
	}
	service, _, _ := strings.Cut(text("eventSource"), ".")
	b := make([]byte, 0, len(record)+envelopeBytes)
	b = append(append(b, account...), '|')
	b = append(b, record...)
	sum := sha256.Sum256(b)
	b = append(b[:0], `{"version":"0","id":"`...)
	for i, part := range [][]byte{sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	b = gjson.AppendJSONString(append(b, `","detail-type":`...), detailType)
	b = gjson.AppendJSONString(append(b, `,"source":`...), "aws."+service)
	b = gjson.AppendJSONString(append(b, `,"account":`...), account)
	b = at.UTC().AppendFormat(append(b, `,"time":"`...), time.RFC3339)
	b = gjson.AppendJSONString(append(b, `","region":`...), region)
	b = append(append(b, `,"resources":[],"detail":`...), record...)
	return append(b, '}')
}

// envelopeBytes is what an envelope mostly adds to its record.
const envelopeBytes = 300

// accountOf is the account that a record says it is for.
func accountOf(record []byte) string {
	ids := gjson.GetManyBytes(record, "recipientAccountId", "userIdentity.accountId")
	return firstOf(ids[0].Str, ids[1].Str)
}

// EventBridge is the record as EventBridge would deliver it, and the account
// to key it by. A record that is not valid is given back as it is, with no
// account, so that it fails where every other record is judged.
func (r Raw) EventBridge(at time.Time) (data []byte, account string) {
	if r.fault != nil || r.text == "" && check(r.Record) != nil {
		return r.Record, ""
	}
	account = r.Envelope.Account
	if account == "" {
		account = accountOf(r.Record)
	}
	if !validAccount(account) {
		return r.Record, ""
	}
	return Envelope(account, r.Envelope.Region, r.Record, at), account
}
