package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/qrie-sec/qrie/sqlite/compact"
	"github.com/qrie-sec/qrie/stream"
)

// bundle is neighbours of one shard, published together and stored as one row. They
// are much alike, and read one after the other anyway: together they take two thirds
// of the room and a third of the time.
type bundle struct {
	records int
	size    int64 // as published
	data    []byte
}

// A bundle is closed by the record with which it reaches this many bytes or records.
// Whoever begins in its middle expands it all, and trimming takes it as a whole.
const (
	bundleBytes   = 64 << 10
	bundleRecords = 128
)

// maxBundle bounds what a bundle is expanded to: the last record may be a large one,
// and lengths stand before each key and each record.
const maxBundle = bundleBytes + maxKeyBytes + stream.MaxRecordBytes + bundleRecords*2*binary.MaxVarintLen32

// sizeOf is what a record counts for.
func sizeOf(r stream.Record) int64 { return int64(len(r.Key) + len(r.Data)) }

// plains hold bundles before they are compact.
var plains = sync.Pool{New: func() any { return new([]byte) }}

// bundled encodes the records of a shard.
func bundled(records []stream.Record) (bundles []bundle) {
	plain := plains.Get().(*[]byte)
	for len(records) > 0 {
		b, text := bundle{}, (*plain)[:0]
		for b.records < len(records) && b.records < bundleRecords && b.size < bundleBytes {
			r := records[b.records]
			text = append(binary.AppendUvarint(text, uint64(len(r.Key))), r.Key...)
			text = append(binary.AppendUvarint(text, uint64(len(r.Data))), r.Data...)
			b.size += sizeOf(r)
			b.records++
		}
		b.data = compact.Encode(text)
		bundles, records, *plain = append(bundles, b), records[b.records:], text
	}
	if cap(*plain) <= 2*bundleBytes {
		plains.Put(plain)
	}
	return bundles
}

// unbundle gives the keys and the data of records that are stored together.
func unbundle(data []byte) (records []stream.Record, err error) {
	plain, err := compact.Decode(nil, data, maxBundle)
	if err != nil {
		return nil, err
	}
	next := func() (field []byte) {
		size, n := binary.Uvarint(plain)
		if n <= 0 || size > uint64(len(plain)-n) {
			err = errors.New("the row is damaged: a field is longer than what is left of it")
			return nil
		}
		end := n + int(size)
		field, plain = plain[n:end:end], plain[end:]
		return field
	}
	for len(plain) > 0 && err == nil {
		key := string(next())
		if err == nil {
			records = append(records, stream.Record{Key: key, Data: next()})
		}
	}
	if err == nil && len(records) == 0 {
		err = errors.New("the row is damaged: it holds no record")
	}
	if err != nil {
		return nil, fmt.Errorf("expand records: %w", err)
	}
	return records, nil
}
