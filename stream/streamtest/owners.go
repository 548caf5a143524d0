package streamtest

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// balanced reports whether every open shard is owned, by so many owners whose
// shares differ by one at the most.
func (s *suite) balanced(st stream.Stream, owners int) bool {
	held := map[string]int{}
	for _, shard := range s.shards(st) {
		if shard.State != stream.ShardOpen {
			continue
		}
		if shard.Owner == "" {
			return false
		}
		held[shard.Owner]++
	}
	least, most := 1<<30, 0
	for _, n := range held {
		least, most = min(least, n), max(most, n)
	}
	return len(held) == owners && most-least <= 1
}

func consumersShareTheShards(t *testing.T, s *suite) {
	first, second := s.open(), s.open()
	a, b := finishing(t), finishing(t)
	stopA := s.consume(first, a)
	s.until("the first takes every shard", func() bool { return s.balanced(first, 1) })
	stopB := s.consume(second, b)
	published := batch(16, 0, 10)
	s.publish(first, published...)
	s.until("the second has its share", func() bool { return s.balanced(first, 2) })
	late := batch(16, 10, 10)
	s.publish(second, late...)
	published = append(published, late...)
	both := func() map[string]int {
		seen := a.seen()
		for payload, n := range b.seen() {
			seen[payload] += n
		}
		return seen
	}
	s.until("every record is delivered to one of them", func() bool { return has(both(), published) })
	if a.count() == 0 || b.count() == 0 {
		t.Errorf("%d records for one and %d for the other", a.count(), b.count())
	}
	if lost := a.ended(stream.Lost) + b.ended(stream.Lost); lost == 0 {
		for payload, n := range both() {
			if n > 1 {
				t.Errorf("%s was delivered %d times, though every lease was handed over after a drain", payload, n)
			}
		}
	}

	if err := stopA(); err != nil {
		t.Error(err)
	}
	s.until("the second has every shard", func() bool { return s.balanced(second, 1) })
	last := batch(16, 20, 5)
	s.publish(first, last...)
	s.until("the second is given everything", func() bool { return has(b.seen(), last) })
	if err := stopB(); err != nil {
		t.Error(err)
	}
}

// Handle blocks for several lease times. Renewal goes on, and another consumer
// that would like the shard does not get it.
func blockedHandlerKeepsItsLease(t *testing.T, s *suite) {
	first, second := s.open(), s.open()
	gate := make(chan struct{})
	a, b := newRecorder(t, nil), finishing(t)
	a.each = func(d *delivery) {
		block(d.session.Context(), gate)
		a.finish(d)
	}
	s.consume(first, a)
	s.consume(second, b)
	s.until("both have a share", func() bool { return s.balanced(first, 2) })
	before := s.shards(first)
	records := batch(16, 0, 3)
	s.publish(first, records...)
	s.until("the first blocks", func() bool { return a.count() > 0 })
	time.Sleep(3 * s.LeaseTime)
	for _, session := range a.open() {
		if !session.Valid() {
			t.Errorf("the session of %s is not valid while its handler blocks", session.Shard())
		}
	}
	for i, shard := range s.shards(first) {
		if shard.Owner != before[i].Owner || shard.Epoch != before[i].Epoch {
			t.Errorf("%s went from %s, epoch %d, to %s, epoch %d", shard.ID, before[i].Owner, before[i].Epoch, shard.Owner, shard.Epoch)
		}
	}
	close(gate)
	s.until("everything is delivered", func() bool {
		seen := a.seen()
		for payload, n := range b.seen() {
			seen[payload] += n
		}
		return has(seen, records)
	})
}

// A process is stopped for longer than the lease time and goes on: it finds
// its sessions lost, and what it finishes then changes nothing.
func stoppedProcessIsFenced(t *testing.T, s *suite) {
	st := s.open()
	records := batch(8, 0, 5)
	s.publish(st, records...)
	zombie := s.child("hold")
	held := zombie.readUntil(func(said []line) bool { return len(effects(said)) >= len(records) })
	before := s.shards(st)
	if err := zombie.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}

	r := newRecorder(t, nil)
	s.consume(st, r)
	s.until("another takes over", func() bool { return has(r.seen(), records) })
	for i, shard := range s.shards(st) {
		if shard.Owner == before[i].Owner || shard.Epoch <= before[i].Epoch {
			t.Errorf("%s: owner %s and epoch %d after %s and %d", shard.ID, shard.Owner, shard.Epoch, before[i].Owner, before[i].Epoch)
		}
	}
	if err := zombie.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	sessions := 0
	for _, l := range held {
		if l.what == "begin" {
			sessions++
		}
	}
	said := zombie.readUntil(func(said []line) bool { return count(said, "late") >= sessions })
	for _, l := range said {
		if l.what == "valid" {
			t.Errorf("the process woke up and its session of %s was still valid", l.shard)
		}
		if l.what == "end" && l.rest != string(stream.Lost) {
			t.Errorf("the session of %s ended as %s", l.shard, l.rest)
		}
	}
	if count(said, "end") < sessions {
		t.Errorf("%d of %d sessions ended", count(said, "end"), sessions)
	}
	// It has finished every record of its lost sessions; nobody else has.
	time.Sleep(s.LeaseTime)
	for _, shard := range s.shards(st) {
		if shard.Checkpoint != "" {
			t.Errorf("the zombie moved the checkpoint of %s to %s", shard.ID, shard.Checkpoint)
		}
	}
	if slices.ContainsFunc(r.open(), func(session *stream.Session) bool { return !session.Valid() }) {
		t.Error("a session of the new owner is not valid")
	}
}

// Shards are replaced by children while records flow: no child begins before
// its parents have ended, so a key stays in order.
func parentsBeforeChildren(t *testing.T, s *suite) {
	if s.Reshard == nil {
		t.Skip("the shards of this adapter are fixed")
	}
	st := s.open()
	r := newRecorder(t, nil)
	var finished = map[string]bool{} // shards, under r.mu
	r.each = func(d *delivery) {
		time.Sleep(time.Millisecond)
		r.finish(d)
	}
	var published []stream.Record
	for round := range 3 {
		records := batch(16, round*20, 20)
		s.publish(st, records...)
		published = append(published, records...)
		if round < 2 {
			s.Reshard(t, s.address)
		}
	}
	parents := map[string][]string{}
	for _, shard := range s.shards(st) {
		parents[shard.ID] = shard.Parents
	}
	s.consume(st, &lineage{recorder: r, parents: parents, finished: finished})
	s.until("every record is delivered", func() bool { return has(r.seen(), published) })
	last := map[string]string{}
	for _, d := range r.all() {
		if payload := string(d.Data); payload < last[d.Key] {
			t.Errorf("%s came after %s", payload, last[d.Key])
		} else {
			last[d.Key] = payload
		}
	}
}

// lineage checks at every Begin that the parents have ended.
type lineage struct {
	*recorder
	parents  map[string][]string
	finished map[string]bool
}

// Begin implements stream.Handler.
func (l *lineage) Begin(s *stream.Session) {
	l.recorder.Begin(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, parent := range l.parents[s.Shard()] {
		if !l.finished[parent] {
			l.t.Errorf("%s began before its parent %s had ended", s.Shard(), parent)
		}
	}
}

// End implements stream.Handler.
func (l *lineage) End(s *stream.Session, why stream.EndReason) {
	l.recorder.End(s, why)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished[s.Shard()] = why == stream.ShardEnd
}
