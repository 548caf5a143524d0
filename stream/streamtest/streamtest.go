// Package streamtest is the contract of package stream as tests. An adapter
// brings a Harness, calls Main from its TestMain and Run from one test:
//
//	func TestMain(m *testing.M) { streamtest.Main(m, harness) }
//	func TestContract(t *testing.T) { streamtest.Run(t, harness) }
//
// The suite kills and stops real processes: it starts the test binary again,
// and Main makes that a consumer or a publisher.
package streamtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// Harness is what an adapter brings.
type Harness struct {
	// New makes fresh storage with at least two shards and no record, and
	// returns its address. It is cleaned up with t.
	New func(t *testing.T) (address string)
	// Open opens a stream at an address that New returned, perhaps in another
	// process. Every stream that is opened consumes as an owner of its own.
	Open func(ctx context.Context, address string) (stream.Stream, error)

	// LeaseTime is how long the shards of a dead owner stand still. The
	// suite waits for several of it.
	LeaseTime time.Duration
	// DrainTimeout is that of the streams that Open opens. The suite waits
	// for it to pass.
	DrainTimeout time.Duration
	// MaxUnfinished bounds what one session hands over without seeing it
	// finished.
	MaxUnfinished int

	// Reshard replaces each open shard by children. Nil if the adapter's
	// shards are fixed.
	Reshard func(t *testing.T, address string)

	// Alone says that nothing in another process can reach the storage. The
	// cases that need one skip and say so, and Main need not be called.
	Alone bool

	// Seed of everything random, to repeat a run; zero chooses one for each
	// case and prints it.
	Seed uint64
}

// Run runs every case on the adapter, in parallel.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"OneKeyOneShardInOrder", oneKeyOneShardInOrder},
		{"BytesAreKept", bytesAreKept},
		{"TooLargeWritesNothing", tooLargeWritesNothing},
		{"PublishNamesWhatIsNotDurable", publishNamesWhatIsNotDurable},
		{"EmptyStreamIdles", emptyStreamIdles},
		{"Closed", closed},
		{"ShardsTellTheBacklog", shardsTellTheBacklog},
		{"TailSeesWhatPasses", tailSeesWhatPasses},

		{"CheckpointNeverPassesUnfinished", checkpointNeverPassesUnfinished},
		{"DrainWaitsForDone", drainWaitsForDone},
		{"UnfinishedIsDeliveredAgain", unfinishedIsDeliveredAgain},
		{"UnfinishedIsBounded", unfinishedIsBounded},
		{"HandlersMayPublish", handlersMayPublish},

		{"ConsumersShareTheShards", consumersShareTheShards},
		{"BlockedHandlerKeepsItsLease", blockedHandlerKeepsItsLease},
		{"StoppedProcessIsFenced", stoppedProcessIsFenced},
		{"KilledConsumerLosesNothing", killedConsumerLosesNothing},
		{"KilledPublisherKeepsItsWord", killedPublisherKeepsItsWord},
		{"ParentsBeforeChildren", parentsBeforeChildren},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := h.Seed
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Logf("seed %d", seed)
			c.run(t, &suite{Harness: h, t: t, address: h.New(t), rand: rand.New(rand.NewPCG(seed, 0))})
		})
	}
}

// suite is one case at work on storage of its own.
type suite struct {
	Harness
	t       *testing.T
	address string
	rand    *rand.Rand // of the test's goroutine
}

// patience is how long anything may take before the case fails.
func (s *suite) patience() time.Duration { return 20*time.Second + 10*s.LeaseTime }

// open opens the storage, for the time of the case.
func (s *suite) open() stream.Stream {
	s.t.Helper()
	st, err := s.Open(s.t.Context(), s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := st.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return st
}

// publish publishes records, in one call.
func (s *suite) publish(st stream.Stream, records ...stream.Record) {
	s.t.Helper()
	if err := st.Publish(s.t.Context(), records); err != nil {
		s.t.Fatalf("publish %d records: %v", len(records), err)
	}
}

func (s *suite) shards(st stream.Stream) []stream.ShardInfo {
	s.t.Helper()
	shards, err := st.Shards(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return shards
}

// until waits for a condition.
func (s *suite) until(what string, condition func() bool) {
	s.t.Helper()
	deadline := time.After(s.patience())
	for !condition() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			s.t.Fatalf("waited %v in vain: %s", s.patience(), what)
		}
	}
}

// consume runs a Consume until the returned function is called, or the case
// ends. It returns what Consume returns.
func (s *suite) consume(st stream.Stream, h stream.Handler) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = st.Consume(ctx, h)
	}()
	stop = func() error {
		cancel()
		select {
		case <-ended:
			return err
		case <-time.After(s.patience() + s.DrainTimeout):
			return fmt.Errorf("the end of Consume did not come within %v", s.patience()+s.DrainTimeout)
		}
	}
	s.t.Cleanup(func() { _ = stop() })
	return stop
}

// batch makes n records spread over keys. Their payloads number the records
// of each key from the given number on.
func batch(keys, from, n int) []stream.Record {
	records := make([]stream.Record, 0, keys*n)
	for i := range n {
		for k := range keys {
			key := fmt.Sprintf("key-%03d", k)
			records = append(records, stream.Record{Key: key, Data: fmt.Appendf(nil, "%s/%06d", key, from+i)})
		}
	}
	return records
}
