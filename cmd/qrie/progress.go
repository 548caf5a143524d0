package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress is one line on standard error: done of total, rate and what is
// left. On a terminal it is redrawn ten times a second at the most, elsewhere
// written every ten seconds.
type progress struct {
	out      io.Writer
	terminal bool
	total    int64 // 0 if not known
	unit     string
	start    time.Time
	last     time.Time
	now      func() time.Time
}

func newProgress(out io.Writer, total int64, unit string) *progress {
	p := &progress{out: out, total: total, unit: unit, now: time.Now}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	p.start = p.now()
	p.last = p.start
	return p
}

// update draws if it is time to. at counts towards total; n is what the reader
// cares about.
func (p *progress) update(at, n int64) {
	interval := 10 * time.Second
	if p.terminal {
		interval = 100 * time.Millisecond
	}
	if p.now().Sub(p.last) < interval {
		return
	}
	p.last = p.now()
	p.draw(at, n)
}

func (p *progress) draw(at, n int64) {
	elapsed := p.now().Sub(p.start)
	line := fmt.Sprintf("%d %s, %.0f/s", n, p.unit, float64(n)/max(elapsed.Seconds(), .001))
	if p.total > 0 && at > 0 {
		left := time.Duration(float64(elapsed) * float64(p.total-at) / float64(at)).Round(time.Second)
		line = fmt.Sprintf("%s %3d%%  %s, %s left", bar(at, p.total), at*100/p.total, line, left)
	}
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(p.out, line)
	}
}

// clear removes the line from a terminal.
func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func bar(at, total int64) string {
	const width = 24
	full := int(at * width / total)
	b := make([]rune, width)
	for i := range b {
		b[i] = '░'
		if i < full {
			b[i] = '█'
		}
	}
	return string(b)
}
