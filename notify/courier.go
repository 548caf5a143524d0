package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Options of a Courier. Store, Sinks, Owner, Now and Jitter are required.
type Options struct {
	Store  store.Store
	Sinks  []Sink
	Owner  string                            // unique for each start of a process; holds the lock
	Pages  *url.URL                          // address of the dashboard, for links; nil leaves them out
	Now    func() time.Time                  //
	Jitter func(time.Duration) time.Duration // a random part of a span

	Log        *slog.Logger          // nil: nothing is logged
	Registerer prometheus.Registerer // nil: none
}

// Courier takes transitions from the outbox to the sinks. One of many works at
// a time; when it dies another goes on, and what it had not noted is sent again
// under the same id.
type Courier struct {
	Options
	sinks   map[string]Sink
	metrics *metrics

	// Of the one goroutine that runs rounds.
	paused   map[string]pause // sinks that refuse everything
	measured time.Time
}

// pause of a sink.
type pause struct {
	failures int // rounds in a row in which nothing arrived
	until    time.Time
}

// New checks the options and makes a courier.
func New(o Options) (*Courier, error) {
	if o.Store == nil || o.Owner == "" || o.Now == nil || o.Jitter == nil {
		return nil, errors.New("notify: Store, Owner, Now and Jitter are required")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Courier{Options: o, sinks: map[string]Sink{}, paused: map[string]pause{}, metrics: newMetrics(o.Registerer)}
	for _, s := range o.Sinks {
		if _, taken := c.sinks[s.Name()]; taken {
			return nil, fmt.Errorf("notify: two sinks are named %s", s.Name())
		}
		c.sinks[s.Name()] = s
	}
	if len(c.sinks) == 0 {
		return nil, errors.New("notify: there is no sink")
	}
	return c, nil
}

const (
	roundEvery   = time.Second
	measureEvery = time.Minute     // it reads what it counts
	lockFor      = 2 * time.Minute // a round sends for as long as its slowest message takes
	outboxPage   = 200
	// sendAtOnce bounds the messages under way; sendPage is what one round sends.
	sendAtOnce = 8
	sendPage   = 200
)

// retries are the pauses after each failure. The sum is a little more than a
// day: a receiver that is down overnight misses nothing.
var retries = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// Run works until ctx ends.
func (c *Courier) Run(ctx context.Context) error {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		if err := c.round(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("transitions wait to be told and will be tried again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// round moves what is in the outbox into deliveries, and sends what is due.
func (c *Courier) round(ctx context.Context) error {
	_, ok, err := c.Store.Lock(ctx, "deliveries", c.Owner, c.Now(), lockFor)
	if err != nil {
		return fmt.Errorf("lock the deliveries: %w", err)
	}
	if !ok {
		return nil // another courier works
	}
	if err := c.collect(ctx); err != nil {
		return err
	}
	if err := c.send(ctx); err != nil {
		return err
	}
	if c.Now().Sub(c.measured) < measureEvery {
		return nil
	}
	c.measured = c.Now()
	return c.measure(ctx)
}

// collect writes a delivery for each sink before it takes a transition out of
// the outbox: a crash between repeats the first, which changes nothing.
func (c *Courier) collect(ctx context.Context) error {
	list, err := c.Store.Outbox(ctx, outboxPage)
	if err != nil {
		return fmt.Errorf("read the outbox: %w", err)
	}
	ids := make([]string, 0, len(list))
	for _, t := range list {
		payload, err := message(t, c.Pages)
		if err != nil {
			return err
		}
		for name := range c.sinks {
			now := c.Now()
			d := store.Delivery{ID: name + "/" + t.ID, Sink: name, Transition: t.ID, Finding: t.Finding, State: store.DeliveryPending,
				NextAt: now, CreatedAt: now, UpdatedAt: now, Payload: payload}
			if _, err := c.Store.PutDelivery(ctx, d); err != nil && !errors.Is(err, qrie.ErrExists) {
				return fmt.Errorf("write delivery %s: %w", d.ID, err)
			}
		}
		ids = append(ids, t.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	if err := c.Store.Delivered(ctx, ids); err != nil {
		return fmt.Errorf("empty the outbox: %w", err)
	}
	return nil
}

// send sends what is due, to each sink until a message fails: the others wait
// for the same reason, and go when one has arrived.
func (c *Courier) send(ctx context.Context) error {
	due, err := c.Store.DueDeliveries(ctx, c.Now(), sendPage)
	if err != nil {
		return fmt.Errorf("read the deliveries that are due: %w", err)
	}
	bySink := map[string][]store.Delivery{}
	for _, d := range due {
		bySink[d.Sink] = append(bySink[d.Sink], d)
	}
	for name, list := range bySink {
		sink, ok := c.sinks[name]
		if !ok {
			sink = missing(name)
		}
		if err := c.sendTo(ctx, sink, list); err != nil {
			return err
		}
	}
	return nil
}

// sendTo sends to one sink. The first message goes alone if the last round
// failed.
func (c *Courier) sendTo(ctx context.Context, sink Sink, list []store.Delivery) error {
	p := c.paused[sink.Name()]
	if c.Now().Before(p.until) {
		return c.putOff(ctx, list, p.until)
	}
	rest := list
	if p.failures > 0 {
		arrived, err := c.try(ctx, sink, list[0])
		if err != nil {
			return err
		}
		rest = list[1:]
		if !arrived {
			p.failures++
			p.until = c.Now().Add(retries[min(p.failures, 4)])
			c.paused[sink.Name()] = p
			return c.putOff(ctx, rest, p.until)
		}
		delete(c.paused, sink.Name())
	}
	arrived := make([]bool, len(rest))
	var g errgroup.Group
	g.SetLimit(sendAtOnce)
	for i, d := range rest {
		g.Go(func() (err error) {
			arrived[i], err = c.try(ctx, sink, d)
			return err
		})
	}
	err := g.Wait()
	any := len(rest) == 0
	for _, ok := range arrived {
		any = any || ok
	}
	if !any {
		c.paused[sink.Name()] = pause{failures: 1}
	}
	return err
}

// putOff makes deliveries wait without counting an attempt.
func (c *Courier) putOff(ctx context.Context, list []store.Delivery, until time.Time) error {
	for _, d := range list {
		d.NextAt = until.Add(c.Jitter(roundEvery))
		if _, err := c.Store.PutDelivery(ctx, d); err != nil && !errors.Is(err, qrie.ErrConflict) {
			return fmt.Errorf("put off delivery %s: %w", d.ID, err)
		}
	}
	return nil
}

// try sends one message and notes what became of it.
func (c *Courier) try(ctx context.Context, sink Sink, d store.Delivery) (arrived bool, err error) {
	start := c.Now()
	status, failed := sink.Send(ctx, d.Transition, d.Payload)
	if ctx.Err() != nil {
		return false, ctx.Err() // the process ends: nobody's attempt
	}
	c.metrics.duration.WithLabelValues(d.Sink).Observe(max(0, c.Now().Sub(start).Seconds()))
	d.Attempts++
	d.Status, d.UpdatedAt, d.Error = status, c.Now(), ""
	result := "delivered"
	var refusal *Refusal
	switch {
	case failed == nil:
		d.State, d.Payload = store.DeliveryDelivered, nil
	case errors.As(failed, &refusal) && refusal.Final, d.Attempts > len(retries):
		result, d.State, d.Error = "dead", store.DeliveryDead, failed.Error()
		c.Log.Error("a transition was not told and will not be tried again; qrie deliveries replay sends it once more",
			"sink", d.Sink, "delivery", d.ID, "attempts", d.Attempts, "error", failed)
	default:
		wait := retries[d.Attempts-1]
		if refusal != nil {
			wait = max(wait, refusal.RetryAfter)
		}
		result, d.NextAt, d.Error = "failed", c.Now().Add(wait+c.Jitter(wait/4)), failed.Error()
	}
	c.metrics.deliveries.WithLabelValues(d.Sink, result).Inc()
	if _, err := c.Store.PutDelivery(ctx, d); err != nil && !errors.Is(err, qrie.ErrConflict) {
		return failed == nil, fmt.Errorf("note what became of delivery %s: %w", d.ID, err)
	}
	return failed == nil, nil
}

// measure tells how many deliveries wait and how many are dead.
func (c *Courier) measure(ctx context.Context) error {
	counts, err := c.Store.CountDeliveries(ctx)
	if err != nil {
		return fmt.Errorf("count the deliveries: %w", err)
	}
	for _, state := range []store.DeliveryState{store.DeliveryPending, store.DeliveryDead} {
		c.metrics.waiting.WithLabelValues(string(state)).Set(float64(counts[state]))
	}
	return nil
}

// missing is a sink that is no longer configured, by name.
type missing string

func (m missing) Name() string { return string(m) }

func (m missing) Send(context.Context, string, []byte) (int, error) {
	return 0, &Refusal{Final: true, Text: "no sink of this name is configured any more"}
}
