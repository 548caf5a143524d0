package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie/query"
	"github.com/qrie-sec/qrie/stream"
)

// watchEvery is how often a process looks at the shards unasked.
const watchEvery = 10 * time.Second

// watch keeps an eye on the shards, for probes, people and metrics. It is safe
// for concurrent use.
type watch struct {
	stream   stream.Stream
	age      time.Duration
	now      func() time.Time
	troubles *prometheus.GaugeVec

	mu    sync.Mutex
	watch stream.Watch
	last  query.Pipeline
	at    time.Time // of the last look
}

// newWatch watches a stream. What it tells may be so old: anybody may ask a
// probe, and a look may cost calls of AWS.
func newWatch(s stream.Stream, age time.Duration, now func() time.Time) *watch {
	return &watch{stream: s, age: age, now: now, troubles: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "qrie_shards_in_trouble",
		Help: "Shards that nobody reads (unowned), whose oldest record does not finish (stalled), that may lose records unread (retention).",
	}, []string{"kind"})}
}

// start looks at the shards now and then until the returned function is
// called, which waits for the last look.
func (w *watch) start(ctx context.Context, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			if _, err := w.pipeline(ctx); err != nil && ctx.Err() == nil {
				log.Warn("cannot look at the shards of the stream", "error", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); looking.Wait() }
}

// pipeline tells how the shards do.
func (w *watch) pipeline(ctx context.Context) (query.Pipeline, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if now.Sub(w.at) < w.age {
		return w.last, nil
	}
	shards, err := w.stream.Shards(ctx)
	if err != nil {
		return query.Pipeline{}, err
	}
	var p query.Pipeline
	for _, s := range shards {
		p.Shards = append(p.Shards, query.Shard{ID: s.ID, State: string(s.State), Owner: s.Owner, Epoch: s.Epoch, Checkpoint: s.Checkpoint,
			LagSeconds: s.Lag.Seconds(), Behind: s.Behind})
		p.LagSeconds = max(p.LagSeconds, s.Lag.Seconds())
	}
	count := map[stream.TroubleKind]float64{}
	for _, t := range w.watch.Look(shards, now) {
		p.Troubles = append(p.Troubles, query.Trouble{Kind: string(t.Kind), Shard: t.Shard, Text: t.Text})
		count[t.Kind]++
	}
	for _, kind := range stream.TroubleKinds {
		w.troubles.WithLabelValues(string(kind)).Set(count[kind])
	}
	w.last, w.at = p, now
	return p, nil
}
