package scanners

import (
	"sync"
	"time"
)

// clock estimates how far AWS's clock is ahead of the machine's, from the Date
// headers of AWS's answers. It is safe for concurrent use.
//
// A Date is cut to the second, so an answer does not tell the skew but bounds
// it: AWS wrote it between sending and receiving. The estimate starts at 0 and
// moves to the nearest bound only when an answer contradicts it. A machine
// whose clock is right keeps exactly 0, and observations do not jitter.
type clock struct {
	now func() time.Time

	mu   sync.Mutex
	skew time.Duration
}

// dateResolution is how coarse a Date header is.
const dateResolution = time.Second

// learn takes the Date of an answer whose request was sent and received at the
// given times of the machine's clock.
func (c *clock) learn(date, sent, received time.Time) {
	least := date.Sub(received)
	most := date.Add(dateResolution).Sub(sent)
	if least > most { // the machine's clock was set back in between
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew = min(max(c.skew, least), most)
}

// correct turns a time of the machine's clock into AWS's, in UTC.
func (c *clock) correct(t time.Time) time.Time {
	return t.Add(c.estimate()).UTC()
}

func (c *clock) estimate() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew
}
