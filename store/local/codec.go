package local

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/qrie-sec/qrie/sqlite/compact"
	"github.com/qrie-sec/qrie/store"
)

// idEncoding reads the letters of an id as if they were digits in the order of
// their bytes, so that packed ids sort as the ids themselves do.
var idEncoding = base32.NewEncoding("234567abcdefghijklmnopqrstuvwxyz").WithPadding(base32.NoPadding)

const (
	idLetters = 16
	idBytes   = 10
)

// pack makes ten bytes of an id such as f_… ; ok is false for a string that is
// no such id, and therefore names nothing that is stored.
func pack(prefix, id string) (packed []byte, ok bool) {
	if len(id) != len(prefix)+idLetters || id[:len(prefix)] != prefix {
		return nil, false
	}
	packed, err := idEncoding.DecodeString(id[len(prefix):])
	return packed, err == nil && len(packed) == idBytes
}

func unpack(prefix string, packed []byte) string {
	return prefix + idEncoding.EncodeToString(packed)
}

// The prefixes of ids.
const (
	findingPrefix    = "f_"
	resourcePrefix   = "r_"
	transitionPrefix = "t_"
)

// nanos is t as it is stored; years before 1678 and after 2262 do not occur.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func asInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func encode(what string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	return b, nil
}

// encodePacked is for what may be long, as a cause of several events is. What is
// written is read by decode either way.
func encodePacked(what string, v any) ([]byte, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer giveBack(buf)
	if err := cborWriter.MarshalToBuffer(v, buf); err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	return compact.Encode(buf.Bytes()), nil
}

// encodeHeads is for what is compared as it is written: the same heads are the same
// bytes.
func encodeHeads(heads map[string]store.Head) ([]byte, error) {
	if heads == nil {
		heads = map[string]store.Head{}
	}
	b, err := cborWriter.Marshal(heads)
	if err != nil {
		return nil, fmt.Errorf("encode heads: %w", err)
	}
	return b, nil
}

// cborWriter keeps the names of JSON, the nanoseconds of times, and maps in order.
var cborWriter = func() cbor.UserBufferEncMode {
	m, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano, Sort: cbor.SortBytewiseLexical}.UserBufferEncMode()
	if err != nil {
		panic(err) // options that contradict each other
	}
	return m
}()

// cborReader takes text that is not UTF-8 as it is, such as the user agent that a
// stranger made up: what was written must be read.
var cborReader = func() cbor.DecMode {
	m, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()
	if err != nil {
		panic(err) // options that contradict each other
	}
	return m
}()

// isCBOR reports whether b begins as a map does in CBOR. No JSON begins so.
func isCBOR(b []byte) bool { return len(b) > 0 && b[0]>>5 == 5 }

// s2Mark comes before what earlier versions compressed without a vocabulary.
const s2Mark = 1

func decode(what string, b []byte, v any) (err error) {
	switch {
	case compact.Marked(b):
		buf := buffers.Get().(*bytes.Buffer)
		defer giveBack(buf)
		b, err = compact.Decode(buf.AvailableBuffer(), b, maxExpanded)
		buf.Write(b) // where it already is, unless it did not fit
	case len(b) > 0 && b[0] == s2Mark:
		b, err = expandS2(b[1:])
	}
	if err != nil {
		return fmt.Errorf("decode %s: %w", what, err)
	}
	unmarshal := json.Unmarshal
	if isCBOR(b) {
		unmarshal = cborReader.Unmarshal
	}
	if err := unmarshal(b, v); err != nil {
		return fmt.Errorf("decode %s: %w", what, err)
	}
	return nil
}

// buffers hold JSON on its way to and from its compact form. Decoding copies
// what it keeps.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxBuffer bounds the buffers that are kept.
const maxBuffer = 64 << 10

func giveBack(b *bytes.Buffer) {
	if b.Cap() <= maxBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

func expandS2(packed []byte) ([]byte, error) {
	n, err := s2.DecodedLen(packed)
	if err != nil {
		return nil, err
	}
	if n > maxExpanded {
		return nil, fmt.Errorf("%d bytes are more than %d", n, maxExpanded)
	}
	return s2.Decode(nil, packed)
}

// maxExpanded bounds what compressed bytes may grow to.
const maxExpanded = 64 << 20

// compress is for JSON that comes as it is. It returns nil for nothing.
func compress(plain []byte) []byte {
	if len(plain) == 0 {
		return nil
	}
	return compact.Encode(plain)
}

func expand(what string, packed []byte) (plain []byte, err error) {
	switch {
	case len(packed) == 0:
		return nil, nil
	case compact.Marked(packed):
		plain, err = compact.Decode(nil, packed, maxExpanded)
	default: // of an earlier version
		plain, err = expander.DecodeAll(packed, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", what, err)
	}
	return plain, nil
}

// expander reads what earlier versions wrote. It is safe for concurrent use; making
// it fails for options that contradict each other alone.
var expander = func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxExpanded), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(err)
	}
	return d
}()
