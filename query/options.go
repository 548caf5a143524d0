package query

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/store"
)

// Options are what a Server is made of. Store, Policies and Auth are needed;
// the others have working zero values.
type Options struct {
	Store    store.Store
	Policies *policies.Set
	Auth     Auth

	// UI is the built web application, with index.html at its root; nil or
	// empty serves a page that says how to build it.
	UI fs.FS
	// Demo is the simulated organisation; nil where there is none.
	Demo Demo
	// Start starts a job. nil: this process cannot, and the answers say so.
	Start func(ctx context.Context, t Task) (store.Job, error)
	// Pipeline tells how the stream does. nil: this process does not know.
	Pipeline func(ctx context.Context) (Pipeline, error)

	// Registry is served at /metrics, and the room's own metrics are added to
	// it; nil: a registry of its own.
	Registry *prometheus.Registry
	Log      *slog.Logger // nil: nothing is logged
	Version  string       // of the build, for people

	// Now is the clock; nil: the machine's.
	Now func() time.Time
	// Random gives request ids and session ids; nil: the system's.
	Random io.Reader
	// Jitter gives numbers in [0,1) that spread the refreshes of summaries;
	// nil: random.
	Jitter func() float64
	// MaxStreams bounds the clients of the live stream; 0 is 256.
	MaxStreams int
	// Operations leaves everything out but health and metrics, for a process
	// that serves no people.
	Operations bool
}

// Task is what a job is to do: to judge what a policy covers anew, from what is
// stored, or, without a policy, to list resources and read them.
type Task struct {
	Policy   string
	Accounts []string // ids; none: all that are watched
	Services []string // none: all; only without a policy
	Reason   string
}

// Pipeline is how the stream does, as far as this process can tell.
type Pipeline struct {
	Shards          []Shard
	Troubles        []Trouble
	EventsPerSecond *float64 // nil: this process runs no worker
	LagSeconds      float64  // of the shard that lags most
}

// Trouble is what is wrong with a shard and has been for some time.
type Trouble struct {
	Kind  string `json:"kind" enum:"unowned,stalled,retention" doc:"Nobody reads it; its oldest record does not finish; it may lose records unread"`
	Shard string `json:"shard"`
	Text  string `json:"text"`
}

// Shard is one shard of the stream.
type Shard struct {
	ID         string  `json:"id"`
	State      string  `json:"state" enum:"open,closed,waiting,finished" doc:"Takes records; takes none any more; waits for its parents; read to its end"`
	Owner      string  `json:"owner" doc:"Worker that holds the lease; empty if nobody does"`
	Epoch      int64   `json:"epoch" doc:"Grows with every change of owner"`
	Checkpoint string  `json:"checkpoint" doc:"Sequence number up to which everything is done"`
	LagSeconds float64 `json:"lag_seconds" doc:"Age of the oldest record after the checkpoint"`
	Behind     int64   `json:"behind" doc:"Records after the checkpoint; -1 if the stream cannot tell"`
}

// withDefaults fills in what was left out, and says what cannot be.
func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Store == nil:
		return o, errors.New("query options: Store is needed")
	case o.Policies == nil:
		return o, errors.New("query options: Policies is needed")
	case o.MaxStreams < 0:
		return o, fmt.Errorf("query options: MaxStreams is %d and must not be negative", o.MaxStreams)
	}
	if err := o.Auth.check(); err != nil {
		return o, err
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Jitter == nil {
		o.Jitter = mathrand.Float64
	}
	if o.MaxStreams == 0 {
		o.MaxStreams = 256
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	return o, nil
}
