package local

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"time"

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

func decode(what string, b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode %s: %w", what, err)
	}
	return nil
}

// maxDocumentBytes bounds what one compressed document may grow to.
const maxDocumentBytes = 64 << 20

// packer compresses documents. It is safe for concurrent use.
type packer struct {
	in  *zstd.Encoder
	out *zstd.Decoder
}

func newPacker() (*packer, error) {
	in, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("prepare the compressor: %w", err)
	}
	out, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxDocumentBytes), zstd.WithDecoderConcurrency(0))
	if err != nil {
		return nil, fmt.Errorf("prepare the decompressor: %w", err)
	}
	return &packer{in: in, out: out}, nil
}

// compress returns nil for no document.
func (p *packer) compress(document []byte) []byte {
	if len(document) == 0 {
		return nil
	}
	return p.in.EncodeAll(document, make([]byte, 0, len(document)/2))
}

func (p *packer) expand(what string, packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	document, err := p.out.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress the document of %s: %w", what, err)
	}
	return document, nil
}
