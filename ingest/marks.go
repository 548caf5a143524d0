package ingest

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/qrie-sec/qrie"
)

const (
	// MaxIDs bounds how many resources of one type an event marks one by one;
	// beyond it the type is marked as a whole, which costs less.
	MaxIDs = 1000

	// maxID is longer than any id or ARN of AWS.
	maxID = 2048
)

// marker gathers the marks of one record.
type marker struct {
	rec   *record
	event *qrie.Event
	marks []qrie.Mark
}

// apply adds what the rule marks.
func (m *marker) apply(r *rule) error {
	for _, o := range r.only {
		if m.rec.get(o.path).String() != o.want {
			return nil
		}
	}
	for _, p := range r.has {
		if !m.rec.has(p) {
			return nil
		}
	}
	if r.line.Owner != "" {
		if owner := m.rec.get(r.owner).String(); owner != "" && owner != m.event.Account {
			return nil
		}
	}
	if r.line.Self {
		return m.add(r, m.event.Account)
	}
	prefix := r.line.Prefix
	if r.dynamic {
		prefix = r.line.ExpandPrefix(m.event.Account, m.event.Region)
	}
	for _, p := range r.ids {
		ids, err := idsAt(p, m.rec.get(p), prefix, r.line.Trim)
		switch {
		case err != nil:
			return err
		case len(ids) > MaxIDs:
			return m.add(r, "")
		case len(ids) > 0:
			for _, id := range ids {
				if err := m.add(r, id); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if r.line.Caller && m.rec.identity.kind == "IAMUser" {
		if name := m.rec.identity.userName(); name != "" {
			return m.add(r, name)
		}
	}
	if r.line.Wide {
		return m.add(r, "")
	}
	return nil
}

// add marks one resource, or every one of the type if id is empty, once.
func (m *marker) add(r *rule, id string) error {
	if m.event.Region == "" && !r.typ.Home {
		return fmt.Errorf("awsRegion is absent, and a %s is in a Region", r.typ.Title)
	}
	ref := r.typ.Ref(m.event.Account, m.event.Region, id)
	for _, have := range m.marks {
		if have.Ref.Type == ref.Type && have.Ref.ID == ref.ID {
			return nil
		}
	}
	m.marks = append(m.marks, qrie.Mark{Ref: ref, Reason: qrie.ReasonEvent, Event: m.event})
	return nil
}

// idsAt reads the ids that a path gives: one text, or a list of them.
func idsAt(p path, v gjson.Result, prefix string, trim bool) (ids []string, err error) {
	take := func(v gjson.Result) bool {
		switch v.Type {
		case gjson.Null:
			return true
		case gjson.String:
		default:
			err = fmt.Errorf("%s holds %s where CloudTrail writes an id", p.full, kindOf(v))
			return false
		}
		id, ok := strings.CutPrefix(v.Str, prefix)
		if !ok {
			return true
		}
		if !trim {
			id = v.Str
		}
		if id == "" {
			return true
		}
		if err = plausible(p, id); err != nil {
			return false
		}
		ids = append(ids, strings.Clone(id))
		return len(ids) <= MaxIDs
	}
	if v.IsArray() {
		flatten(v, take)
	} else {
		take(v)
	}
	return ids, err
}

// flatten visits the elements of a list; "#" twice in a path gives lists of
// lists.
func flatten(v gjson.Result, take func(gjson.Result) bool) bool {
	more := true
	v.ForEach(func(_, e gjson.Result) bool {
		if e.IsArray() {
			more = flatten(e, take)
		} else {
			more = take(e)
		}
		return more
	})
	return more
}

// plausible refuses what cannot be an id of AWS, before it becomes a key.
func plausible(p path, id string) error {
	if len(id) > maxID {
		return fmt.Errorf("%s holds an id of %d bytes: AWS has none beyond %d", p.full, len(id), maxID)
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] == 0x7f {
			return fmt.Errorf("%s holds an id with a control character: AWS has none", p.full)
		}
	}
	return nil
}
