package kinesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie/stream"
)

func publishing(t testing.TB, f *fakeKinesis, opts Options) *Stream {
	t.Helper()
	opts.Stream = "publishing"
	s, err := newStream(f, newMemTable(), opts)
	if err != nil {
		t.Fatal(err)
	}
	s.jitter = func(time.Duration) time.Duration { return 0 }
	return s
}

// records makes so many, spread over keys.
func recordsOf(keys, n, size int) (records []stream.Record) {
	for i := range n {
		data := make([]byte, size)
		copy(data, fmt.Sprintf("%06d", i))
		records = append(records, stream.Record{Key: fmt.Sprint("key", i%keys), Data: data})
	}
	return records
}

func TestRequestsKeepTheLimits(t *testing.T) {
	f := func(name string, keys, n, size, run, wantRequests int) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			fake := newFake(2)
			if err := publishing(t, fake, Options{KeyRun: run}).Publish(t.Context(), recordsOf(keys, n, size)); err != nil {
				t.Fatal(err)
			}
			total := 0
			for i, r := range fake.requests {
				bytes, perKey := 0, map[string]int{}
				for _, e := range r.Records {
					bytes += len(e.Data) + len(*e.PartitionKey)
					if perKey[*e.PartitionKey]++; perKey[*e.PartitionKey] > run {
						t.Fatalf("request %d has more than %d records of %s", i, run, *e.PartitionKey)
					}
				}
				if bytes > 5<<20 || len(r.Records) > 500 {
					t.Errorf("request %d has %d records, %d bytes", i, len(r.Records), bytes)
				}
				total += len(r.Records)
			}
			if total != n || len(fake.requests) != wantRequests {
				t.Errorf("%d records in %d requests, want %d in %d", total, len(fake.requests), n, wantRequests)
			}
		})
	}
	f("none", 1, 0, 10, 1, 0)
	f("one", 1, 1, 10, 1, 1)
	f("by count", 1001, 1001, 10, 1, 3)
	f("by bytes", 12, 12, 1<<20-2000, 1, 3)
	f("one of a key at a time", 10, 50, 10, 1, 5)
	f("runs of a key", 2, 1000, 10, 500, 2)
}

// Half of the records are refused, at random: each arrives once, in the order
// of its key.
func TestRefusedRecordsAreRepeatedInOrder(t *testing.T) {
	t.Parallel()
	fake := newFake(3)
	var mu sync.Mutex
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	fake.refuse = func(types.PutRecordsRequestEntry) bool {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(2) == 0
	}
	records := recordsOf(40, 400, 6)
	if err := publishing(t, fake, Options{}).Publish(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, s := range fake.shards {
		for _, r := range s.records {
			got[*r.PartitionKey] = append(got[*r.PartitionKey], string(r.Data))
		}
	}
	want := map[string][]string{}
	for _, r := range records {
		want[r.Key] = append(want[r.Key], string(r.Data))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records by key (-want +got):\n%s", diff)
	}
}

func TestPublishGivesUp(t *testing.T) {
	f := func(name string, fail error, refuse bool, opts Options, calls int) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			fake := newFake(1)
			var n atomic.Int32
			fake.fail = func(string) error { n.Add(1); return fail }
			fake.refuse = func(e types.PutRecordsRequestEntry) bool { return refuse && *e.PartitionKey == "key1" }
			err := publishing(t, fake, opts).Publish(t.Context(), recordsOf(3, 6, 6))
			var p *stream.PublishError
			if !errors.As(err, &p) {
				t.Fatalf("got %v", err)
			}
			want := []int{0, 1, 2, 3, 4, 5}
			if refuse {
				want = []int{1, 4}
			}
			if diff := cmp.Diff(want, p.Failed); diff != "" {
				t.Errorf("failed (-want +got):\n%s", diff)
			}
			if fail != nil && !errors.Is(err, fail) {
				t.Errorf("the error %v does not wrap the reason", err)
			}
			if calls > 0 && int(n.Load()) != calls {
				t.Errorf("%d calls, want %d", n.Load(), calls)
			}
		})
	}
	f("at once, when it is our fault", clientFault, false, Options{}, 1)
	f("after a while, when nothing works", errors.New("connection refused"), false, Options{PublishPatience: 300 * time.Millisecond}, 0)
	f("after a while, when a shard is full", nil, true, Options{PublishPatience: 300 * time.Millisecond}, 0)
}

func TestPublishEndsWithItsContext(t *testing.T) {
	fake := newFake(1)
	fake.refuse = func(types.PutRecordsRequestEntry) bool { return true }
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := publishing(t, fake, Options{}).Publish(ctx, recordsOf(2, 2, 6))
	var p *stream.PublishError
	if !errors.As(err, &p) || len(p.Failed) != 2 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// However many publish at once, so many requests are under way.
func TestRequestsUnderWayAreBounded(t *testing.T) {
	fake := newFake(1)
	var now, most atomic.Int32
	fake.fail = func(string) error {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		time.Sleep(20 * time.Millisecond)
		return nil
	}
	s := publishing(t, fake, Options{})
	var wg sync.WaitGroup
	for range 3 * putRequests {
		wg.Go(func() {
			if err := s.Publish(t.Context(), recordsOf(1, 1, 6)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := most.Load(); got != putRequests {
		t.Errorf("%d requests at once, want %d", got, putRequests)
	}
}

func TestPublishRefusesWhatKinesisRefuses(t *testing.T) {
	f := func(name string, bad stream.Record, tooLarge bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			fake := newFake(1)
			err := publishing(t, fake, Options{}).Publish(t.Context(), []stream.Record{{Key: "good", Data: []byte("x")}, bad})
			if err == nil || errors.Is(err, stream.ErrTooLarge) != tooLarge || len(fake.requests) != 0 {
				t.Errorf("got %v and %d requests", err, len(fake.requests))
			}
		})
	}
	f("data", stream.Record{Key: "k", Data: make([]byte, stream.MaxRecordBytes+1)}, true)
	f("key", stream.Record{Key: string(slices.Repeat([]byte("k"), 257))}, true)
	f("no key", stream.Record{Data: []byte("x")}, false)
}
