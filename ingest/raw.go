package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"
)

// Raw is one CloudTrail record as it was found, not yet judged.
type Raw struct {
	// Envelope is how EventBridge delivered the record; zero if it did not.
	Envelope Delivery
	// Record is the CloudTrail record, or, where no record can be made out,
	// what stands in its place (at most its first 4 KiB if it is over-long). It
	// may share memory with the input of Split.
	Record []byte
	// Number is the place among the records of the input, from 1, and Offset
	// where it begins, in bytes of the (inflated) input.
	Number int
	Offset int64
	// Arrived is when the record entered the stream. The caller may set it; it
	// goes into the event, and stands in for an eventTime that is absent.
	Arrived time.Time

	text  string // Record, once it is known to be valid
	fault error  // why it is not
}

// Delivery is what an EventBridge envelope says. EventBridge sets Account, so
// the sender of a record cannot choose it.
type Delivery struct {
	ID         string
	DetailType string
	Source     string // such as aws.s3
	Account    string
	Region     string
	Time       time.Time
}

// rawsOf takes the records out of one JSON object: an EventBridge event, a
// bare record, a small log file, or a record wrapped by the tool it was
// fetched with.
func rawsOf(object []byte, number int, offset int64) []Raw {
	if err := check(object); err != nil {
		return []Raw{{Record: object, Number: number, Offset: offset, fault: err}}
	}
	return rawsOfValid(object, number, offset)
}

// rawsOfValid is rawsOf for an object that is checked.
func rawsOfValid(object []byte, number int, offset int64) []Raw {
	text := string(object)
	raw := Raw{Record: object, Number: number, Offset: offset, text: text}
	kept := texts{piece: envelopeTexts}
	var detail, event, lookup, list gjson.Result
	bare := false
	gjson.Parse(text).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "detail":
			detail = value
		case "detail-type":
			raw.Envelope.DetailType = kept.keep(value.Str, maxText)
		case "id":
			raw.Envelope.ID = kept.keep(value.Str, maxText)
		case "source":
			raw.Envelope.Source = kept.keep(value.Str, maxText)
		case "account":
			raw.Envelope.Account = kept.keep(value.Str, maxText)
		case "region":
			raw.Envelope.Region = kept.keep(value.Str, maxText)
		case "time":
			raw.Envelope.Time, _ = time.Parse(time.RFC3339, value.Str) // a hint: eventTime counts
		case "eventName", "eventSource":
			bare = true
			return false
		case "Records", "Events":
			list = value
		case "event":
			event = value
		case "CloudTrailEvent":
			lookup = value
		}
		return true
	})
	part := func(v gjson.Result) []byte { return object[v.Index : v.Index+len(v.Raw)] }
	switch {
	case bare:
		raw.Envelope = Delivery{}
	case detail.IsObject() && raw.Envelope.DetailType != "":
		raw.Record, raw.text = part(detail), detail.Raw
		if raw.Envelope.Account == "" {
			raw.fault = errors.New("the EventBridge envelope names no account: pass the event on as EventBridge delivered it")
		}
	case list.IsArray():
		var raws []Raw
		list.ForEach(func(_, value gjson.Result) bool {
			element := part(value)
			raws = append(raws, rawsOfValid(element, number+len(raws), offset+int64(value.Index))...)
			return true
		})
		return raws
	case event.IsObject():
		raw.Envelope, raw.Record, raw.text = Delivery{}, part(event), event.Raw
	case lookup.Type == gjson.String:
		raw.Envelope, raw.Record, raw.text = Delivery{}, []byte(lookup.Str), lookup.Str
		raw.fault = check(raw.Record)
	default:
		raw.Envelope = Delivery{}
		raw.fault = errors.New("neither an EventBridge event (no \"detail\" with a \"detail-type\") nor a CloudTrail record (no \"eventName\")")
	}
	return []Raw{raw}
}

// where prefixes an error with the place in the input, if the input held more
// than the one record.
func (r Raw) where(err error) error {
	if r.Number <= 1 && r.Offset == 0 {
		return err
	}
	return fmt.Errorf("record %d at byte %d: %w", r.Number, r.Offset, err)
}
