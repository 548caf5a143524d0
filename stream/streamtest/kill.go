package streamtest

import (
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// Consumers are killed one after the other, between the effects of records and
// their checkpoints. Every record has its effect; what the checkpoint has
// passed had it before the kill, and is not delivered again.
func killedConsumerLosesNothing(t *testing.T, s *suite) {
	st := s.open()
	type place struct{ shard, seq string }
	payloads := map[place]string{} // every record that was ever delivered
	had := map[place]bool{}        // those that had their effect by now
	passed := map[string]string{}  // checkpoints at the last kill
	var checks []func()            // to be made once payloads is complete
	var published []stream.Record
	note := func(said []line) {
		for _, l := range effects(said) {
			at := place{l.shard, l.seq}
			payloads[at] = l.rest
			had[at] = true
			if stream.CompareSeq(l.seq, passed[l.shard]) <= 0 {
				t.Errorf("record %s of %s was delivered again behind the checkpoint %s", l.seq, l.shard, passed[l.shard])
			}
		}
	}
	for round := range 4 {
		records := batch(16, round*50, 50)
		published = append(published, records...)
		s.publish(st, records...)
		worker := s.child("work")
		want := 1 + s.rand.IntN(600)
		note(worker.readUntil(func(said []line) bool { return len(effects(said)) >= want }))
		time.Sleep(time.Duration(s.rand.IntN(300)) * time.Millisecond)
		note(worker.kill())
		for _, shard := range s.shards(st) {
			if stream.CompareSeq(shard.Checkpoint, passed[shard.ID]) < 0 {
				t.Errorf("the checkpoint of %s went back from %s to %q", shard.ID, passed[shard.ID], shard.Checkpoint)
			}
			passed[shard.ID] = shard.Checkpoint
			before := map[place]bool{}
			for at := range had {
				before[at] = true
			}
			checks = append(checks, func() {
				for at, payload := range payloads {
					if at.shard == shard.ID && stream.CompareSeq(at.seq, shard.Checkpoint) <= 0 && !before[at] {
						t.Errorf("round %d: the checkpoint of %s passed %s (%s), which had no effect", round, at.shard, at.seq, payload)
					}
				}
			})
		}
		t.Logf("round %d: killed after %d effects, checkpoints %v", round, len(had), passed)
	}
	began := time.Now()
	r := finishing(t)
	s.consume(st, r)
	all := map[string]int{}
	s.until("the rest is delivered", func() bool {
		clear(all)
		for at := range had {
			all[payloads[at]]++
		}
		for payload, n := range r.seen() {
			all[payload] += n
		}
		return has(all, published)
	})
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the shards of a killed consumer worked again after %v, more than 30 s", took)
	}
	for _, d := range r.all() {
		payloads[place{d.Shard, d.Seq}] = string(d.Data)
		if stream.CompareSeq(d.Seq, passed[d.Shard]) <= 0 {
			t.Errorf("record %s of %s was delivered again behind the checkpoint %s", d.Seq, d.Shard, passed[d.Shard])
		}
	}
	for _, check := range checks {
		check()
	}
}

// A publisher in another process is killed. What it was told is durable is
// delivered, and it is seen while the publisher lives.
func killedPublisherKeepsItsWord(t *testing.T, s *suite) {
	st := s.open()
	r := finishing(t)
	s.consume(st, r)
	publisher := s.child("publish")
	said := publisher.readUntil(func(said []line) bool { return len(said) >= 200+s.rand.IntN(200) })
	s.until("records of another process are seen", func() bool { return r.count() > 0 })
	said = append(said, publisher.kill()...)
	var durable []stream.Record
	for _, l := range said {
		if l.what == "ack" {
			durable = append(durable, stream.Record{Data: []byte(l.rest)})
		}
	}
	t.Logf("killed after %d acknowledged records", len(durable))
	s.until("what was acknowledged is delivered", func() bool { return has(r.seen(), durable) })
	inOrder(t, r.all())
}
