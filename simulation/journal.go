package simulation

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// journal is what came into the log, and how far it is said to be done. It is
// part of the watch.
type journal struct {
	decoder *ingest.Decoder
	known   map[string]*entry // by content
	shards  map[string]*shard

	marked  map[string]time.Time // when a mark of a resource was last published, by key
	first   map[string]time.Time // when an event's mark of a resource arrived first, by event id and key
	tasks   map[string]time.Time // when a page task was last published
	lists   map[string]time.Time // when a listing was last asked for, by the key of its mark
	pending map[string]int       // marks of a resource that are published and not done, by key
	planned map[string]int       // page tasks likewise
}

type shard struct {
	records    []arrived
	checkpoint int
	epoch      int64
}

type arrived struct {
	*entry
	at  time.Time
	seq string
}

// entry is a record as far as the simulation understands it.
type entry struct {
	kind  string // empty: an event
	bad   bool   // nobody understands it
	marks []mark
	tasks []task
}

func (e *entry) String() string {
	if e.bad {
		return "garbage"
	}
	text := cmp.Or(e.kind, "event")
	for _, m := range e.marks {
		text += " " + m.Ref.Key()
		for _, ev := range m.Events {
			text += " after " + ev.ID
		}
		if m.Attempt > 0 {
			text += fmt.Sprint(" again ", m.Attempt)
		}
	}
	for _, t := range e.tasks {
		text += " " + t.job + " " + t.page
	}
	return text
}

type mark struct {
	Ref     qrie.Ref        `json:"ref"`
	Reason  qrie.MarkReason `json:"reason"`
	Events  []qrie.Event    `json:"events"`
	More    bool            `json:"more"` // events were left out
	Attempt int             `json:"attempt"`
}

// task is a page task of any kind: the job, and the name of the page within it.
type task struct{ job, page string }

func newJournal() journal {
	return journal{decoder: ingest.NewDecoder(resources.All()), known: map[string]*entry{}, shards: map[string]*shard{},
		marked: map[string]time.Time{}, first: map[string]time.Time{}, tasks: map[string]time.Time{}, lists: map[string]time.Time{}, pending: map[string]int{}, planned: map[string]int{}}
}

// Accepted implements the witness of the log.
func (w *watch) Accepted(r stream.Record, copies int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, now := w.read(r), w.r.now()
	for _, m := range e.marks {
		if e.kind == "mark" {
			w.marked[m.Ref.Key()] = now
			w.pending[m.Ref.Key()] += copies
		}
	}
	for _, t := range e.tasks {
		w.tasks[t.job+" "+t.page] = now
		w.planned[t.job+" "+t.page] += copies
	}
}

// Arrived implements the witness of the log.
func (w *watch) Arrived(r stream.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.shards[r.Shard]
	if s == nil {
		s = &shard{}
		w.shards[r.Shard] = s
	}
	e := w.read(r)
	s.records = append(s.records, arrived{e, r.Arrived, r.Seq})
	w.r.trace.note(w.r.now(), "%s takes record %s: %s", r.Shard, r.Seq, e)
	for _, m := range e.marks {
		for _, ev := range m.Events {
			id := ev.ID + m.Ref.Key()
			if _, ok := w.first[id]; !ok && e.kind == "mark" {
				w.first[id] = r.Arrived
			}
		}
	}
}

// Checkpointed implements the witness of the log: what a checkpoint passes must
// be done for good, whatever happens next.
func (w *watch) Checkpointed(id string, epoch int64, checkpoint string) {
	marks, err := w.r.store.DueDirty(w.r.ctx, w.r.now().Add(1000*time.Hour), 1<<30)
	dirty := map[string]bool{}
	for _, m := range marks {
		dirty[m.Ref.Key()] = true
	}
	letters, err2 := w.r.store.ListDeadLetters(w.r.ctx, store.PageRequest{Size: store.MaxPage})
	buried := map[string]bool{}
	for _, d := range letters.Items {
		buried[d.Shard+" "+d.Seq] = true
		if d.Seq == "" { // a mark that made the worker panic
			letter, err := w.r.store.DeadLetter(w.r.ctx, d.ID)
			if err != nil {
				w.wrong("dead letter %s cannot be read: %v", d.ID, err)
			}
			for _, m := range w.understand(letter.Data).marks {
				dirty[m.Ref.Key()] = true
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || err2 != nil {
		w.note("the store cannot be read: %v, %v", err, err2)
	}
	s := w.shards[id]
	to, err := strconv.Atoi(checkpoint)
	if err != nil || s == nil || to <= s.checkpoint || to > len(s.records) {
		w.note("the checkpoint of %s is %q", id, checkpoint)
		return
	}
	if epoch < s.epoch {
		w.note("the checkpoint of %s is written at epoch %d after one at %d", id, epoch, s.epoch)
	}
	passed := s.records[s.checkpoint:to]
	s.checkpoint, s.epoch = to, epoch
	for _, a := range passed {
		if a.kind == "mark" {
			for _, m := range a.marks {
				w.pending[m.Ref.Key()]--
			}
		}
		for _, t := range a.tasks {
			w.planned[t.job+" "+t.page]--
		}
	}
	for _, a := range passed {
		if buried[id+" "+a.seq] {
			continue
		}
		if why := w.undone(a, dirty); why != "" {
			w.note("the checkpoint of %s passes record %s of %s, which is not done: %s", id, a.seq, a.at.UTC().Format("15:04:05.000000000"), why)
		}
	}
}

// undone says what is still to be done of a record; nothing if it is empty.
func (w *watch) undone(a arrived, dirty map[string]bool) string {
	if a.bad {
		return "nobody understands it, and it is not in the dead letters"
	}
	for _, m := range a.marks {
		key := m.Ref.Key()
		if !w.always[m.Ref.Account] || w.pending[key] > 0 || dirty[key] {
			continue
		}
		if a.kind == "" {
			if w.marked[key].Before(a.at) {
				return "no mark of " + key + " was published"
			}
			continue
		}
		need := a.at
		fromStream := len(m.Events) > 0 && m.Attempt == 0 && m.Reason == qrie.ReasonEvent
		if fromStream && !m.More {
			need = time.Time{}
			for _, e := range m.Events {
				if at := w.first[e.ID+key]; at.After(need) {
					need = at
				}
			}
		}
		if m.Ref.ID == "" {
			if w.lists[key].Before(need) {
				return "nothing is listed for " + key
			}
			continue
		}
		stored, ok := w.resources[key]
		switch {
		case ok && !stored.ObservedAt.Before(need):
		case ok && fromStream && stored.ObservedAt.After(m.Events[0].Time.Add(settled(m.Ref.Type))):
		case !ok && !w.gone[key].Before(need):
		default:
			return "what is stored of " + key + " was observed at " + stored.ObservedAt.UTC().Format("15:04:05.000000000")
		}
	}
	for _, t := range a.tasks {
		name := t.job + " " + t.page
		if t.job == "" || w.tasks[name].After(a.at) || w.planned[name] > 0 {
			continue
		}
		job, counted, _, err := w.r.store.JobPage(w.r.ctx, t.job, t.page)
		if err != nil || !counted && job.State != store.JobCancelled {
			return "page " + t.page + " of job " + t.job + " is not counted"
		}
	}
	return ""
}

// settled is how long after an event every read shows what it did.
func settled(resourceType string) time.Duration {
	if t, ok := resources.Find(resourceType); ok && t.Home {
		return 5*time.Minute + 35*time.Second
	}
	return 35 * time.Second
}

// read understands a record.
func (w *watch) read(r stream.Record) *entry {
	content := string(r.Data)
	e, ok := w.known[content]
	if !ok {
		e = w.understand(r.Data)
		w.known[content] = e
	}
	return e
}

func (w *watch) understand(data []byte) *entry {
	if !own(stream.Record{Data: data}) {
		return w.event(data)
	}
	var head struct {
		V     int               `json:"v"`
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(data, &head) != nil || head.V != 1 {
		return &entry{kind: "?", bad: true}
	}
	e := &entry{kind: head.Kind}
	for _, item := range head.Items {
		switch head.Kind {
		case "mark":
			var m mark
			e.bad = e.bad || json.Unmarshal(item, &m) != nil
			e.marks = append(e.marks, m)
		case "scan", "judge", "plan":
			e.tasks = append(e.tasks, w.task(head.Kind, item))
		default:
			e.bad = true
		}
	}
	return e
}

func (w *watch) task(kind string, item []byte) task {
	var t struct {
		Job     json.RawMessage `json:"job"`
		Account string          `json:"account"`
		Region  string          `json:"region"`
		Type    string          `json:"type"`
		Page    int             `json:"page"`
		Sweep   bool            `json:"sweep"`
	}
	if err := json.Unmarshal(item, &t); err != nil {
		w.note("a task cannot be read: %v", err)
	}
	page := strconv.Itoa(t.Page)
	switch kind {
	case "plan":
		var job store.Job
		_ = json.Unmarshal(t.Job, &job) // else it has no id
		return task{job.ID, "plan/" + page}
	case "judge":
		return task{unquote(t.Job), t.Account + "/" + t.Type + "/" + page}
	}
	step := "list"
	if t.Sweep {
		step = "sweep"
	}
	if t.Page == 0 && !t.Sweep {
		ref := qrie.Ref{Account: t.Account, Region: t.Region, Type: t.Type}
		if rt, ok := resources.Find(t.Type); ok {
			ref.Global = rt.Global
		}
		w.lists[ref.Key()] = w.r.now()
	}
	return task{unquote(t.Job), t.Account + "/" + t.Region + "/" + t.Type + "/" + step + "/" + page}
}

func unquote(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // else it is none
	return s
}

// event is a record of the organisation's.
func (w *watch) event(data []byte) *entry {
	raws, err := ingest.Split(data)
	if err != nil {
		return &entry{bad: true}
	}
	e := &entry{}
	for _, raw := range raws {
		d, err := w.decoder.Decode(raw)
		if err != nil {
			e.bad = true
			continue
		}
		if d.Drop != "" {
			continue
		}
		for _, m := range d.Marks {
			e.marks = append(e.marks, mark{Ref: m.Ref, Reason: m.Reason})
		}
	}
	return e
}
