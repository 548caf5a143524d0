package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// journalVersion changes whenever the same entries would make another world.
const journalVersion = 1

// header is the first line of a journal: what the world was made of.
type header struct {
	Version   int       `json:"simulated_organisation"`
	Seed      uint64    `json:"seed"`
	Accounts  int       `json:"accounts"`
	Resources int       `json:"resources"`
	Start     time.Time `json:"start"`
}

// entry is one act. It is written before the act is done, so an act that was
// seen is in the journal.
type entry struct {
	Do  string `json:"do"` // live or change
	At  int64  `json:"at"` // Unix nanoseconds
	ID  string `json:"id,omitempty"`
	ARN string `json:"arn,omitempty"`
}

// underway is how long before the end of a journal an event may have been due
// and yet not have reached the stream.
const underway = 5 * time.Second

// Open makes a world that outlives its process: what Run and Change do is
// written to the journal, and a world opened on the same journal has the same
// past. The sizes and the seed of an existing journal win over those of o.
// pending are the events that were under way when the journal ended; some may
// have arrived already.
//
// A read must begin at the start of the journal and a write append to it.
func Open(journal io.ReadWriter, o Options) (w *World, pending []Delivery, err error) {
	lines := bufio.NewScanner(journal)
	lines.Buffer(nil, 64<<10)
	if !lines.Scan() {
		if err := lines.Err(); err != nil {
			return nil, nil, fmt.Errorf("read the journal: %w", err)
		}
		w := New(o)
		w.journal = journal
		h := header{journalVersion, w.seed, len(w.accounts), o.Resources, w.start}
		return w, nil, w.note(h)
	}
	var h header
	if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Version == 0 {
		return nil, nil, errors.New("the journal does not begin as that of a simulated organisation")
	}
	if h.Version != journalVersion {
		return nil, nil, fmt.Errorf("the journal is of version %d and this qrie knows %d", h.Version, journalVersion)
	}
	o.Seed, o.Accounts, o.Resources, o.Start = h.Seed, h.Accounts, h.Resources, h.Start
	w = New(o)
	var last time.Time
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // torn by a power cut, before its act was done
		}
		last = time.Unix(0, e.At)
		pending = append(pending, w.again(e)...)
		pending = since(pending, last.Add(-underway))
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fmt.Errorf("read the journal: %w", err)
	}
	w.journal = journal
	// A line of its own ends what may have been torn.
	if _, err := io.WriteString(journal, "\n"); err != nil {
		return nil, nil, fmt.Errorf("write the journal: %w", err)
	}
	return w, pending, nil
}

// again does what an entry says was done.
func (w *World) again(e entry) []Delivery {
	at := time.Unix(0, e.At)
	switch e.Do {
	case "live":
		list, _, _ := w.live(at) // without a journal, nothing can fail
		return list
	case "change":
		m := moveByID(e.ID)
		if m == nil {
			return nil
		}
		events, _, err := w.apply(m, e.ARN, at)
		if err != nil {
			return nil // as it was refused the first time
		}
		list := make([]Delivery, len(events))
		for i := range events {
			list[i] = Delivery{At: at, Account: events[i].account.ID, Data: events[i].envelope()}
		}
		return list
	}
	return nil
}

// note writes one line. Without a journal it does nothing.
func (w *World) note(line any) error {
	if w.journal == nil {
		return nil
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	if _, err := w.journal.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// since keeps what is due at or after a moment.
func since(list []Delivery, from time.Time) []Delivery {
	kept := list[:0]
	for _, d := range list {
		if !d.At.Before(from) {
			kept = append(kept, d)
		}
	}
	return kept
}
