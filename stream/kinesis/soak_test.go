package kinesis

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

const (
	soakWorker = "QRIE_TEST_SOAK_WORKER"  // makes the test binary a worker of the stream it names
	soakSize   = "QRIE_TEST_SOAK_RECORDS" // how many records
)

// work is a worker in a process of its own: it consumes until SIGTERM, and
// says of each record, after its effect, the shard and the number in it.
func work(name string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	opts := testOptions(name)
	opts.DrainTimeout = 0
	s, err := Open(ctx, opts)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	err = s.Consume(ctx, &speaker{out: out})
	return err
}

type speaker struct {
	mu  sync.Mutex
	out *bufio.Writer
}

func (*speaker) Begin(*stream.Session)                     {}
func (*speaker) End(*stream.Session, stream.EndReason)     {}
func (*speaker) Gap(*stream.Session, time.Time, time.Time) {}

func (p *speaker) Handle(s *stream.Session, records []stream.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range records {
		number, _, _ := bytes.Cut(r.Data, []byte(" "))
		fmt.Fprintf(p.out, "%s %s\n", r.Shard, number)
	}
	_ = p.out.Flush() // a pipe that is closed ends the test anyway
	for _, r := range records {
		s.Done(r.Seq)
	}
}

// tally is what all workers have said.
type tally struct {
	mu    sync.Mutex
	seen  map[int]int
	total int
	last  map[string]time.Time     // by shard: the last record
	gap   map[string]time.Duration // by shard: the longest time without one
}

func (y *tally) read(out *bufio.Scanner) {
	for out.Scan() {
		shard, number, _ := strings.Cut(out.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			continue // a line that the kill has cut short
		}
		now := time.Now()
		y.mu.Lock()
		y.seen[n]++
		y.total++
		if last, ok := y.last[shard]; ok {
			y.gap[shard] = max(y.gap[shard], now.Sub(last))
		}
		y.last[shard] = now
		y.mu.Unlock()
	}
}

// Four shards and three workers in processes of their own, which are killed or
// told to stop, and started again, the whole time: every record is handled.
// The number of records is in QRIE_TEST_SOAK_RECORDS.
func TestSoak(t *testing.T) {
	needServers(t)
	total := 6000
	if v := os.Getenv(soakSize); v != "" {
		var err error
		if total, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	name := newTestStream(t, 4)
	y := &tally{seen: map[int]int{}, last: map[string]time.Time{}, gap: map[string]time.Duration{}}
	var reading sync.WaitGroup
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), soakWorker+"="+name)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		reading.Go(func() { y.read(bufio.NewScanner(out)) })
		return cmd
	}
	workers := make([]*exec.Cmd, 3)
	for i := range workers {
		workers[i] = start()
	}
	end := func(cmd *exec.Cmd, how syscall.Signal) {
		_ = cmd.Process.Signal(how)
		_ = cmd.Wait()
	}
	t.Cleanup(func() {
		for _, w := range workers {
			end(w, syscall.SIGKILL)
		}
		reading.Wait()
	})

	size := 50 // of a batch, ten of which are published a second
	if total > 20_000 {
		size = 200
	}
	opts := testOptions(name)
	opts.KeyRun = 500
	s := openTest(t, opts)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pad := strings.Repeat("x", 2400)
		for n := 0; n < total; {
			var records []stream.Record
			for range min(size, total-n) {
				records = append(records, stream.Record{Key: fmt.Sprint("key", n%64), Data: fmt.Appendf(nil, "%d %s", n, pad)})
				n++
			}
			if err := s.Publish(t.Context(), records); err != nil {
				t.Errorf("publish: %v", err)
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills, stops := 0, 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(time.Duration(1+random.IntN(3)) * time.Second):
			i := random.IntN(len(workers))
			if random.IntN(3) == 0 {
				end(workers[i], syscall.SIGTERM)
				stops++
			} else {
				end(workers[i], syscall.SIGKILL)
				kills++
			}
			workers[i] = start()
		}
	}
	began := time.Now()
	eventually(t, 2*time.Minute, "every record", func() bool {
		y.mu.Lock()
		defer y.mu.Unlock()
		return len(y.seen) == total
	})
	caughtUp := time.Since(began)
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
	y.mu.Lock()
	defer y.mu.Unlock()
	t.Logf("%d records, %d workers killed, %d told to stop: %d duplicates, longest gaps %v, caught up %v after the last record, lag 0",
		total, kills, stops, y.total-total, y.gap, caughtUp.Round(time.Millisecond))
	for shard, gap := range y.gap {
		if gap > 30*time.Second {
			t.Errorf("%s stood still for %v", shard, gap)
		}
	}
}
