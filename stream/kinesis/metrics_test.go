package kinesis

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/qrie-sec/qrie/stream"
)

func TestMetrics(t *testing.T) {
	f, table := newFake(2), newMemTable()
	f.split("shardId-000000000001")
	f.put("k", []byte("first"))
	var reads, refusals atomic.Int32
	f.fail = func(op string) error {
		if op == "GetRecords" && reads.Add(1) == 1 {
			return &types.ProvisionedThroughputExceededException{}
		}
		return nil
	}
	f.refuse = func(types.PutRecordsRequestEntry) bool { return refusals.Add(1) == 1 }
	registry := prometheus.NewPedanticRegistry()
	s, err := newStream(f, table, Options{Stream: "metrics", LeaseTime: faultLease, DrainTimeout: 100 * time.Millisecond, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	d := &diary{hold: func(r stream.Record) bool { return string(r.Data) == "held" }}
	stop := consume(t, s, "w", d)
	eventually(t, 5*time.Second, "the first record", func() bool { return len(d.data()) == 1 })
	f.expire()
	if err := s.Publish(t.Context(), []stream.Record{{Key: "a", Data: []byte("held")}, {Key: "b", Data: []byte("held")}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "all records and the children", func() bool { return len(d.data()) == 3 && s.metrics.open() == 3 })
	eventually(t, 5*time.Second, "a checkpoint", func() bool {
		r, c := table.row("shardId-000000000000"), table.row("shardId-000000000002")
		return r.checkpoint+c.checkpoint+table.row("shardId-000000000003").checkpoint != ""
	})

	values := func() map[string]float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, family := range families {
			for _, m := range family.Metric {
				name := family.GetName()
				for _, l := range m.Label {
					switch l.GetName() {
					case "shard": // summed up
					case "stream":
						if l.GetValue() != "metrics" {
							t.Errorf("%s of stream %s", name, l.GetValue())
						}
					default:
						name += " " + l.GetValue()
					}
				}
				values[name] += m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		return values
	}
	got := values()
	want := map[string]float64{
		"qrie_stream_records_received_total":          3,
		"qrie_stream_bytes_received_total":            13,
		"qrie_stream_inflight_records":                2,
		"qrie_stream_inflight_bytes":                  10,
		"qrie_stream_records_published_total ok":      2,
		"qrie_stream_records_published_total refused": 1,
		"qrie_stream_throttled_total get_records":     1,
		"qrie_stream_throttled_total put_records":     1,
		"qrie_stream_checkpoint_total ok":             1,
		"qrie_lease_owned":                            3,
		"qrie_lease_changes_total acquired":           4,
		"qrie_lease_changes_total shard_end":          1,
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	for _, name := range []string{
		"qrie_stream_watermark_age_seconds", "qrie_stream_iterator_expired_total", "qrie_stream_checkpoint_duration_seconds",
		"qrie_stream_get_records_duration_seconds", "qrie_lease_renew_duration_seconds",
	} {
		if got[name] <= 0 {
			t.Errorf("%s is %v, want more than nothing", name, got[name])
		}
	}
	for _, name := range []string{"qrie_stream_lag_seconds", "qrie_stream_backpressure_seconds_total"} {
		if _, ok := got[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	shards := map[string]float64{}
	eventually(t, 3*time.Second, "the shards' states", func() bool {
		clear(shards)
		for name, v := range values() {
			if state, ok := strings.CutPrefix(name, "qrie_shards "); ok {
				shards[state] = v
			}
		}
		return cmp.Equal(shards, map[string]float64{"open": 3, "closed": 1, "waiting_parent": 0, "unowned": 0})
	})
	if stop() == nil {
		t.Error("a drain with records unfinished returned nil")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left := values(); len(left) != 0 {
		t.Errorf("metrics are left behind: %v", left)
	}
}

// What people see of the shards.
// There are never more series by shard than may be, whatever shards come and go.
func TestShardLabelsAreBounded(t *testing.T) {
	m := newMetrics("labels", time.Now, func() time.Duration { return 0 })
	one := []stream.Record{{Data: []byte("x")}}
	for i := range 3 * maxShardLabels {
		m.received(fmt.Sprint("shard-", i), one)
	}
	if n := testutil.CollectAndCount(m.records); n != maxShardLabels+1 {
		t.Errorf("%d series, want %d and one for the others", n, maxShardLabels)
	}
	if n := testutil.ToFloat64(m.records.WithLabelValues(otherShards)); n != 2*maxShardLabels {
		t.Errorf("%v records of other shards, want %d", n, 2*maxShardLabels)
	}
	for i := range maxShardLabels {
		m.finished(fmt.Sprint("shard-", i))
	}
	if n := testutil.CollectAndCount(m.records); n != 1 {
		t.Errorf("%d series are left of shards that were read to their end", n-1)
	}
	m.received("shard-new", one)
	if n := testutil.ToFloat64(m.records.WithLabelValues("shard-new")); n != 1 {
		t.Errorf("a new shard has %v records of its own, want 1", n)
	}
}

func TestShards(t *testing.T) {
	f, table := newFake(2), newMemTable()
	for i := range 8 {
		f.put(string(rune('a'+i)), []byte("x"))
	}
	f.split("shardId-000000000000")
	s := faultStream(t, f, table)
	last := f.shards[0].records[len(f.shards[0].records)-1]
	table.rows["shardId-000000000000"] = row{shard: "shardId-000000000000", epoch: 2, checkpoint: *last.SequenceNumber + lastPart, ended: true}
	table.rows["shardId-000000000001"] = row{shard: "shardId-000000000001", owner: "w", epoch: 5, counter: 7}
	f.fail = func(op string) error {
		if op == "GetRecords" {
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	got, err := s.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got[1].Lag <= 0 || got[1].Lag > time.Minute {
		t.Errorf("a lag of %v", got[1].Lag)
	}
	got[1].Lag = 0
	want := []stream.ShardInfo{
		{ID: "shardId-000000000000", State: stream.ShardFinished, Epoch: 2, Checkpoint: *last.SequenceNumber + lastPart},
		{ID: "shardId-000000000001", State: stream.ShardOpen, Owner: "w", Epoch: 5, Renewals: 7, Behind: -1},
		{ID: "shardId-000000000002", State: stream.ShardOpen, Parents: []string{"shardId-000000000000"}, Behind: -1},
		{ID: "shardId-000000000003", State: stream.ShardOpen, Parents: []string{"shardId-000000000000"}, Behind: -1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shards (-want +got):\n%s", diff)
	}
	f.mu.Lock()
	asked := len(f.asked)
	f.mu.Unlock()
	if asked != 3 {
		t.Errorf("%d shards were looked into, want the 3 that are not read to the end", asked)
	}
	if _, err := s.Shards(t.Context()); err != nil || len(f.asked) != asked {
		t.Errorf("asked again within a second: %d looks, %v", len(f.asked)-asked, err)
	}
	f.fail = func(op string) error { return map[string]error{"ListShards": clientFault}[op] }
	if _, err := s.Shards(t.Context()); !errors.Is(err, clientFault) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Shards(t.Context()); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestOptions(t *testing.T) {
	f := func(name string, opts Options, want string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			_, err := newStream(newFake(1), newMemTable(), opts)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want something about %q", err, want)
			}
		})
	}
	f("no stream", Options{}, "no name")
	f("negative", Options{Stream: "s", LeaseTime: -1}, "LeaseTime is negative")
	registry := prometheus.NewRegistry()
	if _, err := newStream(newFake(1), newMemTable(), Options{Stream: "s", Registerer: registry}); err != nil {
		t.Fatal(err)
	}
	f("metrics twice", Options{Stream: "s", Registerer: registry}, "register metrics")
}
