package local

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
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

// minPacked is the size below which compressing saves less than it costs.
const minPacked = 512

// encodePacked is for what may be long, as a cause of several events is. What is
// written is read by decode either way.
func encodePacked(what string, v any) ([]byte, error) {
	b, err := encode(what, v)
	if err != nil || len(b) < minPacked {
		return b, err
	}
	packed := make([]byte, 1+s2.MaxEncodedLen(len(b)))
	packed[0] = packedMark
	return packed[:1+len(s2.Encode(packed[1:], b))], nil
}

// packedMark comes before what is compressed, and begins no JSON. It is S2, which
// takes a tenth of the time of zstd for these few kilobytes.
const packedMark = 1

func decode(what string, b []byte, v any) error {
	if len(b) > 0 && b[0] == packedMark {
		n, err := s2.DecodedLen(b[1:])
		if err == nil && n > maxExpanded {
			err = fmt.Errorf("%d bytes are more than %d", n, maxExpanded)
		}
		if err == nil {
			b, err = s2.Decode(nil, b[1:])
		}
		if err != nil {
			return fmt.Errorf("decompress %s: %w", what, err)
		}
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode %s: %w", what, err)
	}
	return nil
}

// maxExpanded bounds what compressed bytes may grow to.
const maxExpanded = 64 << 20

// The compressors of documents keep nothing between two calls, and are safe for
// concurrent use. Making them fails for options that contradict each other alone.
var (
	compressor = made(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false)))
	expander   = made(zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxExpanded), zstd.WithDecoderConcurrency(0)))
)

func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// compress returns nil for nothing.
func compress(plain []byte) []byte {
	if len(plain) == 0 {
		return nil
	}
	return compressor.EncodeAll(plain, make([]byte, 0, len(plain)/2))
}

func expand(what string, packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	plain, err := expander.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", what, err)
	}
	return plain, nil
}
