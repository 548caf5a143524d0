package ingest

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

const (
	// Bounds of the texts that are kept, in bytes. A user name has 64 letters at
	// the most, a session name 64, a role path 512.
	maxText      = 256
	maxARN       = 1024
	maxUserAgent = 256
)

// record is what Decode reads of a CloudTrail record. The sections keep their
// JSON text, for the paths of the event maps.
type record struct {
	id, name, source, eventType, category string
	region, recipient                     string
	time                                  string
	errorCode, errorMessage               string
	sourceIP, userAgent                   string
	readOnly, management                  tristate
	fromConsole                           bool
	identity                              identity

	whole, identityText, request, response, resources string
}

// identity is what is read of userIdentity.
type identity struct {
	kind, arn, account, principal, user, invokedBy, provider string
	issuerARN, issuer                                        string
	federated, source, onBehalfOf                            string
	mfa                                                      bool
}

// tristate is true, false, or not said.
type tristate int8

const (
	unsaid tristate = iota
	no
	yes
)

// reader walks a valid JSON object and remembers the first member that is not
// of the type that CloudTrail writes.
type reader struct {
	texts
	inside []string // the names of the members that hold what is read
	err    error
}

// text reads a string and bounds it. Null is an empty one.
func (r *reader) text(key, value gjson.Result, bound int) string {
	switch value.Type {
	case gjson.String:
		return r.keep(value.Str, bound)
	case gjson.Null:
		return ""
	}
	r.wrong(key, value, "text")
	return ""
}

// flag reads a boolean, which some tools write as text.
func (r *reader) flag(key, value gjson.Result) tristate {
	switch {
	case value.Type == gjson.True, strings.EqualFold(value.Str, "true"):
		return yes
	case value.Type == gjson.False, strings.EqualFold(value.Str, "false"):
		return no
	case value.Type == gjson.Null, value.Type == gjson.String && value.Str == "":
		return unsaid
	}
	r.wrong(key, value, "true or false")
	return unsaid
}

// object calls f for each member of an object. Null is an empty one.
func (r *reader) object(key, value gjson.Result, f func(key, value gjson.Result)) {
	switch {
	case value.IsObject():
		r.inside = append(r.inside, key.Str)
		value.ForEach(func(k, v gjson.Result) bool {
			f(k, v)
			return true
		})
		r.inside = r.inside[:len(r.inside)-1]
	case value.Type != gjson.Null:
		r.wrong(key, value, "an object")
	}
}

func (r *reader) wrong(key, value gjson.Result, want string) {
	if r.err == nil {
		name := strings.Join(append(r.inside, clip(key.Str, maxText)), ".")
		r.err = fmt.Errorf("record member %s holds %s where CloudTrail writes %s", name, kindOf(value), want)
	}
}

func kindOf(v gjson.Result) string {
	switch {
	case v.IsObject():
		return "an object"
	case v.IsArray():
		return "an array"
	case v.Type == gjson.Number:
		return "a number"
	case v.Type == gjson.String:
		return "text"
	case v.Type == gjson.Null:
		return "null"
	default:
		return "true or false"
	}
}

// parse reads a valid record in one pass.
func parse(text string) (*record, error) {
	rec := &record{whole: text}
	top := gjson.Parse(rec.whole)
	if !top.IsObject() {
		return nil, fmt.Errorf("the record is %s where CloudTrail writes an object", kindOf(top))
	}
	r := reader{texts: texts{piece: recordTexts}}
	top.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "eventID":
			rec.id = r.text(k, v, maxText)
		case "eventName":
			rec.name = r.text(k, v, maxText)
		case "eventSource":
			rec.source = r.text(k, v, maxText)
		case "eventType":
			rec.eventType = r.text(k, v, maxText)
		case "eventCategory":
			rec.category = r.text(k, v, maxText)
		case "eventTime":
			rec.time = r.text(k, v, maxText)
		case "awsRegion":
			rec.region = r.text(k, v, maxText)
		case "recipientAccountId":
			rec.recipient = r.text(k, v, maxText)
		case "errorCode":
			rec.errorCode = r.text(k, v, maxText)
		case "errorMessage":
			rec.errorMessage = r.text(k, v, maxText)
		case "sourceIPAddress":
			rec.sourceIP = r.text(k, v, maxText)
		case "userAgent":
			rec.userAgent = r.text(k, v, maxUserAgent)
		case "readOnly":
			rec.readOnly = r.flag(k, v)
		case "managementEvent":
			rec.management = r.flag(k, v)
		case "sessionCredentialFromConsole":
			rec.fromConsole = r.flag(k, v) == yes
		case "requestParameters":
			rec.request = v.Raw
		case "responseElements":
			rec.response = v.Raw
		case "resources":
			rec.resources = v.Raw
		case "userIdentity":
			rec.identityText = v.Raw
			rec.identity.parse(&r, k, v)
		}
		return true
	})
	if r.err != nil {
		return nil, r.err
	}
	if rec.name == "" || rec.source == "" {
		return nil, fmt.Errorf("the record names no eventName (%q) or no eventSource (%q): it is no CloudTrail record", rec.name, rec.source)
	}
	return rec, nil
}

func (id *identity) parse(r *reader, key, value gjson.Result) {
	r.object(key, value, func(k, v gjson.Result) {
		switch k.Str {
		case "type":
			id.kind = r.text(k, v, maxText)
		case "arn":
			id.arn = r.text(k, v, maxARN)
		case "accountId":
			id.account = r.text(k, v, maxText)
		case "principalId":
			id.principal = r.text(k, v, maxText)
		case "userName":
			id.user = r.text(k, v, maxText)
		case "invokedBy":
			id.invokedBy = r.text(k, v, maxText)
		case "identityProvider":
			id.provider = r.text(k, v, maxText)
		case "onBehalfOf":
			r.object(k, v, func(k, v gjson.Result) {
				if k.Str == "userId" {
					id.onBehalfOf = r.text(k, v, maxText)
				}
			})
		case "sessionContext":
			r.object(k, v, func(k, v gjson.Result) { id.parseSession(r, k, v) })
		}
	})
}

func (id *identity) parseSession(r *reader, key, value gjson.Result) {
	switch key.Str {
	case "sourceIdentity":
		id.source = r.text(key, value, maxText)
	case "sessionIssuer":
		r.object(key, value, func(k, v gjson.Result) {
			switch k.Str {
			case "arn":
				id.issuerARN = r.text(k, v, maxARN)
			case "userName":
				id.issuer = r.text(k, v, maxText)
			}
		})
	case "webIdFederationData":
		r.object(key, value, func(k, v gjson.Result) {
			if k.Str == "federatedProvider" {
				id.federated = r.text(k, v, maxARN)
			}
		})
	case "attributes":
		r.object(key, value, func(k, v gjson.Result) {
			if k.Str == "mfaAuthenticated" {
				id.mfa = r.flag(k, v) == yes
			}
		})
	}
}

// when reads eventTime. CloudTrail writes RFC 3339; data lakes that records
// are exported from write it as SQL does.
func (rec *record) when() (time.Time, error) {
	if rec.time == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, rec.time); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse("2006-01-02 15:04:05", rec.time); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("eventTime %q is not a time as CloudTrail writes it (2006-01-02T15:04:05Z)", clip(rec.time, 40))
}

// texts copies what is kept of a record: many short texts into few pieces of memory.
// The copies do not hold on to the memory of the record.
type texts struct {
	piece int // bytes of a piece, at least
	open  strings.Builder
}

// Pieces take what is mostly kept of a record, and of an envelope.
const (
	recordTexts   = 384
	envelopeTexts = 128
)

// keep copies what clip gives of a text.
func (t *texts) keep(s string, bound int) string {
	s = clip(s, bound)
	if t.open.Cap()-t.open.Len() < len(s) {
		t.open = strings.Builder{}
		t.open.Grow(max(t.piece, len(s)))
	}
	start := t.open.Len()
	t.open.WriteString(s)
	return t.open.String()[start:]
}

// clip gives the first bytes of s, cut between letters, and makes control
// characters visible: texts end up in logs and on pages.
func clip(s string, bound int) string {
	if len(s) > bound {
		for bound > 0 && !utf8.RuneStart(s[bound]) {
			bound--
		}
		s = s[:bound]
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return clip(strings.Map(visible, s), bound) // the sign put in is longer than what it stands for
		}
	}
	return s
}

func visible(r rune) rune {
	if r < ' ' || r == 0x7f {
		return utf8.RuneError
	}
	return r
}
