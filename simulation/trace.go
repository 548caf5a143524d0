package simulation

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/qrie-sec/qrie/sim/machine"
)

// trace is what happened, in order: its digest, and its lines if somebody
// wants to read them. What happened at one instant is sorted: the scheduler
// decides in which order several callers give up.
type trace struct {
	mu     sync.Mutex
	digest uint64 // FNV-1a
	calls  int
	out    io.Writer // may be nil
	at     time.Time
	lines  []string // of that instant
	buffer []byte
}

func newTrace(out io.Writer) *trace { return &trace{digest: 14695981039346656037, out: out} }

func (t *trace) step(s machine.Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	b := append(t.buffer[:0], s.Machine...)
	b = append(append(b, ' '), s.Link...)
	b = append(append(b, ' '), s.Call...)
	b = strconv.AppendUint(append(b, " #"...), s.Nth, 10)
	b = append(append(b, ' '), s.Outcome...)
	if s.Err != nil {
		b = append(append(b, ": "...), s.Err.Error()...)
	}
	t.buffer = b
	t.add(s.At, string(b))
}

// note writes a line that no machine did.
func (t *trace) note(at time.Time, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(at, fmt.Sprintf(format, args...))
}

func (t *trace) add(at time.Time, line string) {
	if !at.Equal(t.at) {
		t.flush()
		t.at = at
	}
	t.lines = append(t.lines, line)
}

func (t *trace) flush() {
	slices.Sort(t.lines)
	t.buffer = t.at.AppendFormat(t.buffer[:0], "15:04:05.000000000 ")
	stamp := string(t.buffer)
	for _, line := range t.lines {
		for _, text := range [...]string{stamp, line} {
			for i := range len(text) {
				t.digest = (t.digest ^ uint64(text[i])) * 1099511628211
			}
		}
		if t.out != nil {
			fmt.Fprintf(t.out, "%s%s\n", stamp, line)
		}
	}
	t.lines = t.lines[:0]
}

// end is the digest of all of it.
func (t *trace) end() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flush()
	return t.digest
}
