package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/sqlite/compact"
	"github.com/qrie-sec/qrie/stream"
)

// A batch holds at most this many records, and is closed by the one with which
// it reaches that many bytes.
const (
	batchRecords = 1000
	batchBytes   = 4 << 20
)

// read gives the records of a shard after a sequence number.
func (s *Stream) read(ctx context.Context, shard int, after int64, limit int) ([]stream.Record, error) {
	limit = min(limit, batchRecords)
	rows, err := s.db.Query(ctx, "SELECT id, key, arrived, data, form FROM stream_records WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
		recordID(shard, after), recordID(shard+1, 0), limit)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shardName(shard), err)
	}
	defer rows.Close()
	var records []stream.Record
	name := shardName(shard)
	for size := 0; len(records) < limit && size < batchBytes && rows.Next(); {
		var last, arrived int64
		var key string
		var data []byte
		var form int
		err := rows.Scan(&last, &key, &arrived, &data, &form)
		var row []stream.Record
		if err == nil {
			row, err = expand(form, key, data)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: record %d: %w", name, seqOf(last), err)
		}
		before := seqOf(last) - int64(len(row))
		skip := max(0, after-before) // what it holds may begin further back
		for i, r := range row[skip:] {
			if len(records) == limit || size >= batchBytes {
				break
			}
			r.Shard, r.Seq, r.Arrived = name, strconv.FormatInt(before+skip+int64(i)+1, 10), time.Unix(0, arrived)
			records = append(records, r)
			size += len(r.Data)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return records, nil
}

// expand gives the records of a row.
func expand(form int, key string, data []byte) (records []stream.Record, err error) {
	switch form {
	case formBundle:
		return unbundle(data)
	case formCompact:
		data, err = compact.Decode(nil, data, stream.MaxRecordBytes)
	case formPlain:
	default:
		err = fmt.Errorf("the form of the row, %d, is none of this version", form)
	}
	return []stream.Record{{Key: key, Data: data}}, err
}

// Shards implements stream.Stream. A record is kept until it is consumed, so
// there is no retention to run out.
func (s *Stream) Shards(ctx context.Context) ([]stream.ShardInfo, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	leases, err := readLeases(func(query string, args ...any) (*sql.Rows, error) { return s.db.Query(ctx, query, args...) })
	if err != nil {
		return nil, err
	}
	infos := make([]stream.ShardInfo, 0, len(leases))
	for _, l := range leases {
		info := stream.ShardInfo{ID: shardName(l.shard), State: stream.ShardOpen, Owner: l.owner, Epoch: l.epoch, Renewals: l.counter}
		if l.checkpoint > 0 {
			info.Checkpoint = strconv.FormatInt(l.checkpoint, 10)
		}
		var last, oldest int64
		err := s.db.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM stream_records WHERE id BETWEEN ? AND ?",
			recordID(l.shard, 0), recordID(l.shard+1, 0)-1).Scan(&last)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", info.ID, err)
		}
		// Numbers have no gaps after the checkpoint.
		info.Behind = max(0, seqOf(last)-l.checkpoint)
		err = s.db.QueryRow(ctx, "SELECT arrived FROM stream_records WHERE id > ? AND id < ? ORDER BY id LIMIT 1",
			recordID(l.shard, l.checkpoint), recordID(l.shard+1, 0)).Scan(&oldest)
		switch {
		case err == nil:
			info.Lag = max(0, s.opts.Now().Sub(time.Unix(0, oldest)))
		case !errors.Is(err, sql.ErrNoRows):
			return nil, fmt.Errorf("describe %s: %w", info.ID, err)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// lease is one row of stream_leases.
type lease struct {
	shard      int
	owner      string
	epoch      int64
	counter    int64
	checkpoint int64
}

type queryFunc func(query string, args ...any) (*sql.Rows, error)

func readLeases(query queryFunc) ([]lease, error) {
	rows, err := query("SELECT shard, owner, epoch, counter, checkpoint FROM stream_leases ORDER BY shard")
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	defer rows.Close()
	var leases []lease
	for rows.Next() {
		var l lease
		if err := rows.Scan(&l.shard, &l.owner, &l.epoch, &l.counter, &l.checkpoint); err != nil {
			return nil, fmt.Errorf("read leases: %w", err)
		}
		leases = append(leases, l)
	}
	return leases, rows.Err()
}

// readWorkers gives the heartbeat counter of every consumer.
func readWorkers(tx *sqlite.Tx) (map[string]int64, error) {
	rows, err := tx.Query("SELECT owner, counter FROM stream_workers")
	if err != nil {
		return nil, fmt.Errorf("read workers: %w", err)
	}
	defer rows.Close()
	workers := map[string]int64{}
	for rows.Next() {
		var owner string
		var counter int64
		if err := rows.Scan(&owner, &counter); err != nil {
			return nil, fmt.Errorf("read workers: %w", err)
		}
		workers[owner] = counter
	}
	return workers, rows.Err()
}
