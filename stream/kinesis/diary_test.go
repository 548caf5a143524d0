package kinesis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

const faultLease = time.Second

func faultStream(t testing.TB, f api, table leaseTable) *Stream {
	t.Helper()
	s, err := newStream(f, table, Options{Stream: "faults", LeaseTime: faultLease, DrainTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.jitter = func(d time.Duration) time.Duration { return d / 20 }
	return s
}

// diary is a handler that writes down what happens and finishes everything,
// unless hold says otherwise.
type diary struct {
	hold   func(stream.Record) bool // under mu
	during func(*stream.Session, []stream.Record)

	mu       sync.Mutex
	events   []string // begin SHARD, gap SHARD, end SHARD WHY
	gaps     [][2]time.Time
	records  []stream.Record
	sessions []*stream.Session
}

func (d *diary) Begin(s *stream.Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, "begin "+s.Shard())
	d.sessions = append(d.sessions, s)
}

func (d *diary) Handle(s *stream.Session, records []stream.Record) {
	if d.during != nil {
		d.during(s, records)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range records {
		d.records = append(d.records, r)
		if d.hold == nil || !d.hold(r) {
			s.Done(r.Seq)
		}
	}
}

func (d *diary) End(s *stream.Session, why stream.EndReason) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, fmt.Sprintf("end %s %s", s.Shard(), why))
}

func (d *diary) Gap(s *stream.Session, from, to time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, "gap "+s.Shard())
	d.gaps = append(d.gaps, [2]time.Time{from, to})
}

func (d *diary) has(event string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.events, event)
}

func (d *diary) count(prefix string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if strings.HasPrefix(e, prefix) {
			n++
		}
	}
	return n
}

func (d *diary) data() (data []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.records {
		data = append(data, string(r.Data))
	}
	return data
}

// consume runs a consumer under a given worker's name until the end of the
// test, or until stop.
func consume(t testing.TB, s *Stream, owner string, h stream.Handler) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- newConsumer(s, owner, h).run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = <-ended
		})
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func eventually(t testing.TB, within time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", within, what)
		}
	}
}

func (d *diary) countReleased() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if strings.HasSuffix(e, " released") {
			n++
		}
	}
	return n
}
