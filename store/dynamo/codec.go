package dynamo

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/klauspost/compress/zstd"
)

// item is a row as DynamoDB has it. Reading an attribute that is not there
// gives the zero value.
type item map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func binary(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

func flag(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

func texts(values []string) types.AttributeValue {
	out := make([]types.AttributeValue, len(values))
	for i, v := range values {
		out[i] = text(v)
	}
	return &types.AttributeValueMemberL{Value: out}
}

func (it item) str(name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func (it item) num(name string) int64 {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return 0 // no row of this package holds another number
	}
	return n
}

func (it item) bytes(name string) []byte {
	if v, ok := it[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}

func (it item) flag(name string) bool {
	v, ok := it[name].(*types.AttributeValueMemberBOOL)
	return ok && v.Value
}

func (it item) list(name string) []string {
	v, ok := it[name].(*types.AttributeValueMemberL)
	if !ok {
		return nil
	}
	out := make([]string, len(v.Value))
	for i, e := range v.Value {
		if s, ok := e.(*types.AttributeValueMemberS); ok {
			out[i] = s.Value
		}
	}
	return out
}

// nanos is t as it is stored; 0 for none.
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

// digits writes a number that is not negative so that strings sort as numbers.
func digits(n int64) string { return fmt.Sprintf("%019d", max(n, 0)) }

const idLetters = 16

// validID reports that a string is an id such as f_…; another names nothing
// that is stored, and may be too long for a key.
func validID(prefix, id string) bool {
	if len(id) != len(prefix)+idLetters || id[:len(prefix)] != prefix {
		return false
	}
	for _, c := range []byte(id[len(prefix):]) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// The prefixes of ids.
const (
	findingPrefix    = "f_"
	resourcePrefix   = "r_"
	transitionPrefix = "t_"
)

// idDigits are the letters of an id, idBytes what they stand for.
var idDigits = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const idBytes = 10

// maxKeyBytes is DynamoDB's bound for a sort key; a partition key may be
// longer, but nothing here needs that.
const maxKeyBytes = 1024

// keyable reports that a name from outside can be a key.
func keyable(name string) bool { return name != "" && len(name) <= maxKeyBytes }

// bucketOf spreads what would be one hot partition.
func bucketOf(id string, buckets int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return int(h.Sum32() % uint32(buckets))
}

// maxExpanded bounds what one compressed value may grow to.
const maxExpanded = 64 << 20

// packer compresses. It is safe for concurrent use.
type packer struct {
	in  *zstd.Encoder
	out *zstd.Decoder
}

func newPacker() (*packer, error) {
	in, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false),
		zstd.WithEncoderDictRaw(dictionaryID, []byte(dictionary)))
	if err != nil {
		return nil, fmt.Errorf("prepare the compressor: %w", err)
	}
	out, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxExpanded), zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderDictRaw(dictionaryID, []byte(dictionary)))
	if err != nil {
		return nil, fmt.Errorf("prepare the decompressor: %w", err)
	}
	return &packer{in: in, out: out}, nil
}

func (p *packer) compress(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return p.in.EncodeAll(b, make([]byte, 0, len(b)/2+64))
}

func (p *packer) expand(what string, packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	b, err := p.out.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", what, err)
	}
	return b, nil
}

// encode is compressed JSON. Of equal values the bytes are equal.
func (p *packer) encode(what string, v any) (types.AttributeValue, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	return binary(p.compress(b)), nil
}

func (p *packer) decode(what string, packed []byte, v any) error {
	b, err := p.expand(what, packed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode %s: %w", what, err)
	}
	return nil
}
