package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie/sqlite"
)

const (
	// trimLeases is how many lease times pass between two rounds of trimming.
	trimLeases = 2
	// trimRecords is deleted in one write, and trimPause left between two, so
	// that publishers hardly notice.
	trimRecords = 500
	trimPause   = 10 * time.Millisecond
)

// trimLoop trims the shards that the consumer holds, now and then.
func (c *consumer) trimLoop(ctx context.Context) {
	tick := time.NewTicker(trimLeases * c.s.opts.LeaseTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		shards, err := c.trimmable(ctx)
		for _, shard := range shards {
			if err == nil {
				err = c.s.trim(ctx, shard)
			}
		}
		if err != nil && ctx.Err() == nil {
			c.log.Error("cannot trim the stream", "error", err)
		}
	}
}

func (c *consumer) trimmable(ctx context.Context) ([]int, error) {
	leases, err := readLeases(func(query string, args ...any) (*sql.Rows, error) { return c.s.db.Query(ctx, query, args...) })
	if err != nil {
		return nil, err
	}
	var shards []int
	for _, l := range leases {
		if l.owner == c.owner {
			shards = append(shards, l.shard)
		}
	}
	return shards, nil
}

// trim deletes records before the checkpoint of a shard that are past the
// retention, and more if they take more room than is left to the shard. The
// row at the checkpoint stays: what comes next is numbered after it.
func (s *Stream) trim(ctx context.Context, shard int) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("trim %s: %w", shardName(shard), err)
		}
	}()
	for {
		var checkpoint, first, total int64
		err := s.db.QueryRow(ctx, "SELECT checkpoint FROM stream_leases WHERE shard = ?", shard).Scan(&checkpoint)
		if err != nil {
			return err
		}
		if checkpoint == 0 {
			return nil
		}
		err = s.db.QueryRow(ctx, "SELECT id FROM stream_records WHERE id >= ? ORDER BY id LIMIT 1", recordID(shard, 0)).Scan(&first)
		if err != nil {
			return err
		}
		end := recordID(shard, checkpoint)
		err = s.db.QueryRow(ctx, "SELECT total FROM stream_records WHERE id >= ? AND id < ? ORDER BY id LIMIT 1", end, recordID(shard+1, 0)).Scan(&total)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("the record at the checkpoint, %d, is gone; the file was changed by another program", checkpoint)
		}
		if err != nil {
			return err
		}
		before := s.opts.Now().Add(-s.opts.Retention).UnixNano()
		room := s.opts.RetentionBytes / int64(s.shards)
		to := min(end, first+trimRecords)
		var n int64
		err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
			res, err := tx.Exec("DELETE FROM stream_records WHERE id >= ? AND id < ? AND (arrived < ? OR total <= ?)", first, to, before, total-room)
			if err != nil {
				return err
			}
			n, err = res.RowsAffected()
			return err
		})
		if err != nil || n == 0 || to == end {
			return err
		}
		select {
		case <-time.After(trimPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
