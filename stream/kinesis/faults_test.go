package kinesis

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/qrie-sec/qrie/stream"
)

// The faults of vmware-go-kcl-v2 v1.0.0, one test for each: it fails when the
// cure is taken out.

// E1: the library takes one lease in each interval, of a minute.
func TestE1EveryShardIsTakenSoon(t *testing.T) {
	t.Parallel()
	d := &diary{}
	consume(t, faultStream(t, newFake(12), newMemTable()), "w", d)
	eventually(t, 5*time.Second, "12 sessions", func() bool { return d.count("begin") == 12 })
}

// E2: when a lease is lost the library says so to nobody. The session ends at
// the next renewal, long before it would have run out.
func TestE2LostLeaseEndsTheSession(t *testing.T) {
	t.Parallel()
	f, table := newFake(1), newMemTable()
	d := &diary{hold: func(stream.Record) bool { return true }}
	s := faultStream(t, f, table)
	s.opts.LeaseTime = time.Minute
	consume(t, s, "w", d)
	shard, _ := f.put("k", []byte("one"))
	eventually(t, 3*time.Second, "the record", func() bool { return len(d.data()) == 1 })
	table.steal(shard, "thief", "")
	eventually(t, 20*time.Second, "the end", func() bool { return d.has("end " + shard + " lost") })
	if s := d.sessions[0]; s.Valid() || s.Context().Err() == nil {
		t.Errorf("the lost session is valid %v, context %v", s.Valid(), s.Context().Err())
	}
}

// E2, too: nobody took the lease, but it could not be renewed either. The
// session ends before another worker may take it.
func TestE2UnrenewedLeaseEndsTheSession(t *testing.T) {
	t.Parallel()
	f, table := newFake(1), newMemTable()
	var down atomic.Bool
	table.fail = func(string) error {
		if down.Load() {
			return errors.New("the table does not answer")
		}
		return nil
	}
	d := &diary{}
	consume(t, faultStream(t, f, table), "w", d)
	eventually(t, 3*time.Second, "a session", func() bool { return d.count("begin") == 1 })
	began := time.Now()
	down.Store(true)
	eventually(t, 3*time.Second, "the end", func() bool { return d.count("end") == 1 })
	if took := time.Since(began); took >= faultLease {
		t.Errorf("the session ended after %v, when another may have had the lease for %v", took, took-faultLease)
	}
	down.Store(false)
	eventually(t, 5*time.Second, "a new session", func() bool { return d.count("begin") == 2 })
}

// The lease is taken while the handler blocks, and the handler finishes its
// record all the same: the thief's checkpoint stays.
func TestLeaseLostWhileTheHandlerBlocks(t *testing.T) {
	t.Parallel()
	f, table := newFake(1), newMemTable()
	shard, seq := f.put("k", []byte("one"))
	blocked := make(chan struct{}, 1)
	d := &diary{}
	d.during = func(s *stream.Session, _ []stream.Record) {
		blocked <- struct{}{}
		<-s.Context().Done()
	}
	stop := consume(t, faultStream(t, f, table), "w", d)
	<-blocked
	table.steal(shard, "thief", "")
	eventually(t, 3*time.Second, "the end", func() bool { return d.has("end " + shard + " lost") })
	if mark := d.sessions[0].Watermark(); mark != seq+lastPart {
		t.Fatalf("the handler's watermark is %q: it was to finish the record", mark)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if r := table.row(shard); r.owner != "thief" || r.checkpoint != "" {
		t.Errorf("the thief's lease has become %+v", r)
	}
}

// E2, again: Kinesis does not answer, which is no reason to lose a lease.
func TestSlowListingKeepsTheLease(t *testing.T) {
	t.Parallel()
	f := newFake(1)
	var slow atomic.Bool
	f.wait = func(ctx context.Context) {
		if slow.Load() {
			<-ctx.Done()
		}
	}
	d := &diary{}
	consume(t, faultStream(t, f, newMemTable()), "w", d)
	eventually(t, 3*time.Second, "a session", func() bool { return d.count("begin") == 1 })
	slow.Store(true)
	time.Sleep(3 * faultLease)
	if d.count("end") != 0 {
		t.Errorf("%v", d.events)
	}
}

// E3: the library writes checkpoints without a condition, also late ones.
func TestE3ZombieCannotCheckpoint(t *testing.T) {
	tables := map[string]func(t *testing.T) leaseTable{
		"memory": func(*testing.T) leaseTable { return newMemTable() },
		"dynamodb": func(t *testing.T) leaseTable {
			needServers(t)
			return testTable(t)
		},
	}
	for name, open := range tables {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, table := t.Context(), open(t)
			zombie, err := table.claim(ctx, row{shard: "s"}, "zombie")
			if err != nil {
				t.Fatal(err)
			}
			if err := table.renew(ctx, zombie, row{owner: "zombie", checkpoint: "100"}); err != nil {
				t.Fatal(err)
			}
			rows, _, err := table.read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			heir, err := table.claim(ctx, rows[0], "heir")
			if err != nil {
				t.Fatal(err)
			}
			if heir.checkpoint != "100" || heir.epoch != zombie.epoch+1 {
				t.Fatalf("the heir got %+v", heir)
			}
			if _, err := table.claim(ctx, rows[0], "late"); !errors.Is(err, errFenced) {
				t.Errorf("a claim on what was seen before: %v", err)
			}
			for what, err := range map[string]error{
				"checkpoint":           table.renew(ctx, zombie, row{owner: "zombie", checkpoint: "999"}),
				"release":              table.renew(ctx, zombie, row{}),
				"end":                  table.renew(ctx, zombie, row{checkpoint: "999", ended: true}),
				"a checkpoint go back": table.renew(ctx, heir, row{owner: "heir", checkpoint: "99"}),
			} {
				if !errors.Is(err, errFenced) {
					t.Errorf("%s: %v, want it refused", what, err)
				}
			}
			if err := table.renew(ctx, heir, row{owner: "heir", checkpoint: "1000"}); err != nil {
				t.Errorf("the owner's checkpoint, longer by a digit: %v", err)
			}
			rows, _, err = table.read(ctx)
			want := []row{{shard: "s", owner: "heir", epoch: heir.epoch, counter: heir.counter + 1, checkpoint: "1000"}}
			if diff := cmp.Diff(want, rows, cmp.AllowUnexported(row{})); diff != "" || err != nil {
				t.Errorf("the row (-want +got):\n%s%v", diff, err)
			}
		})
	}
}

// E4: the library reads a child before its parent if the parent has no
// checkpoint yet, and never waits for the second parent of a merge.
func TestE4ParentsBeforeChildren(t *testing.T) {
	t.Parallel()
	name := func(shard int) string { return fmt.Sprintf("shardId-%012d", shard) }
	f, table := newFake(2), newMemTable()
	put := func(data string) {
		for i := range 16 { // a key of each part of the range, at least
			f.put(fmt.Sprint("key", i), fmt.Append(nil, data, i))
		}
	}
	put("early")
	f.split(name(0))          // to 2 and 3
	f.merge(name(3), name(1)) // to 4
	put("late")
	// One parent after the other takes its time.
	slow := []chan struct{}{make(chan struct{}), make(chan struct{})}
	d := &diary{}
	d.during = func(s *stream.Session, _ []stream.Record) {
		for parent, done := range slow {
			if s.Shard() == name(parent) {
				select {
				case <-done:
				case <-s.Context().Done():
				}
			}
		}
	}
	consume(t, faultStream(t, f, table), "w", d)
	eventually(t, 5*time.Second, "both parents", func() bool { return d.count("begin") == 2 })
	for i, wait := range []string{"end " + name(3), "begin " + name(4)} {
		time.Sleep(faultLease) // enough to do it wrong
		close(slow[i])
		eventually(t, 5*time.Second, wait, func() bool { return d.count(wait) == 1 })
	}
	eventually(t, 5*time.Second, "every record", func() bool { return len(d.data()) == 32 })
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, pair := range [][2]int{{0, 2}, {0, 3}, {1, 4}, {3, 4}} {
		parent := slices.Index(d.events, "end "+name(pair[0])+" shard_end")
		if child := slices.Index(d.events, "begin "+name(pair[1])); parent < 0 || child < 0 || parent > child {
			t.Errorf("%s did not end before %s began: %v", name(pair[0]), name(pair[1]), d.events)
		}
	}
}

// E5: by default the library begins a child at the end, also.
func TestE5ChildrenBeginAtTheTrimHorizon(t *testing.T) {
	t.Parallel()
	f := newFake(1)
	s := faultStream(t, f, newMemTable())
	d := &diary{}
	consume(t, s, "w", d)
	eventually(t, 3*time.Second, "a session", func() bool { return d.count("begin") == 1 })
	f.split("shardId-000000000000")
	f.put("k", []byte("between split and lease"))
	eventually(t, 5*time.Second, "the record", func() bool { return len(d.data()) == 1 })

	c := newConsumer(s, "w", d)
	client := kinesis.New(kinesis.Options{Region: "local"}, c.guard.install)
	_, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String("faults"), ShardId: aws.String("shardId-000000000001"), ShardIteratorType: types.ShardIteratorTypeLatest,
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := f.asked[len(f.asked)-1].ShardIteratorType; err != nil || got != types.ShardIteratorTypeTrimHorizon {
		t.Errorf("an iterator of type %s, %v", got, err)
	}
}

// E6: a worker that comes back under the same name and once fails to take a
// lease holds itself for the owner of a shard that nobody reads.
func TestE6SameNameAfterRestart(t *testing.T) {
	t.Parallel()
	f, table := newFake(1), newMemTable()
	shard, _ := f.put("k", []byte("one"))
	table.rows[shard] = row{shard: shard, owner: "w", epoch: 3, counter: 9}
	var claims atomic.Int32
	table.fail = func(op string) error {
		if op == "claim" && claims.Add(1) <= 2 {
			return errors.New("the table does not answer")
		}
		return nil
	}
	d := &diary{}
	consume(t, faultStream(t, f, table), "w", d)
	eventually(t, 5*time.Second, "the record", func() bool { return len(d.data()) == 1 })
	if got := table.row(shard).epoch; got != 4 {
		t.Errorf("epoch %d, want 4", got)
	}
}

// E7: one broken aggregated record, and the library drops the read it is in,
// or panics.
func TestE7BrokenAggregateHarmsNobody(t *testing.T) {
	t.Parallel()
	f, table := newFake(1), newMemTable()
	noProto, noKey := aggregateOf([]byte{0xff, 0xff}), aggregateOf(message([]string{"a"}, part{9, "x"}))
	f.put("k", []byte("before"))
	f.put("k", noProto)
	f.put("k", []byte("between"))
	f.put("k", noKey)
	f.put("k", aggregateOf(message([]string{"a", "b"}, part{0, "a1"}, part{1, "b1"}, part{0, "a2"})))
	f.put("k", append(slices.Clone(shield), "mine"...))
	f.put("k", []byte("after"))
	d := &diary{}
	stop := consume(t, faultStream(t, f, table), "w", d)
	want := []string{"before", string(noProto), "between", string(noKey), "a1", "b1", "a2", string(shield) + "mine", "after"}
	eventually(t, 5*time.Second, "nine records", func() bool { return len(d.data()) == len(want) })
	if diff := cmp.Diff(want, d.data()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	var keys []string
	for _, r := range d.records {
		keys = append(keys, r.Key)
	}
	if diff := cmp.Diff([]string{"k", "k", "k", "k", "a", "b", "a", "k", "k"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	last := *f.shards[0].records[6].SequenceNumber
	if got, whole := splitSeq(table.row("shardId-000000000000").checkpoint); got != last || !whole {
		t.Errorf("the checkpoint is at %s, whole %v, want %s", got, whole, last)
	}
}

// A checkpoint in the middle of an aggregated record: the rest of it, and
// nothing else of it, is delivered again.
func TestCheckpointInsideAnAggregate(t *testing.T) {
	t.Parallel()
	f, table := newFake(1), newMemTable()
	f.put("k", aggregateOf(message([]string{"a"}, part{0, "1"}, part{0, "2"}, part{0, "3"})))
	first := &diary{hold: func(r stream.Record) bool { return string(r.Data) == "2" }}
	stop := consume(t, faultStream(t, f, table), "w", first)
	eventually(t, 5*time.Second, "three records", func() bool { return len(first.data()) == 3 })
	if err := stop(); err == nil {
		t.Error("no error after a drain with a record unfinished")
	}
	second := &diary{}
	consume(t, faultStream(t, f, table), "w2", second)
	eventually(t, 5*time.Second, "the rest", func() bool { return len(second.data()) >= 2 })
	if diff := cmp.Diff([]string{"2", "3"}, second.data()); diff != "" {
		t.Errorf("the second worker's records (-want +got):\n%s", diff)
	}
}

// E8: the library's stealing moves one shard of four in half a minute, and
// takes leases from workers that are in the middle of something.
func TestE8SharesAreEvenAndHandedOver(t *testing.T) {
	t.Parallel()
	f, table := newFake(4), newMemTable()
	a, b := &diary{}, &diary{}
	consume(t, faultStream(t, f, table), "a", a)
	eventually(t, 5*time.Second, "four sessions", func() bool { return a.count("begin") == 4 })
	consume(t, faultStream(t, f, table), "b", b)
	eventually(t, 5*time.Second, "two sessions of the second", func() bool { return b.count("begin") == 2 })
	if lost := a.count("end") - a.countReleased(); lost != 0 {
		t.Errorf("%d sessions were taken away: %v", lost, a.events)
	}
	time.Sleep(2 * faultLease)
	if a.count("end") != 2 || b.count("end") != 0 {
		t.Errorf("shards went on moving: %v, %v", a.events, b.events)
	}
}

// Workers are replaced one after the other, at the lease time that is the
// default: no shard stands still for longer than three seconds.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	f, table := newFake(4), newMemTable()
	var mu sync.Mutex
	last, gap := map[string]time.Time{}, map[string]time.Duration{}
	worker := func(name string) (*diary, func() error) {
		s, err := newStream(f, table, Options{Stream: "rolling"})
		if err != nil {
			t.Fatal(err)
		}
		d := &diary{}
		d.during = func(s *stream.Session, _ []stream.Record) {
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			if at, ok := last[s.Shard()]; ok {
				gap[s.Shard()] = max(gap[s.Shard()], now.Sub(at))
			}
			last[s.Shard()] = now
		}
		return d, consume(t, s, name, d)
	}
	var writing sync.WaitGroup
	done := make(chan struct{})
	writing.Go(func() {
		for i := 0; ; i++ {
			f.put(fmt.Sprint("key", i%64), fmt.Append(nil, i))
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	a, stopA := worker("a1")
	_, stopB := worker("b1")
	eventually(t, 20*time.Second, "an even share", func() bool { return a.count("begin")-a.count("end") == 2 })
	for _, stop := range []func() error{stopA, stopB} {
		if err := stop(); err != nil {
			t.Error(err)
		}
		d, _ := worker("next")
		eventually(t, 20*time.Second, "the next worker's share", func() bool { return d.count("begin") >= 2 })
	}
	time.Sleep(time.Second)
	close(done)
	writing.Wait()
	mu.Lock()
	defer mu.Unlock()
	t.Logf("longest gaps %v", gap)
	for shard, g := range gap {
		if g > 3*time.Second {
			t.Errorf("%s stood still for %v", shard, g)
		}
	}
	if len(gap) != 4 {
		t.Errorf("%d shards were read, want 4", len(gap))
	}
}

// Faults of the library that have no number.

func TestExpiredIteratorIsReplaced(t *testing.T) {
	t.Parallel()
	f := newFake(1)
	d := &diary{}
	consume(t, faultStream(t, f, newMemTable()), "w", d)
	for i := range 5 {
		f.put("k", fmt.Append(nil, i))
		if i%2 == 1 {
			f.expire()
		}
		eventually(t, 3*time.Second, "the record", func() bool { return len(d.data()) == i+1 })
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4"}, d.data()); diff != "" || d.count("begin") != 1 {
		t.Errorf("%d sessions, records (-want +got):\n%s", d.count("begin"), diff)
	}
}

func TestFailedReadsAreRepeated(t *testing.T) {
	t.Parallel()
	f := newFake(1)
	var calls atomic.Int32
	f.fail = func(op string) error {
		switch n := calls.Add(1); {
		case op != "GetRecords" || n%2 == 0:
			return nil
		case n%4 == 1:
			return &types.ProvisionedThroughputExceededException{}
		}
		return errors.New("connection reset")
	}
	f.change = func(out *kinesis.GetRecordsOutput) { out.MillisBehindLatest = nil }
	d := &diary{}
	consume(t, faultStream(t, f, newMemTable()), "w", d)
	for i := range 3 {
		f.put("k", fmt.Append(nil, i))
		eventually(t, 5*time.Second, "the record", func() bool { return len(d.data()) == i+1 })
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, d.data()); diff != "" || d.count("begin") != 1 {
		t.Errorf("%d sessions, records (-want +got):\n%s", d.count("begin"), diff)
	}
}

func TestPanicEndsOneSession(t *testing.T) {
	t.Parallel()
	f := newFake(1)
	d := &diary{}
	var panics atomic.Int32
	d.during = func(*stream.Session, []stream.Record) {
		if panics.Add(1) == 1 {
			panic("a handler's mistake")
		}
	}
	consume(t, faultStream(t, f, newMemTable()), "w", d)
	f.put("k", []byte("one"))
	eventually(t, 10*time.Second, "the record, again", func() bool { return len(d.data()) == 1 })
	if !d.has("end shardId-000000000000 lost") || d.count("begin") != 2 {
		t.Errorf("%v", d.events)
	}
}

// The library waits without a bound for its readers when it is told to stop. A
// read that never ends does not keep Consume from ending, and the lease is given
// up.
func TestReaderThatDoesNotStop(t *testing.T) {
	t.Parallel()
	f, table := newFake(1), newMemTable()
	gate := make(chan struct{})
	t.Cleanup(func() { close(gate) })
	var hanging atomic.Bool
	f.fail = func(op string) error {
		if op == "GetRecords" && hanging.Load() {
			<-gate
		}
		return nil
	}
	s := faultStream(t, f, table)
	s.patience = 300 * time.Millisecond
	d := &diary{}
	stop := consume(t, s, "w", d)
	shard, _ := f.put("k", []byte("one"))
	eventually(t, 3*time.Second, "the record", func() bool { return len(d.data()) == 1 })
	hanging.Store(true)
	time.Sleep(2 * readInterval)
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "has not stopped") {
			t.Errorf("Consume returned %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Consume does not end while a read hangs")
	}
	if r := table.row(shard); r.owner != "" || !d.has("end "+shard+" released") {
		t.Errorf("the lease is %+v, events %v", r, d.events)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	f := newFake(3)
	s := faultStream(t, f, newMemTable())
	d := &diary{}
	stop := consume(t, s, "w", d)
	eventually(t, 5*time.Second, "three sessions", func() bool { return d.count("begin") == 3 })
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an idle drain took %v", took)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// aggregateOf puts magic and sum round a message.
func aggregateOf(message []byte) []byte {
	sum := md5.Sum(message)
	return slices.Concat(magic, message, sum[:])
}
