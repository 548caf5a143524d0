package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/qrie-sec/qrie/stream"
)

// shardsOf is a stream that has shards and nothing else.
type shardsOf struct {
	stream.Stream
	shards []stream.ShardInfo
	err    error
	looks  int
}

func (s *shardsOf) Shards(context.Context) ([]stream.ShardInfo, error) {
	s.looks++
	return s.shards, s.err
}

func TestWatchTellsTrouble(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	s := &shardsOf{shards: []stream.ShardInfo{
		{ID: "a", State: stream.ShardOpen, Owner: "w", Renewals: 1, Behind: 3, Lag: time.Second},
		{ID: "b", State: stream.ShardOpen, Owner: "w", Renewals: 1, Behind: 9, Lag: stream.StalledAfter + time.Minute},
	}}
	w := newWatch(s, time.Second, func() time.Time { return now })
	p, err := w.pipeline(t.Context())
	if err != nil || len(p.Shards) != 2 || p.LagSeconds != 180 || len(p.Troubles) != 1 || p.Troubles[0].Kind != "stalled" || p.Troubles[0].Shard != "b" {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, _ := w.pipeline(t.Context()); len(p.Shards) != 2 || s.looks != 1 {
		t.Errorf("%d looks within a second", s.looks)
	}
	now = now.Add(time.Minute)
	s.shards[0].Renewals++ // its owner lives
	if p, err = w.pipeline(t.Context()); err != nil || len(p.Troubles) != 2 || p.Troubles[0].Kind != "unowned" || p.Troubles[0].Shard != "b" {
		t.Errorf("%+v, %v", p.Troubles, err)
	}
	want := `# HELP qrie_shards_in_trouble Shards that nobody reads (unowned), whose oldest record does not finish (stalled), that may lose records unread (retention).
# TYPE qrie_shards_in_trouble gauge
qrie_shards_in_trouble{kind="retention"} 0
qrie_shards_in_trouble{kind="stalled"} 1
qrie_shards_in_trouble{kind="unowned"} 1
`
	if err := testutil.CollectAndCompare(w.troubles, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	now, s.err = now.Add(time.Minute), errors.New("no answer")
	if _, err := w.pipeline(t.Context()); !errors.Is(err, s.err) {
		t.Errorf("got %v, want the stream's error", err)
	}
}
