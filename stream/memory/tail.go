package memory

import (
	"context"
	"slices"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// Tail implements stream.Stream.
func (s *Stream) Tail(ctx context.Context, from time.Time, yield func(stream.Record) error) error {
	if err := s.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	at := s.log.before(from, s.as.Now())
	for {
		records, changed := s.log.after(at)
		for _, r := range records {
			if err := yield(r); err != nil {
				return err
			}
			at[r.Shard] = seqNumber(r.Seq)
		}
		if len(records) > 0 && ctx.Err() == nil {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s.open() // nil unless it was closed
		}
	}
}

// before gives the last record of each shard that arrived before from, or the
// last there is if from is not past.
func (l *Log) before(from, now time.Time) map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := map[string]int64{}
	for _, s := range l.shards {
		at[s.id] = int64(len(s.records))
		if first := slices.IndexFunc(s.records, func(r stream.Record) bool { return !r.Arrived.Before(from) }); first >= 0 && !from.IsZero() && from.Before(now) {
			at[s.id] = int64(first)
		}
	}
	return at
}

// after gives what is behind the places given: shards in the order in which
// they came to be, so that parents come before their children.
func (l *Log) after(at map[string]int64) (records []stream.Record, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.shards {
		records = append(records, l.read(s, at[s.id], batch)...)
	}
	return records, l.changed
}
