package stream_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie/stream"
)

func TestWatch(t *testing.T) {
	const day = 24 * time.Hour
	start := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	open := func(owner string, renewals int64, lag time.Duration) stream.ShardInfo {
		return stream.ShardInfo{ID: "s", State: stream.ShardOpen, Owner: owner, Renewals: renewals, Lag: lag, Retention: day}
	}
	type look struct {
		after time.Duration
		shard stream.ShardInfo
		want  []stream.TroubleKind
	}
	for name, looks := range map[string][]look{
		"healthy": {
			{0, open("a", 1, 0), nil},
			{time.Minute, open("a", 20, time.Second), nil},
		},
		"nobody for a while, as at a hand-over": {
			{0, open("", 1, 0), nil},
			{10 * time.Second, open("b", 2, 0), nil},
			{45 * time.Second, open("b", 9, 0), nil},
		},
		"nobody for too long": {
			{0, open("a", 1, 0), nil},
			{time.Minute, open("", 2, 0), nil},
			{80 * time.Second, open("", 2, 0), nil},
			{90 * time.Second, open("", 2, 0), []stream.TroubleKind{stream.TroubleUnowned}},
			{100 * time.Second, open("b", 3, 0), nil},
		},
		"the owner has died": {
			{0, open("a", 7, 0), nil},
			{30 * time.Second, open("a", 7, 0), []stream.TroubleKind{stream.TroubleUnowned}},
			{35 * time.Second, open("a", 8, 0), nil},
		},
		"stalled": {
			{0, open("a", 1, stream.StalledAfter), nil},
			{time.Second, open("a", 2, stream.StalledAfter+1), []stream.TroubleKind{stream.TroubleStalled}},
		},
		"about to lose records": {
			{0, open("a", 1, day/2+1), []stream.TroubleKind{stream.TroubleStalled, stream.TroubleRetention}},
		},
		"records are kept until they are read": {
			{0, stream.ShardInfo{ID: "s", State: stream.ShardOpen, Owner: "a", Lag: 100 * day}, []stream.TroubleKind{stream.TroubleStalled}},
		},
		"waits for its parents": {
			{0, stream.ShardInfo{ID: "s", State: stream.ShardWaiting}, nil},
			{time.Hour, stream.ShardInfo{ID: "s", State: stream.ShardWaiting}, nil},
			{time.Hour + time.Second, open("", 0, 0), nil}, // it may be read only now
		},
		"finished": {
			{0, stream.ShardInfo{ID: "s", State: stream.ShardFinished}, nil},
			{time.Hour, stream.ShardInfo{ID: "s", State: stream.ShardFinished}, nil},
		},
		"closed, and not read to its end": {
			{0, stream.ShardInfo{ID: "s", State: stream.ShardClosed}, nil},
			{time.Hour, stream.ShardInfo{ID: "s", State: stream.ShardClosed}, []stream.TroubleKind{stream.TroubleUnowned}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var w stream.Watch
			for _, l := range looks {
				var got []stream.TroubleKind
				for _, trouble := range w.Look([]stream.ShardInfo{l.shard}, start.Add(l.after)) {
					got = append(got, trouble.Kind)
					if trouble.Shard != "s" || trouble.Text == "" {
						t.Errorf("after %s: %+v", l.after, trouble)
					}
				}
				if diff := cmp.Diff(l.want, got); diff != "" {
					t.Errorf("after %s (-want +got):\n%s", l.after, diff)
				}
			}
		})
	}
}
