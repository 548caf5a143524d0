package kinesis

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// soakSize is how many records TestSoak publishes, if not as many as it says.
const soakSize = "QRIE_TEST_SOAK_RECORDS"

// Four shards and three workers in processes of their own, which are killed or
// told to stop, and started again, the whole time, while 2,000 records of 2.5 KB
// are written a second: every record is handled. The lease time is a third of
// the default, so that a shard may lose several owners in a row and yet not
// stand still for longer than is promised for one.
func TestSoak(t *testing.T) {
	needServers(t)
	const (
		perSecond = 2000
		lease     = DefaultLeaseTime / 3
	)
	total := 200_000
	if testing.Short() {
		total = 40_000
	}
	if v := os.Getenv(soakSize); v != "" {
		var err error
		if total, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	opts := testOptions(newTestStream(t, 4))
	opts.KeyRun = 500
	s := openTest(t, opts)
	c := newCrew(t, opts.Stream, lease)
	workers := make([]*exec.Cmd, 3)
	for i := range workers {
		workers[i] = c.start("")
	}
	published := make(chan time.Time, 1)
	go func() {
		began := time.Now()
		for n := 0; n < total; n += perSecond / 10 {
			numbered(t, s, n, min(perSecond/10, total-n), 2490)
			time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / perSecond)))
		}
		published <- began
	}()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills, stops := 0, 0
	marks := map[string]string{}
	var took time.Duration
	for took == 0 {
		select {
		case began := <-published:
			took = time.Since(began)
		case <-time.After(time.Duration(1000+random.IntN(2000)) * time.Millisecond):
			i := random.IntN(len(workers))
			if random.IntN(3) == 0 {
				c.end(workers[i], syscall.SIGTERM)
				stops++
			} else {
				c.end(workers[i], syscall.SIGKILL)
				kills++
			}
			workers[i] = c.start("")
			marks = c.checkpoints(s, marks)
		}
	}
	ended := time.Now()
	eventually(t, 2*time.Minute, "every record", func() bool { return c.handled() == total })
	caughtUp := time.Since(ended)
	eventually(t, 30*time.Second, "no lag", func() bool {
		shards, err := s.Shards(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, shard := range shards {
			if shard.Lag > 0 {
				return false
			}
		}
		return true
	})
	c.checkpoints(s, marks)
	c.mu.Lock()
	defer c.mu.Unlock()
	duplicates := c.total - total
	t.Logf("%d records in %v, %d workers killed and %d told to stop: %d duplicates, longest gaps %v, caught up %v after the last record, lag 0",
		total, took.Round(time.Second), kills, stops, duplicates, c.gap, caughtUp.Round(100*time.Millisecond))
	// A worker has two shards of four at the most, and five seconds of each is
	// what a kill may deliver again.
	if most := kills * 5 * perSecond * 2 / 4; duplicates > most {
		t.Errorf("%d duplicates after %d kills, at most %d are five seconds of records for each", duplicates, kills, most)
	}
	if len(c.late) > 0 {
		t.Errorf("%d effects after the successor's, such as %s", len(c.late), c.late[0])
	}
	for shard, gap := range c.gap {
		if gap > 30*time.Second {
			t.Errorf("%s stood still for %v", shard, gap)
		}
	}
}
