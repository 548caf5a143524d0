package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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
		account = firstOf(text("recipientAccountId"), text("userIdentity.accountId"))
	}
	if region == "" {
		region = text("awsRegion")
	}
	detailType, ok := detailTypes[text("eventType")]
	if !ok {
		detailType = detailTypes["AwsApiCall"]
	}
	service, _, _ := strings.Cut(text("eventSource"), ".")
	h := sha256.New()
	h.Write([]byte(account + "|"))
	h.Write(record)
	id := hex.EncodeToString(h.Sum(nil)[:16])

	b := make([]byte, 0, len(record)+300)
	b = append(b, `{"version":"0","id":"`...)
	b = append(b, strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")...)
	b = append(b, `","detail-type":`...)
	b = append(b, quote(detailType)...)
	b = append(b, `,"source":`...)
	b = append(b, quote("aws."+service)...)
	b = append(b, `,"account":`...)
	b = append(b, quote(account)...)
	b = append(b, `,"time":"`...)
	b = at.UTC().AppendFormat(b, time.RFC3339)
	b = append(b, `","region":`...)
	b = append(b, quote(region)...)
	b = append(b, `,"resources":[],"detail":`...)
	b = append(b, record...)
	return append(b, '}')
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
		ids := gjson.GetManyBytes(r.Record, "recipientAccountId", "userIdentity.accountId")
		account = firstOf(ids[0].Str, ids[1].Str)
	}
	if !validAccount(account) {
		return r.Record, ""
	}
	return Envelope(account, r.Envelope.Region, r.Record, at), account
}

func quote(s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("BUG: a string cannot be written as JSON: %v", err))
	}
	return text
}
