package stream_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

func TestSessionValid(t *testing.T) {
	start := time.Now()
	var now atomic.Pointer[time.Time]
	set := func(at time.Time) { now.Store(&at) }
	set(start)
	open := func() *stream.Session {
		return stream.NewSession(t.Context(), "shard-1", 7, func() time.Time { return *now.Load() }, start.Add(time.Second))
	}
	f := func(name string, change func(*stream.Session), want bool) {
		t.Helper()
		set(start)
		s := open()
		if !s.Valid() {
			t.Errorf("%s: a new session is not valid", name)
		}
		change(s)
		if got := s.Valid(); got != want {
			t.Errorf("%s: Valid is %v, want %v", name, got, want)
		}
	}
	f("just before the end", func(*stream.Session) { set(start.Add(time.Second - 1)) }, true)
	f("at the end", func(*stream.Session) { set(start.Add(time.Second)) }, false)
	f("extended", func(s *stream.Session) {
		set(start.Add(time.Second))
		s.Extend(start.Add(2 * time.Second))
	}, true)
	f("cancelled", func(s *stream.Session) { s.Cancel() }, false)
	f("clock without a monotonic part", func(*stream.Session) { set(start.Round(0).Add(time.Minute)) }, false)
}

func TestSessionCancelEndsItsContext(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	s := stream.NewSession(parent, "shard-1", 1, time.Now, time.Now().Add(time.Hour))
	cancel()
	if s.Valid() {
		t.Error("valid although the context above it has ended")
	}
	s = stream.NewSession(t.Context(), "shard-1", 1, time.Now, time.Now().Add(time.Hour))
	s.Cancel()
	if err := s.Context().Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("context: %v", err)
	}
}

func TestSessionTracks(t *testing.T) {
	s := stream.NewSession(t.Context(), "shard-1", 1, time.Now, time.Now().Add(time.Hour))
	if got := s.Watermark(); got != "" {
		t.Errorf("watermark of a new session: %q", got)
	}
	s.Track([]stream.Record{record(9), record(10)}) // 10 is greater, though not as text
	s.Done("10")
	if got := s.Watermark(); got != "" {
		t.Errorf("watermark %q passes 9, which is not done", got)
	}
	s.Done("9")
	if got := s.Watermark(); got != "10" {
		t.Errorf("watermark %q, want 10", got)
	}
	if err := s.Wait(t.Context(), 0, 0); err != nil {
		t.Error(err)
	}
}

func TestCompareSeq(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got := stream.CompareSeq(a, b); got != want {
			t.Errorf("CompareSeq(%q, %q) = %d, want %d", a, b, got, want)
		}
		if got := stream.CompareSeq(b, a); got != -want {
			t.Errorf("CompareSeq(%q, %q) = %d, want %d", b, a, got, -want)
		}
	}
	f("", "", 0)
	f("", "0", -1)
	f("9", "10", -1)
	f("10", "10", 0)
	f("49590338271490256608559692538361571095921575989136588898", "49590338271490256608559692538361571095921575989136588899", -1)
	f("99999999999999999999999999999999999999999999999999999999", "149590338271490256608559692538361571095921575989136588898", -1)
}
