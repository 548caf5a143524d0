package streamtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

func emptyStreamIdles(t *testing.T, s *suite) {
	st := s.open()
	r := finishing(t)
	stop := s.consume(st, r)
	s.until("every shard is owned", func() bool { return len(r.open()) == len(s.shards(st)) })
	time.Sleep(s.LeaseTime / 2)
	if n := r.count(); n != 0 {
		t.Errorf("%d records out of an empty stream", n)
	}
	if err := stop(); err != nil {
		t.Errorf("Consume: %v", err)
	}
	if n := len(r.open()); n != 0 {
		t.Errorf("%d sessions have not ended", n)
	}
	for _, shard := range s.shards(st) {
		if shard.Owner != "" || shard.Checkpoint != "" || shard.Behind > 0 || shard.Lag != 0 {
			t.Errorf("an idle shard after a drain: %+v", shard)
		}
	}
}

func closed(t *testing.T, s *suite) {
	st := s.open()
	r := finishing(t)
	ended := make(chan error, 1)
	go func() { ended <- st.Consume(t.Context(), r) }()
	s.publish(st, batch(4, 0, 4)...)
	s.until("the records arrive", func() bool { return r.count() == 16 })
	for range 2 {
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Consume: %v", err)
		}
	default:
		t.Error("Close returned before Consume did")
	}
	if err := st.Publish(t.Context(), batch(1, 9, 1)); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("Publish after Close: %v", err)
	}
	if err := st.Consume(t.Context(), finishing(t)); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("Consume after Close: %v", err)
	}
	if err := st.Tail(t.Context(), time.Time{}, func(stream.Record) error { return nil }); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("Tail after Close: %v", err)
	}
	if _, err := st.Shards(t.Context()); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("Shards after Close: %v", err)
	}
}

func shardsTellTheBacklog(t *testing.T, s *suite) {
	st := s.open()
	s.publish(st, batch(8, 0, 5)...)
	var behind int64
	for _, shard := range s.shards(st) {
		if shard.Behind < 0 {
			return // this adapter cannot tell, and says so
		}
		behind += shard.Behind
		if shard.Behind > 0 && (shard.Lag <= 0 || shard.Lag > time.Hour) {
			t.Errorf("a shard with a backlog and a lag of %v", shard.Lag)
		}
	}
	if behind != 40 {
		t.Errorf("%d records behind, want 40", behind)
	}
	s.consume(st, finishing(t))
	s.until("the checkpoints reach the end", func() bool { return s.drained(st) })
}

// drained reports whether no shard has anything after its checkpoint.
func (s *suite) drained(st stream.Stream) bool {
	for _, shard := range s.shards(st) {
		if shard.State == stream.ShardOpen && shard.Behind > 0 || shard.Lag > 0 {
			return false
		}
	}
	return true
}

// Records finish in random order, one of each shard last of all. The stored
// checkpoint is watched: it never passes what is unfinished and never goes
// back.
func checkpointNeverPassesUnfinished(t *testing.T, s *suite) {
	st := s.open()
	const keys, n = 16, 40
	published := batch(keys, 0, n)
	var stuck sync.Map // shard to its first delivery
	r := newRecorder(t, nil)
	hold := make(chan *delivery, keys*n)
	r.each = func(d *delivery) {
		if _, another := stuck.LoadOrStore(d.Shard, d); another {
			hold <- d
		}
	}
	s.consume(st, r)
	s.publish(st, published...)
	s.until("every record is handed over", func() bool { return has(r.seen(), published) })

	last := map[string]string{}
	watch := func() {
		t.Helper()
		shards := s.shards(st)
		// What is unfinished now was so when the checkpoint was written.
		for _, d := range r.all() {
			r.mu.Lock()
			done := d.done
			r.mu.Unlock()
			for _, shard := range shards {
				if !done && shard.ID == d.Shard && stream.CompareSeq(shard.Checkpoint, d.Seq) >= 0 {
					t.Fatalf("the checkpoint of %s is %s, and record %s is unfinished", shard.ID, shard.Checkpoint, d.Seq)
				}
			}
		}
		for _, shard := range shards {
			if stream.CompareSeq(shard.Checkpoint, last[shard.ID]) < 0 {
				t.Fatalf("the checkpoint of %s went back from %s to %s", shard.ID, last[shard.ID], shard.Checkpoint)
			}
			last[shard.ID] = shard.Checkpoint
		}
	}
	var pending []*delivery
	for len(hold) > 0 {
		pending = append(pending, <-hold)
	}
	s.rand.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
	for i, d := range pending {
		r.finish(d)
		if i%40 == 0 {
			watch()
			time.Sleep(s.LeaseTime / 20)
		}
	}
	time.Sleep(s.LeaseTime / 2)
	watch()
	for _, shard := range s.shards(st) {
		if first, ok := stuck.Load(shard.ID); ok {
			if d := first.(*delivery); stream.CompareSeq(shard.Checkpoint, d.Seq) >= 0 {
				t.Fatalf("the checkpoint of %s passed its first record, which is unfinished", shard.ID)
			}
		}
	}
	stuck.Range(func(_, first any) bool { r.finish(first.(*delivery)); return true })
	s.until("the checkpoints reach the end", func() bool { watch(); return s.drained(st) })
}

// A consumer that is told to stop keeps its shards until what it has in hand
// is finished, and checkpoints that.
func drainWaitsForDone(t *testing.T, s *suite) {
	st := s.open()
	r := newRecorder(t, nil)
	stop := s.consume(st, r)
	early, late := batch(8, 0, 10), batch(8, 10, 10)
	s.publish(st, early...)
	s.until("the records are handed over", func() bool { return has(r.seen(), early) })
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	time.Sleep(s.DrainTimeout / 4)
	s.publish(st, late...)
	select {
	case err := <-stopped:
		t.Fatalf("Consume returned (%v) with 80 records unfinished", err)
	case <-time.After(s.DrainTimeout / 4):
	}
	in := r.all()
	slices.Reverse(in)
	for _, d := range in {
		r.finish(d)
	}
	if err := <-stopped; err != nil {
		t.Errorf("a clean drain: %v", err)
	}
	if n := r.ended(stream.Released); n == 0 || n != len(r.sessions) {
		t.Errorf("%d of %d sessions were released", n, len(r.sessions))
	}
	next := finishing(t)
	s.consume(s.open(), next)
	s.until("the rest is delivered to the next", func() bool { return has(next.seen(), late) })
	// Unless what came late was already in hand when the stop was heard.
	for payload := range next.seen() {
		if r.seen()[payload] > 0 {
			t.Errorf("%s was finished before the drain and is delivered again", payload)
		}
	}
}

// A handler that never finishes: the drain gives up, and the next consumer is
// given everything again, though nothing that was finished before.
func unfinishedIsDeliveredAgain(t *testing.T, s *suite) {
	st := s.open()
	before := batch(8, 0, 5)
	s.publish(st, before...)
	first := finishing(t)
	stop := s.consume(st, first)
	s.until("the records before are finished", func() bool { return has(first.seen(), before) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	reached := s.shards(st)

	r := newRecorder(t, nil)
	stop = s.consume(st, r)
	records := batch(8, 5, 10)
	s.publish(st, records...)
	s.until("the records are handed over", func() bool { return has(r.seen(), records) })
	time.Sleep(s.LeaseTime / 2)
	for i, shard := range s.shards(st) {
		if shard.Checkpoint != reached[i].Checkpoint {
			t.Errorf("the checkpoint of %s went from %q to %q, and nothing was finished", shard.ID, reached[i].Checkpoint, shard.Checkpoint)
		}
	}
	began := time.Now()
	if err := stop(); err == nil {
		t.Error("Consume returned nil with 80 records unfinished")
	}
	if took := time.Since(began); took < s.DrainTimeout/2 {
		t.Errorf("the drain was given up after %v, not %v", took, s.DrainTimeout)
	}
	next := finishing(t)
	s.consume(s.open(), next)
	s.until("everything is delivered again", func() bool { return has(next.seen(), records) })
	for payload := range next.seen() {
		if first.seen()[payload] > 0 {
			t.Errorf("%s was finished long ago and is delivered again", payload)
		}
	}
	for _, d := range r.all() {
		d.session.Done(d.Seq) // too late to matter
	}
	s.until("the checkpoints reach the end", func() bool { return s.drained(st) })
}

func unfinishedIsBounded(t *testing.T, s *suite) {
	st := s.open()
	r := newRecorder(t, nil)
	s.consume(st, r)
	records := batch(1, 0, 3*s.MaxUnfinished)
	s.publish(st, records...)
	s.until("as much is handed over as may be", func() bool { return r.count() == s.MaxUnfinished })
	time.Sleep(s.LeaseTime / 2)
	if n := r.count(); n != s.MaxUnfinished {
		t.Fatalf("%d records unfinished, at most %d may be", n, s.MaxUnfinished)
	}
	s.until("all is delivered once records finish", func() bool {
		for _, d := range r.all() {
			r.finish(d)
		}
		return has(r.seen(), records)
	})
}

// The first step publishes what the second reads, from within its handler.
func handlersMayPublish(t *testing.T, s *suite) {
	st := s.open()
	r := newRecorder(t, nil)
	r.each = func(d *delivery) {
		if d.Key[0] == 'k' {
			next := stream.Record{Key: "second-" + d.Key, Data: append([]byte("second-"), d.Data...)}
			if err := st.Publish(d.session.Context(), []stream.Record{next}); err != nil {
				t.Error(err)
				return
			}
		}
		r.finish(d)
	}
	s.consume(st, r)
	records := batch(8, 0, 20)
	s.publish(st, records...)
	for _, first := range records {
		records = append(records, stream.Record{Data: append([]byte("second-"), first.Data...)})
	}
	s.until("both steps are done", func() bool { return has(r.seen(), records) })
}

// Somebody tails the stream while others consume it: he sees what is published
// from the moment on that he named, in order, and nothing of the consumers
// changes.
func tailSeesWhatPasses(t *testing.T, s *suite) {
	st := s.open()
	before := batch(8, 0, 5)
	s.publish(st, before...)
	r := finishing(t)
	s.consume(st, r)
	s.until("the records before are finished", func() bool { return s.drained(st) && has(r.seen(), before) })
	reached := s.shards(st)

	var mu sync.Mutex
	var whole, late []stream.Record // from the first record on, and from now on
	tail := func(from time.Time, into *[]stream.Record) {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := st.Tail(ctx, from, func(r stream.Record) error {
				mu.Lock()
				defer mu.Unlock()
				*into = append(*into, r)
				return nil
			}); err != nil {
				t.Errorf("Tail: %v", err)
			}
		})
		t.Cleanup(func() { cancel(); wg.Wait() })
	}
	seen := func(records *[]stream.Record) map[string]int {
		mu.Lock()
		defer mu.Unlock()
		seen := map[string]int{}
		for _, r := range *records {
			seen[string(r.Data)]++
		}
		return seen
	}
	tail(time.Now().Add(-time.Hour), &whole)
	tail(time.Time{}, &late)
	s.until("the tail from an hour ago shows what was there", func() bool { return has(seen(&whole), before) })
	for i, shard := range s.shards(st) {
		if shard.Checkpoint != reached[i].Checkpoint || shard.Owner != reached[i].Owner || shard.Epoch != reached[i].Epoch {
			t.Errorf("%s was %+v, and is %+v since it is tailed", shard.ID, reached[i], shard)
		}
	}
	// A tail that begins now may need a moment to do so.
	var after []stream.Record
	for i := 5; !has(seen(&late), after[max(0, len(after)-8):]) || len(after) == 0; i++ {
		if i > 100 {
			t.Fatalf("of %d records published since, the tail shows %d", len(after), len(seen(&late)))
		}
		records := batch(8, i, 1)
		s.publish(st, records...)
		after = append(after, records...)
		time.Sleep(100 * time.Millisecond)
	}
	s.until("both tails show the rest", func() bool { return has(seen(&whole), after) && has(seen(&late), after[len(after)-8:]) })
	mu.Lock()
	defer mu.Unlock()
	for _, records := range [][]stream.Record{whole, late} {
		last := map[string]string{}
		for _, r := range records {
			if payload := string(r.Data); payload <= last[r.Key] {
				t.Errorf("the tail shows %s after %s", payload, last[r.Key])
			} else {
				last[r.Key] = payload
			}
			if r.Shard == "" || r.Seq == "" || r.Arrived.IsZero() {
				t.Errorf("a record without its place: %+v", r)
			}
		}
	}
	for _, r := range before {
		if slices.ContainsFunc(late, func(l stream.Record) bool { return string(l.Data) == string(r.Data) }) {
			t.Errorf("%s was there before, and the tail from now on shows it", r.Data)
		}
	}

	refuse := errors.New("enough")
	if err := st.Tail(t.Context(), time.Now().Add(-time.Hour), func(stream.Record) error { return refuse }); !errors.Is(err, refuse) {
		t.Errorf("Tail whose reader gave up: %v", err)
	}
}
