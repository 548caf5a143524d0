package streamtest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

const childArg = "streamtest-child"

// Main is the TestMain of an adapter.
func Main(m *testing.M, h Harness) {
	if len(os.Args) != 5 || os.Args[1] != childArg {
		os.Exit(m.Run())
	}
	seed, err := strconv.ParseUint(os.Args[4], 10, 64)
	if err == nil {
		err = runChild(h, os.Args[2], os.Args[3], seed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runChild is a process that lives until it is killed. It says what it does,
// a line each, before it does it.
func runChild(h Harness, role, address string, seed uint64) error {
	ctx := context.Background()
	st, err := h.Open(ctx, address)
	if err != nil {
		return err
	}
	w := &worker{lease: h.LeaseTime, rand: rand.New(rand.NewPCG(seed, 1)), slots: make(chan struct{}, 8)}
	switch role {
	case "work":
		w.finish = true
		return st.Consume(ctx, w)
	case "hold":
		go w.watch()
		return st.Consume(ctx, w)
	case "publish":
		for i := 0; ; i++ {
			records := batch(8, i, 1)
			if err := st.Publish(ctx, records); err != nil {
				return err
			}
			for _, r := range records {
				w.say("ack", "-", "-", string(r.Data))
			}
		}
	}
	return fmt.Errorf("unknown role %q", role)
}

// worker is the handler of a child.
type worker struct {
	finish bool // records, in random order, after their effect
	lease  time.Duration
	slots  chan struct{} // bounds how many records are in work

	mu       sync.Mutex
	rand     *rand.Rand
	sessions []*stream.Session
	records  map[*stream.Session][]stream.Record
	wg       sync.WaitGroup
}

func (w *worker) say(what, shard, seq, rest string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Println(what, shard, seq, rest)
}

// Begin implements stream.Handler.
func (w *worker) Begin(s *stream.Session) {
	w.mu.Lock()
	w.sessions = append(w.sessions, s)
	w.mu.Unlock()
	w.say("begin", s.Shard(), "-", "-")
}

// Handle implements stream.Handler.
func (w *worker) Handle(s *stream.Session, records []stream.Record) {
	for _, r := range records {
		w.mu.Lock()
		if w.records == nil {
			w.records = map[*stream.Session][]stream.Record{}
		}
		w.records[s] = append(w.records[s], r)
		wait := time.Duration(w.rand.IntN(20)) * time.Millisecond
		if w.rand.IntN(50) == 0 {
			wait = w.lease / 5
		}
		w.mu.Unlock()
		if !w.finish {
			w.say("effect", r.Shard, r.Seq, string(r.Data))
			continue
		}
		w.slots <- struct{}{}
		w.wg.Go(func() {
			time.Sleep(wait)
			w.say("effect", r.Shard, r.Seq, string(r.Data))
			s.Done(r.Seq)
			<-w.slots
		})
	}
}

// End implements stream.Handler.
func (w *worker) End(s *stream.Session, why stream.EndReason) {
	w.wg.Wait()
	w.say("end", s.Shard(), "-", string(why))
	w.mu.Lock()
	records := w.records[s]
	w.mu.Unlock()
	for _, r := range records {
		s.Done(r.Seq)
	}
	w.say("late", s.Shard(), "-", "-")
}

// Gap implements stream.Handler.
func (*worker) Gap(*stream.Session, time.Time, time.Time) {}

// watch notices that the process stood still, and says which of its sessions
// would still let effects through.
func (w *worker) watch() {
	last := time.Now()
	for {
		time.Sleep(time.Millisecond)
		now := time.Now()
		if now.Sub(last) > w.lease {
			w.mu.Lock()
			sessions := w.sessions
			w.mu.Unlock()
			for _, s := range sessions {
				if s.Valid() {
					w.say("valid", s.Shard(), "-", "-")
				}
			}
			w.say("woke", "-", "-", "-")
			return
		}
		last = now
	}
}

// line is one thing that a child said.
type line struct{ what, shard, seq, rest string }

// process is a child.
type process struct {
	s   *suite
	cmd *exec.Cmd
	out *bufio.Scanner
}

// child starts a process in a role. It is killed at the end of the case.
func (s *suite) child(role string) *process {
	s.t.Helper()
	if s.Alone {
		s.t.Skip("NOT TESTED: it takes another process, and none can reach the storage of this adapter")
	}
	cmd := exec.Command(os.Args[0], childArg, role, s.address, strconv.FormatUint(s.rand.Uint64(), 10))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	p := &process{s: s, cmd: cmd, out: bufio.NewScanner(out)}
	s.t.Cleanup(func() { p.kill() })
	return p
}

// readUntil reads what the child says until a condition holds.
func (p *process) readUntil(enough func([]line) bool) (said []line) {
	p.s.t.Helper()
	late := time.AfterFunc(p.s.patience(), func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	for !enough(said) {
		l, ok := p.read()
		if !ok {
			p.s.t.Fatalf("the child ended early, after %d lines, or was killed because it said nothing for %v", len(said), p.s.patience())
		}
		said = append(said, l)
	}
	return said
}

func (p *process) read() (line, bool) {
	for p.out.Scan() {
		if f := strings.Fields(p.out.Text()); len(f) == 4 {
			return line{f[0], f[1], f[2], f[3]}, true
		}
	}
	return line{}, false
}

// kill is kill -9. It returns what the child had said before it died.
func (p *process) kill() (said []line) {
	if p.cmd.ProcessState != nil {
		return nil
	}
	_ = p.cmd.Process.Kill()
	for l, ok := p.read(); ok; l, ok = p.read() {
		said = append(said, l)
	}
	_ = p.cmd.Wait()
	return said
}

func count(said []line, what string) (n int) {
	for _, l := range said {
		if l.what == what {
			n++
		}
	}
	return n
}

func effects(said []line) (found []line) {
	for _, l := range said {
		if l.what == "effect" {
			found = append(found, l)
		}
	}
	return found
}
