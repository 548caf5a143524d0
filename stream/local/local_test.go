package local_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/stream"
	"github.com/qrie-sec/qrie/stream/local"
)

// handler notes what happens; each record goes to each, which may be nil.
type handler struct {
	each func(*stream.Session, stream.Record)

	mu       sync.Mutex
	sessions []*stream.Session
	records  []stream.Record
	batches  []int
	ends     []stream.EndReason
}

func (h *handler) Begin(s *stream.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions = append(h.sessions, s)
}

func (h *handler) Handle(s *stream.Session, records []stream.Record) {
	h.mu.Lock()
	h.records = append(h.records, records...)
	h.batches = append(h.batches, len(records))
	h.mu.Unlock()
	if h.each != nil {
		for _, r := range records {
			h.each(s, r)
		}
	}
}

func (h *handler) End(_ *stream.Session, why stream.EndReason) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends = append(h.ends, why)
}

// begun and handed are copies of what came so far.
func (h *handler) Gap(*stream.Session, time.Time, time.Time) {
	panic("BUG: what is unread is never dropped")
}

func (h *handler) begun() []*stream.Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.sessions)
}

func (h *handler) handed() []stream.Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.records)
}

func done(s *stream.Session, r stream.Record) { s.Done(r.Seq) }

func open(tb testing.TB, opts local.Options) *file {
	tb.Helper()
	return openAt(tb, filepath.Join(tb.TempDir(), "qrie.db"), opts)
}

func openAt(tb testing.TB, path string, opts local.Options) *file {
	tb.Helper()
	f, err := openFile(tb.Context(), path, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

func consume(tb testing.TB, s stream.Stream, h stream.Handler) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Consume(ctx, h) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	tb.Cleanup(func() { _ = stop() })
	return stop
}

func publish(tb testing.TB, s stream.Stream, key string, n, size int) {
	tb.Helper()
	records := make([]stream.Record, n)
	for i := range records {
		records[i] = stream.Record{Key: key, Data: make([]byte, size)}
	}
	if err := s.Publish(tb.Context(), records); err != nil {
		tb.Fatal(err)
	}
}

func until(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	for deadline := time.After(20 * time.Second); !condition(); {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-deadline:
			tb.Fatal("waited in vain: " + what)
		}
	}
}

func shards(tb testing.TB, s stream.Stream) []stream.ShardInfo {
	tb.Helper()
	infos, err := s.Shards(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return infos
}

func TestShardsAreFixed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qrie.db")
	f := openAt(t, path, local.Options{Shards: 3})
	if got := len(shards(t, f)); got != 3 {
		t.Fatalf("%d shards, want 3", got)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, same := range []int{0, 3} {
		f := openAt(t, path, local.Options{Shards: same})
		if got := len(shards(t, f)); got != 3 {
			t.Errorf("opened with %d: %d shards, want the 3 that there are", same, got)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := openFile(t.Context(), path, local.Options{Shards: 4})
	if err == nil || !strings.Contains(err.Error(), "the stream has 3 shards and 4 are asked for") {
		t.Errorf("got %v", err)
	}
	if got := len(shards(t, open(t, local.Options{}))); got != local.DefaultShards {
		t.Errorf("%d shards by default", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	f := func(opts local.Options, want string) {
		t.Helper()
		_, err := openFile(t.Context(), filepath.Join(t.TempDir(), "qrie.db"), opts)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(local.Options{Shards: -1}, "choose 1 to 256")
	f(local.Options{Shards: 257}, "choose 1 to 256")
	f(local.Options{LeaseTime: -1}, "LeaseTime is negative")
	f(local.Options{RetentionBytes: -1}, "RetentionBytes is negative")
}

func TestPublishIsOneWrite(t *testing.T) {
	f := open(t, local.Options{})
	_, before := f.db.Commits()
	records := make([]stream.Record, 500)
	for i := range records {
		records[i] = stream.Record{Key: fmt.Sprint(i), Data: []byte("x")}
	}
	if err := f.Publish(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if _, after := f.db.Commits(); after-before != 1 {
		t.Errorf("500 records were %d writes", after-before)
	}
	if err := f.Publish(t.Context(), nil); err != nil {
		t.Errorf("publish nothing: %v", err)
	}
}

// TestRecordsOfAnEarlierVersion: records that are stored as they were published
// are read beside those that are compact.
func TestRecordsOfAnEarlierVersion(t *testing.T) {
	f := open(t, local.Options{Shards: 1})
	text := `{"version":"0","detail-type":"AWS API Call via CloudTrail"}`
	if err := f.db.Write(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO stream_records (id, key, arrived, total, data) VALUES (1, 'key', 1, 100, ?)", []byte(text))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := f.Publish(t.Context(), []stream.Record{{Key: "key", Data: []byte(text)}}); err != nil {
		t.Fatal(err)
	}
	h := &handler{each: done}
	consume(t, f, h)
	until(t, "two records", func() bool { return len(h.handed()) == 2 })
	for _, r := range h.handed() {
		if string(r.Data) != text {
			t.Errorf("record %s is %q", r.Seq, r.Data)
		}
	}
}

// A long publish is several writes; the error names those that came too late.
func TestPublishInParts(t *testing.T) {
	f := open(t, local.Options{})
	big := make([]stream.Record, 20)
	for i := range big {
		big[i] = stream.Record{Key: "k", Data: make([]byte, 1<<20-1024)}
	}
	if err := f.db.Close(); err != nil { // under the open stream
		t.Fatal(err)
	}
	err := f.Publish(t.Context(), big)
	var e *stream.PublishError
	if !errors.As(err, &e) || len(e.Failed) != 20 || !errors.Is(err, stream.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	f := open(t, local.Options{Shards: 1, MaxUnfinished: 100_000})
	publish(t, f, "k", 2500, 10)
	publish(t, f, "k", 10, 1<<20-1024)
	h := &handler{each: done}
	consume(t, f, h)
	until(t, "all is delivered", func() bool { return len(h.handed()) == 2510 })
	h.mu.Lock()
	defer h.mu.Unlock()
	for at, i := 0, 0; i < len(h.batches); i++ {
		n, size := h.batches[i], 0
		for _, r := range h.records[at : at+n-1] {
			size += len(r.Data)
		}
		if n > 1000 || size >= 4<<20 {
			t.Errorf("batch %d has %d records, and %d bytes before the last", i, n, size)
		}
		at += n
	}
}

func TestUnfinishedBytesAreBounded(t *testing.T) {
	f := open(t, local.Options{Shards: 1, MaxUnfinishedBytes: 1 << 20, DrainTimeout: 50 * time.Millisecond})
	publish(t, f, "k", 64, 1<<18)
	h := &handler{}
	consume(t, f, h)
	until(t, "a batch", func() bool { return len(h.handed()) > 0 })
	time.Sleep(100 * time.Millisecond)
	// The batch that crosses the bound is the last.
	if n := len(h.handed()); n > 4+16 {
		t.Errorf("%d records of 256 KiB in hand with a bound of 1 MiB and batches of 4 MiB", n)
	}
}

// What another owner has taken is lost: the late checkpoint is refused.
func TestStolenLease(t *testing.T) {
	f := open(t, local.Options{Shards: 1, LeaseTime: time.Second, DrainTimeout: 50 * time.Millisecond})
	h := &handler{}
	publish(t, f, "k", 10, 10)
	consume(t, f, h)
	until(t, "the records are handed over", func() bool { return len(h.handed()) == 10 })
	session := h.begun()[0]
	if err := f.db.Write(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec("UPDATE stream_leases SET owner = 'thief', epoch = epoch + 1, checkpoint = 7")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, r := range h.handed()[:5] { // not as far as the thief
		session.Done(r.Seq)
	}
	select {
	case <-session.Context().Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the session lives on")
	}
	if session.Valid() {
		t.Error("the session is valid")
	}
	if got := shards(t, f)[0]; got.Checkpoint != "7" || got.Owner != "thief" {
		t.Errorf("the shard after a late checkpoint: %+v", got)
	}
	until(t, "the thief's lease runs out and is taken back", func() bool { return len(h.begun()) == 2 })
	if got := h.begun()[1].Epoch(); got != session.Epoch()+2 {
		t.Errorf("epoch %d after %d and the thief's", got, session.Epoch())
	}
	until(t, "it goes on after the thief's checkpoint", func() bool { return len(h.handed()) == 13 })
	if got := h.handed()[10].Seq; got != "8" {
		t.Errorf("went on at %s, want 8", got)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ends[0] != stream.Lost {
		t.Errorf("the session ended as %s", h.ends[0])
	}
}

// While nothing can be written, nothing can be renewed: sessions end by
// themselves in time, and begin anew afterwards.
func TestLeaseRunsOut(t *testing.T) {
	const lease = time.Second
	f := open(t, local.Options{Shards: 2, LeaseTime: lease})
	h := &handler{each: done}
	consume(t, f, h)
	until(t, "two sessions", func() bool { return len(h.begun()) == 2 })
	old := h.begun()
	free := make(chan struct{})
	var held sync.WaitGroup
	held.Go(func() {
		_ = f.db.Write(context.Background(), func(*sqlite.Tx) error { <-free; return nil })
	})
	began := time.Now()
	for _, s := range old {
		<-s.Context().Done()
		if s.Valid() {
			t.Error("valid after its end")
		}
	}
	if took := time.Since(began); took > lease {
		t.Errorf("sessions ended %v after the last possible renewal, later than the lease of %v", took, lease)
	}
	close(free)
	held.Wait()
	until(t, "new sessions", func() bool { return len(h.begun()) == 4 })
	publish(t, f, "k", 5, 10)
	until(t, "records flow again", func() bool { return len(h.handed()) == 5 })
}

func TestThreeConsumersOfFourShards(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qrie.db")
	opts := local.Options{Shards: 4, LeaseTime: time.Second}
	var stops []func() error
	var f *file
	for range 3 {
		f = openAt(t, path, opts)
		stops = append(stops, consume(t, f, &handler{each: done}))
	}
	owners := func() map[string]int {
		held := map[string]int{}
		for _, shard := range shards(t, f) {
			held[shard.Owner]++
		}
		return held
	}
	until(t, "nobody is idle", func() bool { held := owners(); return len(held) == 3 && held[""] == 0 })
	for _, stop := range stops {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	if held := owners(); held[""] != 4 {
		t.Errorf("owners after all have left: %v", held)
	}
}

// The database is closed first, against the rule: Consume says so and ends.
func TestDatabaseClosedUnderTheStream(t *testing.T) {
	f := open(t, local.Options{LeaseTime: 500 * time.Millisecond})
	h := &handler{each: done}
	ended := make(chan error, 1)
	go func() { ended <- f.Consume(t.Context(), h) }()
	until(t, "sessions", func() bool { return len(h.begun()) == local.DefaultShards })
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, stream.ErrClosed) {
			t.Errorf("Consume: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Consume goes on without its database")
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	f := open(t, local.Options{Shards: 1, Registerer: registry})
	h := &handler{}
	publish(t, f, "k", 3, 100)
	stop := consume(t, f, h)
	until(t, "the records are handed over", func() bool { return len(h.handed()) == 3 })
	h.begun()[0].Done("1")
	value := func(name string, labels ...string) float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				has := map[string]bool{}
				for _, l := range m.GetLabel() {
					has[l.GetName()+"="+l.GetValue()] = true
				}
				fits := family.GetName() == name && has["stream=local"]
				for _, l := range labels {
					fits = fits && has[l]
				}
				if fits {
					return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
		return -1
	}
	check := func(want float64, name string, labels ...string) {
		t.Helper()
		if got := value(name, labels...); got != want {
			t.Errorf("%s%v is %v, want %v", name, labels, got, want)
		}
	}
	check(3, "qrie_stream_records_received_total", "shard=shard-0")
	check(300, "qrie_stream_bytes_received_total", "shard=shard-0")
	check(2, "qrie_stream_inflight_records", "shard=shard-0")
	check(202, "qrie_stream_inflight_bytes", "shard=shard-0") // keys count
	check(1, "qrie_lease_owned")
	check(1, "qrie_lease_changes_total", "reason=acquired")
	check(1, "qrie_shards", "state=open")
	check(0, "qrie_shards", "state=unowned")
	if got := value("qrie_stream_watermark_age_seconds", "shard=shard-0"); got <= 0 || got > 60 {
		t.Errorf("watermark age %v", got)
	}
	until(t, "a checkpoint", func() bool { return value("qrie_stream_checkpoint_total", "result=ok") == 1 })
	until(t, "the end of the shard is noticed", func() bool { return value("qrie_stream_lag_seconds", "shard=shard-0") == 0 })
	for _, r := range h.handed() {
		h.begun()[0].Done(r.Seq)
	}
	check(0, "qrie_stream_watermark_age_seconds", "shard=shard-0")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	check(0, "qrie_lease_owned")
	check(1, "qrie_lease_changes_total", "reason=released")

	if _, err := local.Open(t.Context(), f.db, local.Options{Registerer: registry}); err == nil {
		t.Error("metrics were registered twice")
	}
	if err := f.Stream.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Open(t.Context(), f.db, local.Options{Registerer: registry}); err != nil {
		t.Errorf("open again after Close: %v", err)
	}
}

func TestTrimsWhileConsuming(t *testing.T) {
	f := open(t, local.Options{Shards: 1, LeaseTime: time.Second, RetentionBytes: 1})
	h := &handler{each: done}
	publish(t, f, "k", 1200, 10)
	consume(t, f, h)
	until(t, "only the last record is left", func() bool {
		var n int
		if err := f.db.QueryRow(t.Context(), "SELECT count(*) FROM stream_records").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
}

func TestNothingRunsAfterClose(t *testing.T) {
	before := goleak.IgnoreCurrent()
	f := open(t, local.Options{})
	h := &handler{each: done}
	ended := make(chan error, 1)
	go func() { ended <- f.Consume(context.Background(), h) }()
	publish(t, f, "k", 5, 10)
	until(t, "records", func() bool { return len(h.handed()) == 5 })
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
}

// Publish wakes the reader; polling alone would take a tenth of a second for
// each of these.
func TestPublishWakesTheReader(t *testing.T) {
	f := open(t, local.Options{Shards: 1})
	h := &handler{each: done}
	consume(t, f, h)
	until(t, "a session", func() bool { return len(h.begun()) == 1 })
	began := time.Now()
	for i := range 20 {
		publish(t, f, "k", 1, 100)
		until(t, "the record", func() bool { return len(h.handed()) == i+1 })
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("20 records, one after the other, took %v", took)
	}
}
