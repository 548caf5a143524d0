// Package processor is the worker: it turns events into marks, marks into
// observations, observations into verdicts and verdicts into findings. Every
// decision of the pipeline is here, and no I/O of its own: the stream, the
// store and AWS are reached through ports.
package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// Reader reads AWS, or what stands for it. Its errors are *qrie.Fault.
type Reader interface {
	// Describe reads one resource completely. A resource that does not exist
	// is an observation with Deleted set, and no error.
	Describe(ctx context.Context, ref qrie.Ref) (qrie.Observation, error)
	// List reads one page of a type's resources; next is empty on the last.
	List(ctx context.Context, account, region, resourceType, token string) (refs []qrie.Ref, next string, err error)
}

// Options of a Worker. The ports, which it has of a Starter, and the Reader are
// required.
type Options struct {
	Starter // Now is time.Now if nil
	Reader  Reader

	Owner      string                            // unique for each start of a process; names the holder of locks
	Jitter     func(time.Duration) time.Duration // a random part of a span; default: a uniform one
	Log        *slog.Logger                      // default: none
	Registerer prometheus.Registerer             // default: none

	Jobs        int           // refreshes at once; default 384: each mostly waits for AWS. Half of them may be at work
	InFlight    int           // marks held for each shard; default 5000
	Floor       time.Duration // least time between two reads of a resource; doubles up to eight times while it keeps changing; default 0.5 s
	ConfirmGone time.Duration // pause before a deletion is confirmed; default 1 s
	// Rereads are how long after an event its resource is looked at again if its
	// change was not to be seen yet: AWS's reads are eventually consistent,
	// IAM's most of all. Ascending; default 10 s, 60 s, 300 s.
	Rereads []time.Duration
	// ListFloor is the least time between two listings of one type that events
	// ask for. Default 60 s.
	ListFloor time.Duration
	// ParkFor is how long a resource that could not be read waits at first; it
	// doubles with each attempt. A missing permission waits sixty times as
	// long. Default 5 s.
	ParkFor time.Duration
	// CallsPerSecond bounds the reads for each account, Region and resource
	// type. They begin at half of it, and slow down when AWS asks for that: EC2
	// refills 20 non-mutating calls a second for an account and Region, which
	// the customer's own tools share (EC2 API throttling page). 0: no bound, for
	// a simulated organisation.
	CallsPerSecond float64
	// Schedule turns on what runs by the clock: the first and the weekly
	// inventory, the daily policy scan, recount and trimming.
	Schedule bool
}

// Worker consumes the stream. Run it once.
type Worker struct {
	Options
	desk    *desk
	health  *health
	decoder *ingest.Decoder
	labels  map[string]string // service of each event source
	metrics *metrics
	slots   chan struct{}
	scans   chan struct{} // slots that scans may have
	hands   *hands

	memo memo

	taken atomic.Int64  // events taken from the stream so far
	pace  atomic.Uint64 // events a second, as the bits of a float

	limiters *limiters
	breakers *breakers

	mu       sync.Mutex
	sessions map[*stream.Session]*session
}

// New checks the options and makes a worker.
func New(o Options) (*Worker, error) {
	if o.Stream == nil || o.Store == nil || o.Reader == nil || o.Policies == nil || o.NewID == nil {
		return nil, errors.New("processor: Stream, Store, Reader, Policies and NewID are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = func(d time.Duration) time.Duration { return rand.N(max(d, 1)) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Jobs == 0 {
		o.Jobs = 384
	}
	if o.InFlight == 0 {
		o.InFlight = 5000
	}
	if o.Floor == 0 {
		o.Floor = 500 * time.Millisecond
	}
	if o.ConfirmGone == 0 {
		o.ConfirmGone = time.Second
	}
	if o.ListFloor == 0 {
		o.ListFloor = time.Minute
	}
	if o.ParkFor == 0 {
		o.ParkFor = 5 * time.Second
	}
	if o.Rereads == nil {
		o.Rereads = []time.Duration{10 * time.Second, 60 * time.Second, 300 * time.Second}
	}
	types := resources.All()
	return &Worker{
		Options:  o,
		desk:     &desk{store: o.Store, catalogue: o.Policies, now: o.Now, log: o.Log},
		health:   &health{store: o.Store, now: o.Now, log: o.Log},
		decoder:  ingest.NewDecoder(types),
		labels:   serviceLabels(types),
		metrics:  newMetrics(o.Registerer),
		slots:    make(chan struct{}, o.Jobs),
		scans:    make(chan struct{}, max(1, o.Jobs/2)),
		hands:    newHands(max(1, o.Jobs/2)),
		limiters: newLimiters(o.CallsPerSecond, o.Now),
		breakers: newBreakers(o.Now, o.Jitter),
		sessions: map[*stream.Session]*session{},
	}, nil
}

// reloadEvery is how soon a launch or a new account reaches every worker.
const reloadEvery = time.Second

// Run works until ctx ends, then drains and returns. It returns an error only
// when it cannot go on.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.upgrade(ctx); err != nil {
		return err
	}
	if err := w.desk.reload(ctx); err != nil {
		return err
	}
	if err := w.health.reload(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := w.Stream.Consume(ctx, w); err != nil {
			return fmt.Errorf("consume the stream: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		return every(ctx, reloadEvery, func() {
			if err := w.desk.reload(ctx); err != nil && ctx.Err() == nil {
				w.Log.Warn("reload of launches and accounts failed; the last ones stay in force", "error", err)
			}
			w.measure()
		})
	})
	g.Go(func() error {
		return every(ctx, healthEvery, func() {
			if err := w.health.reload(ctx); err != nil && ctx.Err() == nil {
				w.Log.Warn("what other workers found wrong with accounts is not known", "error", err)
			}
			w.measureHealth()
		})
	})
	g.Go(func() error { return every(ctx, drainEvery, func() { w.drainDirty(ctx) }) })
	if w.Schedule {
		g.Go(func() error { return every(ctx, scheduleEvery, func() { w.schedule(ctx) }) })
	}
	return g.Wait()
}

// every calls f at once and then at each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		f()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// EventsPerSecond is how many events were taken from the stream each second,
// over about the last ten.
func (w *Worker) EventsPerSecond() float64 { return math.Float64frombits(w.pace.Load()) }

// measureHealth publishes how many accounts are well, and how many are not.
func (w *Worker) measureHealth() {
	counts, ok := w.health.count(), len(w.desk.allAccounts())
	for _, state := range store.HealthStates {
		w.metrics.accounts.WithLabelValues(string(state)).Set(float64(counts[state]))
		ok -= counts[state]
	}
	w.metrics.accounts.WithLabelValues("ok").Set(float64(max(ok, 0)))
}

// measure publishes how much is held and running, and the pace.
func (w *Worker) measure() {
	const weight = 0.1 // of the last second
	pace := w.EventsPerSecond()
	pace += weight * (float64(w.taken.Swap(0))/reloadEvery.Seconds() - pace)
	w.pace.Store(math.Float64bits(pace))
	w.mu.Lock()
	defer w.mu.Unlock()
	var held, running int
	for _, s := range w.sessions {
		h, r := s.lanes.depth()
		held, running = held+h, running+r
	}
	w.metrics.laneQueue.Set(float64(held))
	w.metrics.laneRunning.Set(float64(running))
}
