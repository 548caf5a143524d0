package local

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// Tail implements stream.Stream. From further back than the retention it begins
// with the oldest record that is left.
func (s *Stream) Tail(ctx context.Context, from time.Time, yield func(stream.Record) error) error {
	if err := s.open(); err != nil {
		return err
	}
	positions := make([]int64, s.shards)
	for shard := range positions {
		var err error
		if positions[shard], err = s.before(ctx, shard, from); err != nil {
			return notice(err)
		}
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		if err := s.open(); err != nil {
			return err
		}
		quiet := true
		for shard := range positions {
			records, err := s.read(ctx, shard, positions[shard], batchRecords)
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return notice(err)
			}
			for _, r := range records {
				if err := yield(r); err != nil {
					return err
				}
			}
			if n := len(records); n > 0 {
				quiet = false
				if positions[shard], err = strconv.ParseInt(records[n-1].Seq, 10, 64); err != nil {
					return fmt.Errorf("BUG: sequence number %q of %s: %w", records[n-1].Seq, shardName(shard), err)
				}
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if quiet {
			select {
			case <-poll.C:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// before is the number of the last record of a shard that arrived before from,
// or of the last one there is if from is not past.
func (s *Stream) before(ctx context.Context, shard int, from time.Time) (seq int64, err error) {
	first, end := recordID(shard, 0), recordID(shard+1, 0)
	if from.Before(s.opts.Now()) && !from.IsZero() {
		// Arrivals grow with the ids, but for a clock that was set back.
		err = s.db.QueryRow(ctx, "SELECT coalesce(min(id), ?2) FROM stream_records WHERE id >= ?1 AND id < ?2 AND arrived >= ?3",
			first, end, from.UnixNano()).Scan(&end)
	}
	var id int64
	if err == nil {
		err = s.db.QueryRow(ctx, "SELECT coalesce(max(id), ?1) FROM stream_records WHERE id >= ?1 AND id < ?2", first, end).Scan(&id)
	}
	if err != nil {
		return 0, fmt.Errorf("find where to begin in %s: %w", shardName(shard), err)
	}
	return seqOf(id), nil
}
