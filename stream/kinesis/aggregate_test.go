package kinesis

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/qrie-sec/qrie/stream"
)

type part struct {
	key  uint64
	data string
}

// message is the Protobuf message of an aggregated record.
func message(keys []string, parts ...part) (m []byte) {
	for _, k := range keys {
		m = protowire.AppendTag(m, fieldKeys, protowire.BytesType)
		m = protowire.AppendString(m, k)
	}
	for _, p := range parts {
		var r []byte
		r = protowire.AppendTag(r, fieldKey, protowire.VarintType)
		r = protowire.AppendVarint(r, p.key)
		r = protowire.AppendTag(r, 2, protowire.VarintType) // the explicit hash key, which is not of interest
		r = protowire.AppendVarint(r, 7)
		r = protowire.AppendTag(r, fieldData, protowire.BytesType)
		r = protowire.AppendString(r, p.data)
		m = protowire.AppendTag(m, fieldRecords, protowire.BytesType)
		m = protowire.AppendBytes(m, r)
	}
	return m
}

// Whatever a stranger writes: one record at least comes out, in order, and
// none that the library would touch.
func FuzzTakeApart(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add([]byte{})
	f.Add(magic)
	f.Add(shield)
	f.Add(aggregateOf(nil))
	f.Add(aggregateOf([]byte{0xff, 0xff}))
	f.Add(aggregateOf(message([]string{"a"}, part{3, "x"})))
	f.Add(aggregateOf(message([]string{"a", "b"}, part{0, "x"}, part{1, string(aggregateOf(message([]string{"c"}, part{0, "y"})))})))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, aggregateOf(data)} {
			parts, broken := takeApart(types.Record{Data: data, PartitionKey: aws.String("k"), SequenceNumber: aws.String("123")})
			if len(parts) == 0 {
				t.Fatal("no record came out")
			}
			last := "123"
			for _, p := range parts {
				if bytes.HasPrefix(p.Data, magic) {
					t.Error("the library would take a part for an aggregated record")
				}
				seq := aws.ToString(p.SequenceNumber)
				if kinesis, _ := splitSeq(seq); kinesis != "123" || stream.CompareSeq(seq, last) <= 0 {
					t.Errorf("part %s after %s", seq, last)
				}
				last = seq
			}
			if _, whole := splitSeq(last); !whole {
				t.Errorf("the last part is %s", last)
			}
			if broken != nil && (len(parts) != 1 || !bytes.Equal(unguarded(parts[0].Data), data)) {
				t.Errorf("a broken record is not handed over as it is: %v", broken)
			}
		}
	})
}
