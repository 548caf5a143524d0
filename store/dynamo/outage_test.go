package dynamo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// What a line does with those who call.
const (
	lineOpen   = iota
	lineCut    // hangs up, also on whoever is talking
	lineSilent // takes the call and says nothing
)

// line is the network between a store and its server.
type line struct {
	listener net.Listener
	to       string
	state    atomic.Int32
	mu       sync.Mutex
	calls    map[net.Conn]bool
	owners   sync.WaitGroup
}

func newLine(t *testing.T, to string) *line {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, to: strings.TrimPrefix(to, "http://"), calls: map[net.Conn]bool{}}
	l.owners.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close() // which ends accept
		l.set(lineCut)
		l.owners.Wait()
	})
	return l
}

func (l *line) address() string { return "http://" + l.listener.Addr().String() }

// set changes what the line does; what was open is hung up on.
func (l *line) set(state int32) {
	l.state.Store(state)
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.calls {
		hangUp(c)
	}
	clear(l.calls)
}

// hangUp resets the connection, as a machine that died does.
func hangUp(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset is a courtesy; the close does it too
	}
	_ = c.Close() // nobody is interested
}

func (l *line) accept() {
	for {
		c, err := l.listener.Accept()
		if err != nil {
			return
		}
		if l.state.Load() == lineCut {
			hangUp(c)
			continue
		}
		l.owners.Go(func() { l.carry(c) })
	}
}

func (l *line) keep(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[c] = true
}

func (l *line) carry(near net.Conn) {
	defer near.Close()
	l.keep(near)
	if l.state.Load() == lineSilent {
		_, _ = io.Copy(io.Discard, near) // until somebody hangs up
		return
	}
	far, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer far.Close()
	l.keep(far)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // ends with either connection
			hangUp(way[0])
			hangUp(way[1])
		})
	}
	both.Wait()
}

// For a minute the server refuses calls and hangs up on those who talk, or takes
// them and never answers. Writers do what a processor does: a record that could
// not be written is delivered again.
func TestOutageOfAMinute(t *testing.T) {
	t.Parallel()
	place := t.TempDir()
	w := newWorldAt(t, place, each(func(string) (error, error) { return nil, nil }))
	l := newLine(t, server(t))
	o := options(t, place)
	o.Endpoint, o.Attempts, o.MaxBackoff, o.Timeout = l.address(), 4, 200*time.Millisecond, time.Second
	far, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	far.logEvery, far.foldEvery = 10, 2
	var down atomic.Bool
	var during, after [4]atomic.Int64
	deadline, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			// Each goes on until it has written some after the outage.
			for i := 0; after[n].Load() < 20; i++ {
				ref := bucket(fmt.Sprintf("%d-%d", n, i%10))
				at := start.Add(time.Duration(i) * time.Minute)
				fails := [][]string{{public}, {unsafely}, {public, unsafely}, {}}[(i+i/10)%4]
				for {
					err := w.refresh(far, ref, fmt.Sprint("v", i), at, fails...)
					if err == nil || errors.Is(err, qrie.ErrStale) { // written before the line was cut
						break
					}
					if !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("refresh: %v", err)
					}
					during[n].Add(1)
					select {
					case <-time.After(50 * time.Millisecond):
					case <-deadline.Done():
						t.Error("the store did not come back")
						return
					}
				}
				if !down.Load() && during[n].Load() > 0 {
					after[n].Add(1)
				}
			}
		})
	}
	time.Sleep(2 * time.Second)
	down.Store(true)
	for third := range 3 {
		l.set([]int32{lineCut, lineSilent, lineCut}[third])
		if err := far.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("ping during the outage: %v", err)
		}
		if _, err := far.Finding(t.Context(), bucket("0-0").FindingID(public)); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("read during the outage: %v", err)
		}
		time.Sleep(20 * time.Second)
	}
	l.set(lineOpen)
	down.Store(false)
	wg.Wait()
	for n := range 4 {
		if during[n].Load() == 0 {
			t.Errorf("writer %d did not notice", n)
		}
	}
	if err := far.Ping(t.Context()); err != nil {
		t.Errorf("ping after the outage: %v", err)
	}
	w.sound()
}
