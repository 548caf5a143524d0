package query

import (
	"context"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie/store"
)

// System is how the pipeline does.
type System struct {
	Stream          StreamState `json:"stream"`
	Dirty           DirtyState  `json:"dirty"`
	DeadLetters     int64       `json:"dead_letters" doc:"Records that could not be understood or handled"`
	Deliveries      Deliveries  `json:"deliveries"`
	EventsPerSecond *float64    `json:"events_per_second,omitempty" doc:"Taken by the process that answers; absent where it runs no worker"`
	LagSeconds      *float64    `json:"lag_seconds,omitempty" doc:"Of the shard that lags most"`
}

// StreamState is the stream's shards, as far as this process knows them.
type StreamState struct {
	Shards   []Shard   `json:"shards"`
	Troubles []Trouble `json:"troubles" doc:"What is wrong with shards, for longer than a hand-over takes"`
}

// Deliveries counts the transitions on their way to sinks.
type Deliveries struct {
	Pending int64 `json:"pending"`
	Dead    int64 `json:"dead" doc:"Given up after a day of attempts: POST …/actions/replay tries one again"`
}

// DirtyState is the marks that wait.
type DirtyState struct {
	Count  int64     `json:"count"`
	Oldest time.Time `json:"oldest,omitzero"`
}

func (s *Server) system(ctx context.Context, _ *struct{}) (*body[System], error) {
	state := System{Stream: StreamState{Shards: []Shard{}, Troubles: []Trouble{}}}
	count, oldest, err := s.store.CountDirty(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the marks that wait: %w", err)
	}
	state.Dirty = DirtyState{Count: count, Oldest: utc(oldest)}
	if state.DeadLetters, err = s.store.CountDeadLetters(ctx); err != nil {
		return nil, fmt.Errorf("count the dead letters: %w", err)
	}
	deliveries, err := s.store.CountDeliveries(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the deliveries: %w", err)
	}
	state.Deliveries = Deliveries{Pending: deliveries[store.DeliveryPending], Dead: deliveries[store.DeliveryDead]}
	if s.options.Pipeline != nil {
		p, err := s.options.Pipeline(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the state of the stream: %w", err)
		}
		state.Stream = StreamState{Shards: notNil(p.Shards), Troubles: notNil(p.Troubles)}
		state.EventsPerSecond, state.LagSeconds = p.EventsPerSecond, &p.LagSeconds
	}
	return &body[System]{Body: state}, nil
}
