package memory_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qrie-sec/qrie/stream"
	"github.com/qrie-sec/qrie/stream/memory"
	"github.com/qrie-sec/qrie/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	const leaseTime, drainTimeout, maxUnfinished = time.Second, 1500 * time.Millisecond, 1500
	var logs sync.Map // by address
	log := func(address string) *memory.Log {
		found, _ := logs.Load(address)
		return found.(*memory.Log)
	}
	var n int
	var mu sync.Mutex
	streamtest.Run(t, streamtest.Harness{
		New: func(*testing.T) string {
			mu.Lock()
			defer mu.Unlock()
			n++
			address := fmt.Sprint("log-", n)
			logs.Store(address, memory.NewLog(memory.Options{Shards: 2, LeaseTime: leaseTime, DrainTimeout: drainTimeout, MaxUnfinished: maxUnfinished}))
			return address
		},
		Open: func(_ context.Context, address string) (stream.Stream, error) {
			return log(address).Open(memory.Process{}), nil
		},
		LeaseTime: leaseTime, DrainTimeout: drainTimeout, MaxUnfinished: maxUnfinished,
		Reshard: func(t *testing.T, address string) { reshard(t, log(address)) },
		Alone:   true,
	})
}

// reshard replaces two open shards by the one they are merged to, and any other
// number by the halves of each.
func reshard(t *testing.T, log *memory.Log) {
	t.Helper()
	infos, err := log.Open(memory.Process{}).Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var open []string // those that are nobody's parent
	for _, s := range infos {
		if !slices.ContainsFunc(infos, func(child stream.ShardInfo) bool { return slices.Contains(child.Parents, s.ID) }) {
			open = append(open, s.ID)
		}
	}
	if len(open) == 2 {
		if err := log.Merge(open[0], open[1]); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, id := range open {
		if err := log.Split(id); err != nil {
			t.Fatal(err)
		}
	}
}
