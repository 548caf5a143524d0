package kinesis

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie/stream"
)

const day = 24 * time.Hour

// A shard stood still for longer than the stream keeps records. Whatever
// Kinesis answers behind a record that it has dropped, the oldest that is left
// is read, and the handler is told, first, when those arrived that may be
// missing.
func TestGapAfterALongStop(t *testing.T) {
	for _, unknown := range []string{"", "refused", "empty"} {
		t.Run("answers "+unknown, func(t *testing.T) {
			t.Parallel()
			f, table := newFake(1), newMemTable()
			f.retention, f.unknown = day, unknown
			shard, first := f.put("k", []byte("done"))
			f.put("k", []byte("dropped"))
			f.put("k", []byte("left"))
			f.drop(shard, 2)
			stopped := time.Now().Add(-2 * day)
			table.rows[shard] = row{shard: shard, epoch: 3, counter: 9, checkpoint: first + lastPart, caughtUp: stopped}
			d := &diary{}
			began := time.Now()
			stop := consume(t, faultStream(t, f, table), "w", d)
			eventually(t, 5*time.Second, "the record that is left", func() bool { return len(d.data()) == 1 })
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			want := []string{"begin " + shard, "gap " + shard, "end " + shard + " released"}
			if diff := cmp.Diff(want, d.events); diff != "" || d.data()[0] != "left" {
				t.Fatalf("records %v, events (-want +got):\n%s", d.data(), diff)
			}
			if from, to := d.gaps[0][0], d.gaps[0][1]; !from.Equal(stopped) || to.Before(began.Add(-day)) || to.After(time.Now().Add(-day)) {
				t.Errorf("a gap from %v to %v, want from %v to a day ago", from, to, stopped)
			}
			if until := table.row(shard).caughtUp; until.Before(began) {
				t.Errorf("with everything read, the lease says that it is done until %v", until)
			}
		})
	}
}

// Nobody loses a record by standing still for less than that, or by having
// nothing to read.
func TestNoGap(t *testing.T) {
	t.Parallel()
	f, table := newFake(2), newMemTable()
	f.retention = day
	quiet, short := f.shards[0].id, f.shards[1].id
	table.rows[quiet] = row{shard: quiet, epoch: 1, counter: 1} // never caught up, as far as is known
	table.rows[short] = row{shard: short, epoch: 1, counter: 1, caughtUp: time.Now().Add(time.Minute - day)}
	d := &diary{}
	consume(t, faultStream(t, f, table), "w", d)
	eventually(t, 5*time.Second, "both shards", func() bool { return d.count("begin") == 2 })
	eventually(t, 5*time.Second, "both leases say that all is done", func() bool {
		return time.Since(table.row(quiet).caughtUp) < time.Minute && time.Since(table.row(short).caughtUp) < time.Minute
	})
	if d.count("gap") != 0 {
		t.Errorf("%v", d.events)
	}
}

// What a lease says is done until when never passes a record that is not done,
// nor a read that failed: or a gap would go unnoticed.
func TestCaughtUpNeverPassesWhatIsNotDone(t *testing.T) {
	t.Parallel()
	f, table := newFake(1), newMemTable()
	var failing atomic.Bool
	f.fail = func(op string) error {
		if op == "GetRecords" && failing.Load() {
			return errors.New("connection reset")
		}
		return nil
	}
	d := &diary{hold: func(r stream.Record) bool { return string(r.Data) == "stuck" }}
	consume(t, faultStream(t, f, table), "w", d)
	shard, _ := f.put("k", []byte("one"))
	eventually(t, 5*time.Second, "all is done", func() bool { return !table.row(shard).caughtUp.IsZero() && len(d.data()) == 1 })

	failing.Store(true)
	time.Sleep(faultLease)
	stood := table.row(shard).caughtUp
	time.Sleep(faultLease)
	if now := table.row(shard).caughtUp; !now.Equal(stood) {
		t.Errorf("no read succeeded, and the lease says that it is done until %v, not %v", now, stood)
	}
	failing.Store(false)

	f.put("k", []byte("stuck"))
	arrived := *f.shards[0].records[1].ApproximateArrivalTimestamp
	eventually(t, 5*time.Second, "the record", func() bool { return len(d.data()) == 2 })
	time.Sleep(2 * faultLease)
	if until := table.row(shard).caughtUp; until.After(arrived) {
		t.Errorf("a record that arrived at %v is not done, and the lease says that it is done until %v", arrived, until)
	}
	if d.count("gap") != 0 || d.count("begin") != 1 {
		t.Errorf("%v", d.events)
	}
}

// A handler that cannot deal with a gap now is told again, by whoever reads
// the shard next.
func TestGapIsToldAgain(t *testing.T) {
	t.Parallel()
	f, table := newFake(1), newMemTable()
	f.retention = day
	shard, first := f.put("k", []byte("done"))
	table.rows[shard] = row{shard: shard, epoch: 3, counter: 9, checkpoint: first + lastPart, caughtUp: time.Now().Add(-2 * day)}
	h := &patient{asked: make(chan struct{}, 1)}
	stop := consume(t, faultStream(t, f, table), "w", h)
	<-h.asked
	if err := stop(); err != nil {
		t.Logf("stop: %v", err)
	}
	d := &diary{}
	consume(t, faultStream(t, f, table), "w2", d)
	eventually(t, 5*time.Second, "the gap", func() bool { return d.has("gap " + shard) })
}

// patient deals with a gap until its session ends.
type patient struct {
	diary
	asked chan struct{}
}

func (p *patient) Gap(s *stream.Session, _, _ time.Time) {
	p.asked <- struct{}{}
	<-s.Context().Done()
}
