package kinesis

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
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

// The variables that make the test binary a worker.
const (
	crewStream = "QRIE_TEST_CREW_STREAM" // of the stream it names
	crewOwner  = "QRIE_TEST_CREW_OWNER"  // under that name, as it is; empty: one of its own, as in use
	crewLease  = "QRIE_TEST_CREW_LEASE"  // with that lease time
)

// work is a worker in a process of its own: it consumes until SIGTERM, and
// says of each record, as its effect, the shard, the epoch and the number in
// it.
func work(name string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	opts := testOptions(name)
	opts.DrainTimeout = 0
	var err error
	if opts.LeaseTime, err = time.ParseDuration(os.Getenv(crewLease)); err != nil {
		return err
	}
	s, err := Open(ctx, opts)
	if err != nil {
		return err
	}
	h := &speaker{out: bufio.NewWriter(os.Stdout)}
	if owner := os.Getenv(crewOwner); owner != "" {
		return newConsumer(s, owner, h).run(ctx)
	}
	return s.Consume(ctx, h)
}

// speaker has its effects only while the session is valid, as every handler
// must.
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
		if !s.Valid() {
			return
		}
		number, _, _ := bytes.Cut(r.Data, []byte(" "))
		fmt.Fprintf(p.out, "%s %d %s\n", r.Shard, s.Epoch(), number)
		_ = p.out.Flush() // a pipe that is closed ends the test anyway
		s.Done(r.Seq)
	}
}

// crew are the workers of one stream, and what all of them have said.
type crew struct {
	t       *testing.T
	stream  string
	lease   time.Duration
	reading sync.WaitGroup

	mu      sync.Mutex
	running []*exec.Cmd
	seen    map[int]int // how often each number had its effect
	total   int
	last    map[string]time.Time     // by shard: the last effect
	gap     map[string]time.Duration // by shard: the longest time without one
	epoch   map[string]int64         // by shard: the newest that had an effect
	late    []string                 // effects in an epoch before that
}

func newCrew(t *testing.T, stream string, lease time.Duration) *crew {
	c := &crew{t: t, stream: stream, lease: lease, seen: map[int]int{}, last: map[string]time.Time{}, gap: map[string]time.Duration{}, epoch: map[string]int64{}}
	t.Cleanup(func() {
		for _, w := range c.running {
			c.end(w, syscall.SIGKILL)
		}
		c.reading.Wait()
	})
	return c
}

// start starts a worker; without an owner it takes a name of its own.
func (c *crew) start(owner string) *exec.Cmd {
	c.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crewStream+"="+c.stream, crewOwner+"="+owner, crewLease+"="+c.lease.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.running = append(c.running, cmd)
	c.reading.Go(func() { c.listen(bufio.NewScanner(out)) })
	return cmd
}

// end signals a worker and waits for its end.
func (c *crew) end(cmd *exec.Cmd, how syscall.Signal) {
	if cmd.ProcessState != nil {
		return
	}
	_ = cmd.Process.Signal(how)
	_ = cmd.Wait()
}

func (c *crew) listen(out *bufio.Scanner) {
	for out.Scan() {
		f := strings.Fields(out.Text())
		if len(f) != 3 {
			continue // a line that a kill has cut short
		}
		epoch, err := strconv.ParseInt(f[1], 10, 64)
		n, err2 := strconv.Atoi(f[2])
		if errors.Join(err, err2) != nil {
			continue
		}
		c.heard(f[0], epoch, n)
	}
}

func (c *crew) heard(shard string, epoch int64, n int) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[n]++
	c.total++
	if last, ok := c.last[shard]; ok {
		c.gap[shard] = max(c.gap[shard], now.Sub(last))
	}
	c.last[shard] = now
	if epoch < c.epoch[shard] {
		c.late = append(c.late, fmt.Sprintf("record %d of %s in epoch %d, after epoch %d had begun", n, shard, epoch, c.epoch[shard]))
	}
	c.epoch[shard] = max(c.epoch[shard], epoch)
}

// handled counts the numbers that had their effect.
func (c *crew) handled() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// checkpoints watches that no checkpoint of the stream goes back. It returns
// the greatest.
func (c *crew) checkpoints(s *Stream, before map[string]string) map[string]string {
	c.t.Helper()
	shards, err := s.Shards(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	now := map[string]string{}
	for _, shard := range shards {
		now[shard.ID] = shard.Checkpoint
		if stream.CompareSeq(shard.Checkpoint, before[shard.ID]) < 0 {
			c.t.Errorf("the checkpoint of %s went back from %s to %s", shard.ID, before[shard.ID], shard.Checkpoint)
		}
	}
	return now
}

// numbered publishes records that are numbered from from on, of so many bytes,
// over 64 keys.
func numbered(t *testing.T, s *Stream, from, n, bytes int) {
	t.Helper()
	records := make([]stream.Record, n)
	for i := range records {
		records[i] = stream.Record{Key: fmt.Sprint("key", (from+i)%64), Data: fmt.Appendf(nil, "%d %s", from+i, strings.Repeat("x", bytes))}
	}
	if err := s.Publish(t.Context(), records); err != nil {
		t.Errorf("publish: %v", err)
	}
}
