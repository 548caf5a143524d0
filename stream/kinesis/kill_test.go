package kinesis

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// One worker of three is killed, or all of them, while records are written, and
// started again under the same name or another: every record is handled, no
// checkpoint goes back, nobody has an effect after his successor, and the
// shards work again within the time that is promised for the lease time that is
// the default.
func TestKilledWorkers(t *testing.T) {
	needServers(t)
	for _, all := range []bool{false, true} {
		for _, sameName := range []bool{false, true} {
			t.Run(fmt.Sprintf("all %v, same name %v", all, sameName), func(t *testing.T) {
				t.Parallel()
				s := openTest(t, testOptions(newTestStream(t, 4)))
				c := newCrew(t, s.opts.Stream, DefaultLeaseTime)
				name := func(worker, life int) string {
					if sameName {
						life = 0
					}
					return fmt.Sprint("w", worker, "-", life)
				}
				var workers []*exec.Cmd
				for i := range 3 {
					workers = append(workers, c.start(name(i, 0)))
				}
				published := 0
				publish := func() {
					numbered(t, s, published, 64, 100)
					published += 64
				}
				flow := func(within time.Duration, what string, condition func() bool) {
					t.Helper()
					for deadline := time.Now().Add(within); !condition(); time.Sleep(100 * time.Millisecond) {
						if time.Now().After(deadline) {
							t.Fatalf("waited %v in vain: %s; %d of %d records handled", within, what, c.handled(), published)
						}
						publish()
					}
				}
				marks := map[string]string{}
				for life := 1; life <= 2; life++ {
					target := published + 20*64
					flow(time.Minute, "records are handled", func() bool { return c.handled() >= target })
					marks = c.checkpoints(s, marks)
					killed := workers[:1]
					if all {
						killed = workers
					}
					for _, w := range killed {
						c.end(w, syscall.SIGKILL)
					}
					for i := range killed {
						workers[i] = c.start(name(i, life))
					}
					before, began := published, time.Now()
					publish()
					flow(stream.UnownedAfter, "every shard works again", func() bool {
						c.mu.Lock()
						defer c.mu.Unlock()
						for n := before; n < before+64; n++ {
							if c.seen[n] == 0 {
								return false
							}
						}
						return true
					})
					t.Logf("every shard works again after %v", time.Since(began).Round(100*time.Millisecond))
				}
				eventually(t, time.Minute, "every record", func() bool { return c.handled() == published })
				c.checkpoints(s, marks)
				c.mu.Lock()
				defer c.mu.Unlock()
				if len(c.late) > 0 {
					t.Errorf("%d effects after the successor's, such as %s", len(c.late), c.late[0])
				}
				t.Logf("%d records, %d duplicates, longest gaps %v", published, c.total-published, c.gap)
			})
		}
	}
}

// A worker is stopped for a minute and goes on: another has its shards by then,
// and what the first had in hand has no effect any more.
func TestStoppedForAMinute(t *testing.T) {
	needServers(t)
	t.Parallel()
	s := openTest(t, testOptions(newTestStream(t, 4)))
	c := newCrew(t, s.opts.Stream, DefaultLeaseTime)
	zombie := c.start("")
	published := 0
	flow := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			numbered(t, s, published, 64, 100)
			published += 64
		}
	}
	for c.handled() == 0 {
		flow(time.Second)
	}
	other := c.start("")
	owners := func() map[string]int {
		shards, err := s.Shards(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held := map[string]int{}
		for _, shard := range shards {
			held[shard.Owner]++
		}
		return held
	}
	for len(owners()) != 2 {
		flow(time.Second)
	}
	marks := c.checkpoints(s, nil)
	if err := zombie.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	flow(time.Minute)
	eventually(t, stream.UnownedAfter, "the other has every shard, and all is handled", func() bool {
		return len(owners()) == 1 && c.handled() == published
	})
	marks = c.checkpoints(s, marks)
	if err := zombie.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	flow(10 * time.Second)
	eventually(t, time.Minute, "every record", func() bool { return c.handled() == published })
	c.checkpoints(s, marks)
	c.mu.Lock()
	late := c.late
	t.Logf("%d records, %d duplicates, longest gaps %v", published, c.total-published, c.gap)
	c.mu.Unlock()
	if len(late) > 0 {
		t.Errorf("%d effects of a worker that had lost its shards, such as %s", len(late), late[0])
	}
	eventually(t, time.Minute, "the one that was stopped shares again", func() bool { return len(owners()) == 2 })
	c.end(other, syscall.SIGTERM)
	c.end(zombie, syscall.SIGTERM)
	for _, w := range []*exec.Cmd{other, zombie} {
		if !w.ProcessState.Success() {
			t.Errorf("a worker that was told to stop ended with %v", w.ProcessState)
		}
	}
}
