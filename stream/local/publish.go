package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/stream"
)

const (
	// maxKeyBytes is what Kinesis takes as a partition key.
	maxKeyBytes = 256
	// A write holds at most this many records and bytes, so that one large
	// Publish does not keep the others waiting.
	writeRecords = 1000
	writeBytes   = 8 << 20
)

// Publish implements stream.Stream. Up to 1,000 records are one write, so they
// become durable together or not at all. There is no bound on what waits to be
// consumed but the disk: to hold publishers back would hold back the handlers
// that publish, and nothing would ever be consumed again.
func (s *Stream) Publish(ctx context.Context, records []stream.Record) error {
	if err := s.open(); err != nil {
		return err
	}
	for i, r := range records {
		if len(r.Data) > stream.MaxRecordBytes {
			return fmt.Errorf("publish record %d of %d: %d bytes, at most %d: %w", i+1, len(records), len(r.Data), stream.MaxRecordBytes, stream.ErrTooLarge)
		}
		if len(r.Key) > maxKeyBytes {
			return fmt.Errorf("publish record %d of %d: a key of %d bytes, at most %d: %w", i+1, len(records), len(r.Key), maxKeyBytes, stream.ErrTooLarge)
		}
	}
	for from := 0; from < len(records); {
		to, size := from, 0
		for to < len(records) && to-from < writeRecords && (to == from || size+len(records[to].Data) <= writeBytes) {
			size += len(records[to].Data)
			to++
		}
		if err := s.append(ctx, records[from:to]); err != nil {
			failed := make([]int, 0, len(records)-from)
			for i := from; i < len(records); i++ {
				failed = append(failed, i)
			}
			return &stream.PublishError{Failed: failed, Err: notice(err)}
		}
		from = to
	}
	return nil
}

// append writes records as one and wakes their readers.
func (s *Stream) append(ctx context.Context, records []stream.Record) error {
	byShard, encoded := make([][]stream.Record, s.shards), make([][]bundle, s.shards)
	for _, r := range records {
		shard := s.shardOf(r.Key)
		byShard[shard] = append(byShard[shard], r)
	}
	for shard, records := range byShard {
		encoded[shard] = bundled(records)
	}
	var arrived int64
	first := make([]int64, s.shards)
	err := s.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
		arrived = s.opts.Now().UnixNano()
		for shard, bundles := range encoded {
			if len(bundles) == 0 {
				continue
			}
			if first[shard], err = appendShard(tx, shard, arrived, bundles); err != nil {
				return fmt.Errorf("append to %s: %w", shardName(shard), err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for shard, records := range byShard {
		if len(records) > 0 {
			s.fresh[shard].add(shard, first[shard], arrived, records)
			select {
			case s.wake[shard] <- struct{}{}:
			default:
			}
		}
	}
	return nil
}

// appendShard numbers the records behind the last one. The trimmer leaves the
// row at the checkpoint, so numbers are never given twice, and another
// process may append in between. It gives the number of the first.
func appendShard(tx *sqlite.Tx, shard int, arrived int64, bundles []bundle) (first int64, err error) {
	id, total := recordID(shard, 0), int64(0)
	err = tx.QueryRow("SELECT id, total FROM stream_records WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1",
		id, recordID(shard+1, 0)-1).Scan(&id, &total)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	first = seqOf(id) + 1
	for _, b := range bundles {
		id += int64(b.records)
		total += b.size
		if _, err := tx.Exec("INSERT INTO stream_records (id, key, arrived, total, data, form) VALUES (?, '', ?, ?, ?, ?)",
			id, arrived, total, b.data, formBundle); err != nil {
			return 0, err
		}
	}
	return first, nil
}

// shardOf spreads keys by FNV-1a. It decides where old records are, so it must
// never change.
func (s *Stream) shardOf(key string) int {
	hash := uint32(2166136261)
	for i := range len(key) {
		hash = (hash ^ uint32(key[i])) * 16777619
	}
	return int(hash % uint32(s.shards))
}
