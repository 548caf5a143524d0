package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// DropReason is why a valid record marks nothing. Callers count records by it.
type DropReason string

// The reasons, in the order in which they are looked for.
const (
	DropNotManagement      DropReason = "not_management"      // a data, insight or network event
	DropFailedCall         DropReason = "failed_call"         // the call changed nothing
	DropReadOnly           DropReason = "read_only"           // the call reads
	DropUnsupportedService DropReason = "unsupported_service" // no resource type of the service is known
	DropUnknownEvent       DropReason = "unknown_event"       // no event map names it
	DropNoResource         DropReason = "no_resource"         // an event map names it, and this one is of no resource of ours
)

// DropReasons lists every reason.
var DropReasons = []DropReason{
	DropNotManagement, DropFailedCall, DropReadOnly, DropUnsupportedService, DropUnknownEvent, DropNoResource,
}

// Decoded is what a record comes to: marks, or the reason why there are none.
type Decoded struct {
	Event qrie.Event
	Marks []qrie.Mark
	Drop  DropReason // empty if there are marks
}

// Decoder judges records by the event maps of resource types.
type Decoder struct{ index *index }

// NewDecoder makes a Decoder of the types, usually resources.All(). It is safe
// for concurrent use.
func NewDecoder(types []resources.Type) *Decoder { return &Decoder{index: newIndex(types)} }

// Decode says which resources the record marks, or why it marks none. An error
// means that the record is not one that CloudTrail writes, or that it claims
// another account than EventBridge delivered it for; trying again cannot help.
//
// Whether the account is one that qrie watches is not asked here.
func (d *Decoder) Decode(raw Raw) (Decoded, error) {
	out, err := d.decode(raw)
	if err != nil {
		return Decoded{}, raw.where(err)
	}
	return out, nil
}

func (d *Decoder) decode(raw Raw) (Decoded, error) {
	if raw.fault != nil {
		return Decoded{}, raw.fault
	}
	if raw.text == "" {
		if err := check(raw.Record); err != nil {
			return Decoded{}, err
		}
		raw.text = string(raw.Record)
	}
	rec, err := parse(raw.text)
	if err != nil {
		return Decoded{}, err
	}
	event, badTime, err := rec.event(raw)
	if err != nil {
		return Decoded{}, err
	}
	if drop := rec.ofNoConsequence(); drop != "" {
		return Decoded{Event: event, Drop: drop}, nil
	}
	m := &marker{rec: rec, event: &event}
	drop, err := d.index.mark(m)
	if err != nil || drop != "" {
		return Decoded{Event: event, Drop: drop}, err
	}
	switch {
	case !validAccount(event.Account):
		return Decoded{}, fmt.Errorf("%s is of account %q, which is no AWS account id: recipientAccountId, userIdentity.accountId or the EventBridge envelope must name it", event.Name, event.Account)
	case !validRegion(event.Region):
		return Decoded{}, fmt.Errorf("awsRegion %q is no name of a Region", clip(event.Region, 40))
	case badTime != nil:
		return Decoded{}, badTime
	}
	return Decoded{Event: event, Marks: m.marks}, nil
}

// mark applies the rules of the record. Nothing marked has a reason.
func (x *index) mark(m *marker) (DropReason, error) {
	source, known := x.sources[m.rec.source]
	var named []*rule
	if known {
		named = source.names[m.rec.name]
		for _, rules := range [][]*rule{named, source.every} {
			for _, r := range rules {
				if err := m.apply(r); err != nil {
					return "", err
				}
			}
		}
	}
	for _, r := range x.every {
		if err := m.apply(r); err != nil {
			return "", err
		}
	}
	switch {
	case len(m.marks) > 0:
		return "", nil
	case !known:
		return DropUnsupportedService, nil
	case len(named) == 0 && len(source.every) == 0:
		return DropUnknownEvent, nil
	default:
		return DropNoResource, nil
	}
}

// readPrefixes are the names of calls that read, for records too old to hold
// readOnly.
var readPrefixes = []string{"Get", "List", "Describe"}

// ofNoConsequence says why the call cannot have changed a configuration.
func (rec *record) ofNoConsequence() DropReason {
	switch {
	case rec.management == no, rec.category != "" && rec.category != "Management":
		return DropNotManagement
	case rec.errorCode != "" || rec.errorMessage != "":
		return DropFailedCall
	case rec.readOnly == yes:
		return DropReadOnly
	}
	if rec.readOnly == unsaid {
		for _, p := range readPrefixes {
			if strings.HasPrefix(rec.name, p) {
				return DropReadOnly
			}
		}
	}
	return ""
}

// event keeps what qrie tells of the record. An unreadable time is handed back
// apart: it matters only if the record marks something.
func (rec *record) event(raw Raw) (e qrie.Event, badTime, err error) {
	e = qrie.Event{
		ID: rec.id, Name: rec.name, Source: rec.source, Account: rec.recipient, Region: rec.region,
		Arrived: raw.Arrived, SourceIP: rec.sourceIP, UserAgent: rec.userAgent, Actor: rec.actor(),
	}
	if e.Account == "" {
		e.Account = rec.identity.account
	}
	if delivered := raw.Envelope.Account; delivered != "" {
		if e.Account == "" {
			e.Account = delivered
		}
		if e.Account != delivered {
			return e, nil, fmt.Errorf("the record says account %q and EventBridge delivered it for account %q: it is forged, or was put together by hand", clip(e.Account, 40), delivered)
		}
	}
	if e.Region == "" {
		e.Region = raw.Envelope.Region
	}
	if e.ID == "" {
		// CloudTrail always writes one; an export may have lost it. One made of the
		// record keeps the same record the same event.
		sum := sha256.Sum256([]byte(rec.whole))
		e.ID = "sha256:" + hex.EncodeToString(sum[:16])
	}
	e.Time, badTime = rec.when()
	if e.Time.IsZero() && badTime == nil {
		if e.Time = raw.Envelope.Time.UTC(); raw.Envelope.Time.IsZero() {
			e.Time = raw.Arrived
		}
	}
	return e, badTime, nil
}

// validAccount accepts digits. AWS's ids have twelve; the account list decides
// which of them qrie watches, and here only what may become part of a key is
// of concern.
func validAccount(s string) bool {
	if s == "" || len(s) > 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// validRegion accepts what may be a Region's name. Global events may lack it.
func validRegion(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(s) <= 32
}
