package processor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/stream"
)

// kind tells the records that qrie publishes itself apart. Whatever carries
// none of them is an event.
type kind string

const (
	kindMark  kind = "mark"  // step 2: resources that may have changed
	kindScan  kind = "scan"  // one page of a listing, or the sweep that ends it
	kindJudge kind = "judge" // one page of stored resources to judge anew
	kindPlan  kind = "plan"  // a job whose page tasks are to be laid out
	kindProbe kind = "probe" // nothing to do: whoever sent it sees that somebody reads
)

// kinds are all there are.
var kinds = []kind{kindMark, kindScan, kindJudge, kindPlan, kindProbe}

// recordVersion is the version of the envelope. A record of another version
// becomes a dead letter and can be replayed by a worker that knows it.
const recordVersion = 1

// envelope is a record of qrie's own: things of one kind for one owner.
type envelope[T any] struct {
	Version int  `json:"v"`
	Kind    kind `json:"kind"`
	Items   []T  `json:"items"`
}

// Each record that encode makes begins so; an EventBridge envelope begins with
// "version". Telling them apart must not cost reading them.
var (
	ownPrefix  = []byte(`{"v":`)
	kindPrefix = []byte(`{"v":1,"kind":"`)
)

// touched is a mark on its way through the stream: one resource with the
// events that name it, merged.
type touched struct {
	Ref    qrie.Ref        `json:"ref"`
	Reason qrie.MarkReason `json:"reason"`
	Events []qrie.Event    `json:"events,omitempty"` // newest first, at most qrie.MaxCauseEvents
	// More is set once an event was left out of Events. That these were handled
	// then says nothing of that one.
	More    bool `json:"more,omitempty"`
	Attempt int  `json:"attempt,omitempty"`
	// Through is set where the events name another resource, which refers to
	// this one.
	Through bool `json:"through,omitempty"`
	// Planned is set once a look that somebody planned is merged into the mark:
	// a later look at an event, or a scan's. It must not be skipped.
	Planned bool `json:"-"`
}

// line is where the mark waits: what an event asks for goes first.
func (t *touched) line() int {
	if t.Reason == qrie.ReasonEvent {
		return eventLine
	}
	return scanLine
}

// merge adds what another mark of the same resource knows.
func (t *touched) merge(o touched) {
	t.Planned = !t.fromStream() || !o.fromStream()
	t.Through = t.Through || o.Through
	before := t.Events
	t.Events = qrie.NewestEvents(before, o.Events)
	leftOut := func(e qrie.Event) bool { return !qrie.Cause{Events: t.Events}.Lists(e) }
	t.More = t.More || o.More || slices.ContainsFunc(before, leftOut) || slices.ContainsFunc(o.Events, leftOut)
	t.Attempt = min(t.Attempt, o.Attempt)
	if o.Reason == qrie.ReasonEvent {
		t.Reason = qrie.ReasonEvent
	}
	if t.Ref.ARN == "" {
		t.Ref.ARN = o.Ref.ARN
	}
}

// scanTask lists one page of a type in an account and Region.
type scanTask struct {
	Job     string    `json:"job,omitempty"` // empty for a listing that an event asked for
	Account string    `json:"account"`
	Region  string    `json:"region"`
	Type    string    `json:"type"`
	Token   string    `json:"token,omitempty"`
	Page    int       `json:"page"`
	Sweep   bool      `json:"sweep,omitempty"` // the listing is complete: look at what it did not name
	Started time.Time `json:"started"`
	// Events are those that asked for the listing, newest first: they may have
	// changed any of what is listed.
	Events []qrie.Event `json:"events,omitempty"`
}

func (t scanTask) id() string {
	step := "list"
	if t.Sweep {
		step = "sweep"
	}
	return fmt.Sprintf("%s/%s/%s/%s/%d", t.Account, t.Region, t.Type, step, t.Page)
}

func (t scanTask) key() string {
	return qrie.Ref{Account: t.Account, Type: t.Type}.AccountService()
}

// judgeTask judges stored resources of a type in an account anew: one page of
// them, or those that are named.
type judgeTask struct {
	Job       string   `json:"job,omitempty"` // empty with Resources
	Account   string   `json:"account"`
	Type      string   `json:"type"`
	Note      string   `json:"note"` // why, for the cause of what it opens
	Token     string   `json:"token,omitempty"`
	Page      int      `json:"page"`
	Resources []string `json:"resources,omitempty"` // ids
}

func (t judgeTask) id() string { return fmt.Sprintf("%s/%s/%d", t.Account, t.Type, t.Page) }

func (t judgeTask) key() string {
	return qrie.Ref{Account: t.Account, Type: t.Type}.AccountService()
}

// Bounds of one published record of marks: small enough that one failed record
// repeats little, large enough that a scan of ten thousand resources is not
// ten thousand records.
const (
	maxMarksPerRecord = 64
	maxMarkBytes      = 256 << 10
)

func encode[T any](k kind, key string, items []T) (stream.Record, error) {
	data, err := json.Marshal(envelope[T]{Version: recordVersion, Kind: k, Items: items})
	if err != nil {
		return stream.Record{}, fmt.Errorf("encode %s record: %w", k, err)
	}
	return stream.Record{Key: key, Data: data}, nil
}

// encodeMarks groups marks by owner, in the order given, into bounded records,
// and lets each be kept with the marks that it holds.
func encodeMarks(marks []touched, keep func(record []byte, marks []touched)) ([]stream.Record, error) {
	var order []string
	groups := map[string][]touched{}
	for _, m := range marks {
		key := m.Ref.AccountService()
		if _, ok := groups[key]; !ok {
			order = append(order, key)
		}
		groups[key] = append(groups[key], m)
	}
	var records []stream.Record
	for _, key := range order {
		parts := slices.Collect(slices.Chunk(groups[key], maxMarksPerRecord))
		for len(parts) > 0 {
			part := parts[0]
			parts = parts[1:]
			r, err := encode(kindMark, key, part)
			if err != nil {
				return nil, err
			}
			if len(r.Data) > maxMarkBytes && len(part) > 1 {
				parts = slices.Concat(slices.Collect(slices.Chunk(part, 1)), parts)
				continue
			}
			keep(r.Data, part)
			records = append(records, r)
		}
	}
	return records, nil
}

// open tells the kind of one of qrie's own records; own is false for an event.
func open(data []byte) (k kind, own bool, err error) {
	if !bytes.HasPrefix(data, ownPrefix) {
		return "", false, nil
	}
	rest, ok := bytes.CutPrefix(data, kindPrefix)
	if !ok {
		return "", true, fmt.Errorf("record has no envelope of version %d, which this worker knows: upgrade it, then replay the dead letter", recordVersion)
	}
	name, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return "", true, errors.New("record ends within its envelope")
	}
	return kind(name), true, nil
}

// items reads what a record holds.
func items[T any](data []byte) ([]T, error) {
	var e envelope[T]
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("record of qrie's own is damaged: %w", err)
	}
	return e.Items, nil
}
