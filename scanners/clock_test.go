package scanners

import (
	"context"
	"net/http"
	"testing"
	"time"
)

func TestClockEstimate(t *testing.T) {
	type answer struct{ sent, received, date time.Duration } // since testTime's second
	base := testTime.Truncate(time.Second)
	f := func(want time.Duration, answers ...answer) {
		t.Helper()
		c := &clock{}
		for _, a := range answers {
			c.learn(base.Add(a.date), base.Add(a.sent), base.Add(a.received))
		}
		if got := c.estimate(); got != want {
			t.Errorf("skew %s, want %s", got, want)
		}
	}
	const ms = time.Millisecond
	// A clock that is right: the date is cut to the second.
	f(0, answer{300 * ms, 350 * ms, 0})
	f(0, answer{900 * ms, 1100 * ms, 0}, answer{900 * ms, 1100 * ms, time.Second}, answer{999 * ms, 1999 * ms, time.Second})
	// AWS is ahead: by at least what the answer shows, and never further than the next shows.
	f(29650*ms, answer{300 * ms, 350 * ms, 30 * time.Second})
	f(29900*ms, answer{300 * ms, 350 * ms, 30 * time.Second}, answer{10050 * ms, 10100 * ms, 40 * time.Second})
	// AWS is behind.
	f(-59300*ms, answer{300 * ms, 350 * ms, -60 * time.Second})
	// The machine's clock is mended.
	f(0+50*ms, answer{300 * ms, 350 * ms, 30 * time.Second}, answer{950 * ms, 960 * ms, 0})
	// The machine's clock was set back while waiting: nothing is learnt.
	f(0, answer{5 * time.Second, 300 * ms, 30 * time.Second})
}

func TestObservedAtIsOnAWSClock(t *testing.T) {
	for _, c := range []struct {
		name   string
		header http.Header
		want   time.Time
	}{
		{"ahead by an hour", http.Header{"Date": {testTime.Add(time.Hour).Format(http.TimeFormat)}}, testTime.Add(time.Hour).Truncate(time.Second)},
		{"right", http.Header{"Date": {testTime.Format(http.TimeFormat)}}, testTime},
		{"no date", http.Header{}, testTime},
		{"unreadable date", http.Header{"Date": {"yesterday"}}, testTime},
		{"from a cache", http.Header{"Date": {testTime.Add(-time.Hour).Format(http.TimeFormat)}, "Age": {"3600"}}, testTime},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := goneUser()
			r.header = c.header
			o, err := newTestScanner(&replay{t: t, replies: []*reply{r}}).Describe(context.Background(), anaRef)
			if err != nil {
				t.Fatal(err)
			}
			// The describe that learns the skew is corrected by it already.
			if !o.ObservedAt.Equal(c.want) || o.ObservedAt.Location() != time.UTC {
				t.Errorf("observed at %s, want %s", o.ObservedAt, c.want)
			}
		})
	}
}
