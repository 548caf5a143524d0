package kinesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/qrie-sec/qrie/stream"
)

func openTest(t testing.TB, opts Options) *Stream {
	t.Helper()
	s, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// writer publishes numbered records of some keys until it is stopped.
func writer(t *testing.T, s *Stream, keys int, every time.Duration) (stop func() []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var published []string
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			var records []stream.Record
			for k := range keys {
				key := fmt.Sprint("key", k)
				records = append(records, stream.Record{Key: key, Data: fmt.Appendf(nil, "%s/%06d", key, i)})
			}
			if err := s.Publish(t.Context(), records); err != nil {
				t.Errorf("publish: %v", err)
				return
			}
			for _, r := range records {
				published = append(published, string(r.Data))
			}
			time.Sleep(every)
		}
	})
	return func() []string {
		cancel()
		wg.Wait()
		return published
	}
}

// missing counts what has not arrived.
func (d *diary) missing(want []string) int {
	seen := map[string]bool{}
	for _, data := range d.data() {
		seen[data] = true
	}
	return len(slices.DeleteFunc(slices.Clone(want), func(data string) bool { return seen[data] }))
}

// checkOrder checks the first deliveries of each key.
func (d *diary) checkOrder(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	last, seen := map[string]string{}, map[string]bool{}
	for _, r := range d.records {
		data := string(r.Data)
		if seen[data] {
			continue
		}
		seen[data] = true
		if data < last[r.Key] {
			t.Errorf("%s came after %s", data, last[r.Key])
		}
		last[r.Key] = data
	}
}

// Shards are split and merged while records are written and read: nothing is
// lost, keys stay in order, parents end before their children begin.
func TestReshardingWhileWriting(t *testing.T) {
	needServers(t)
	t.Parallel()
	name := newTestStream(t, 2)
	reshardingWhileWriting(t, name, func() {
		for range 2 {
			time.Sleep(500 * time.Millisecond)
			for _, shard := range openShards(t, name) {
				split(t, name, shard)
			}
			time.Sleep(500 * time.Millisecond)
			open := openShards(t, name)
			for i := 0; i+1 < len(open); i += 2 {
				merge(t, name, open[i], open[i+1])
			}
		}
	})
}

// The number of shards is changed as an operator or an on-demand stream does it,
// and shards are listed in pages.
func TestUpdateShardCountWhileWriting(t *testing.T) {
	needSecond(t)
	t.Parallel()
	name := makeStream(t, onSecond+randomName(), 2)
	reshardingWhileWriting(t, name, func() {
		for _, shards := range []int32{4, 3, 6} {
			time.Sleep(time.Second)
			_, err := testClient(name).UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{
				StreamName: aws.String(name), TargetShardCount: aws.Int32(shards), ScalingType: types.ScalingTypeUniformScaling})
			if err != nil {
				t.Fatalf("change the number of shards to %d: %v", shards, err)
			}
			awaitActive(t, testClient(name), name)
		}
		if n := len(openShards(t, name)); n != 6 {
			t.Errorf("%d open shards, want 6", n)
		}
	})
}

// paged makes every list of shards come in pages of two.
func paged(pages *atomic.Int32) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("pages of two",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				if list, ok := in.Parameters.(*kinesis.ListShardsInput); ok {
					list.MaxResults = aws.Int32(2)
				}
				out, md, err := next.HandleInitialize(ctx, in)
				if list, ok := out.Result.(*kinesis.ListShardsOutput); ok && list.NextToken != nil {
					pages.Add(1)
				}
				return out, md, err
			}), middleware.Before)
	}
}

func reshardingWhileWriting(t *testing.T, name string, reshard func()) {
	t.Helper()
	opts := testOptions(name)
	var pages atomic.Int32
	opts.AWS.APIOptions = append(opts.AWS.APIOptions, paged(&pages))
	s := openTest(t, opts)
	d := &diary{}
	stop := consume(t, s, "w", d)
	stopWriting := writer(t, s, 24, 5*time.Millisecond)
	reshard()
	published := stopWriting()
	eventually(t, time.Minute, "every record", func() bool { return d.missing(published) == 0 })
	d.checkOrder(t)
	shards, err := s.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	for _, shard := range shards {
		for _, parent := range shard.Parents {
			end, begin := slices.Index(d.events, "end "+parent+" shard_end"), slices.Index(d.events, "begin "+shard.ID)
			if begin >= 0 && (end < 0 || end > begin) {
				t.Errorf("%s began before its parent %s had ended", shard.ID, parent)
			}
		}
	}
	t.Logf("%d records over %d shards", len(published), len(shards))
	if strings.HasPrefix(name, onSecond) && pages.Load() == 0 {
		t.Error("no list of shards had a second page")
	}
	if len(d.records) != len(published) {
		t.Errorf("%d deliveries of %d records, though no lease was lost", len(d.records), len(published))
	}
	d.mu.Unlock()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Half of all calls to both services are throttled.
func TestEverythingThrottled(t *testing.T) {
	needServers(t)
	t.Parallel()
	opts := testOptions(newTestStream(t, 2))
	var throttling atomic.Bool
	var throttled atomic.Int32
	opts.AWS.APIOptions = append(opts.AWS.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("throttle",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				if throttling.Load() && rand.IntN(2) == 0 {
					throttled.Add(1)
					switch in.Parameters.(type) {
					case *dynamodb.UpdateItemInput, *dynamodb.QueryInput, *dynamodb.DeleteItemInput:
						return middleware.InitializeOutput{}, middleware.Metadata{}, &dynamotypes.ProvisionedThroughputExceededException{}
					case *kinesis.ListShardsInput:
						return middleware.InitializeOutput{}, middleware.Metadata{}, &types.LimitExceededException{}
					}
					return middleware.InitializeOutput{}, middleware.Metadata{}, &types.ProvisionedThroughputExceededException{}
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
	})
	s := openTest(t, opts)
	throttling.Store(true)
	d := &diary{}
	stop := consume(t, s, "w", d)
	stopWriting := writer(t, s, 16, 20*time.Millisecond)
	time.Sleep(8 * time.Second)
	published := stopWriting()
	eventually(t, time.Minute, "every record", func() bool { return d.missing(published) == 0 })
	throttling.Store(false)
	d.checkOrder(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
	t.Logf("%d records, %d calls throttled, %d sessions, %d of them lost", len(published), throttled.Load(), d.count("begin"), d.count("end")-d.countReleased())
	if throttled.Load() == 0 || len(published) == 0 {
		t.Error("nothing was throttled, or nothing published")
	}
}

// Kinesis goes away for longer than a lease lasts and comes back: the leases
// are kept meanwhile, nothing is lost or delivered twice.
func TestKinesisRestarts(t *testing.T) {
	needServers(t)
	t.Parallel()
	tools := filepath.Join("..", "..", ".tools", "kinesis")
	cli := filepath.Join(tools, "node_modules", "kinesalite", "cli.js")
	if _, err := os.Stat(cli); err != nil {
		t.Skipf("NOT TESTED: the server is not installed; run `make test-kinesis`: %v", err)
	}
	port, dir := freePort(t), t.TempDir()
	start := func() *exec.Cmd {
		cmd := exec.Command("node", "--require", "./"+filepath.Join(tools, "survive.js"), cli, "--port", port, "--path", dir, "--createStreamMs", "20")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, 30*time.Second, "the server", func() bool {
			c, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	server := start()
	t.Cleanup(func() { kill(server) })
	opts := testOptions("restarting")
	opts.Endpoint = "http://127.0.0.1:" + port
	client := kinesis.NewFromConfig(testConfig(), func(o *kinesis.Options) { o.BaseEndpoint = aws.String(opts.Endpoint) })
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String(opts.Stream), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	awaitActive(t, client, opts.Stream)
	s := openTest(t, opts)
	d := &diary{}
	stop := consume(t, s, "w", d)
	stopWriting := writer(t, s, 8, 20*time.Millisecond)
	eventually(t, 30*time.Second, "records", func() bool { return len(d.data()) > 50 })
	kill(server)
	time.Sleep(testLease + time.Second)
	server = start()
	before := len(d.data())
	eventually(t, time.Minute, "records after the restart", func() bool { return len(d.data()) > before+50 })
	published := stopWriting()
	eventually(t, time.Minute, "every record", func() bool { return d.missing(published) == 0 })
	if n := d.count("begin"); n != 2 {
		t.Errorf("%d sessions, want 2: no lease was to be lost", n)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
