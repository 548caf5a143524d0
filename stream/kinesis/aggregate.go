package kinesis

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"google.golang.org/protobuf/encoding/protowire"
)

// An aggregated record, as the Kinesis Producer Library writes it: magic, a
// Protobuf message with a table of keys and the records that refer to it, and
// the MD5 of the message. The format is described in aggregation-format.md of
// awslabs/amazon-kinesis-producer.
var magic = []byte{0xf3, 0x89, 0x9a, 0xc2}

// A sequence number of the port is the one of Kinesis and partDigits digits
// more, because the parts of an aggregated record have one number together.
// The last part of a record has the number lastPart: whoever is done with it
// is done with the record.
const (
	partDigits = 6
	lastPart   = "999999"
	maxParts   = 999999
)

func seqOf(kinesis string, part, parts int) string {
	if part == parts-1 {
		return kinesis + lastPart
	}
	return kinesis + fmt.Sprintf("%0*d", partDigits, part)
}

// splitSeq gives the number of the Kinesis record, and whether all of it is
// meant.
func splitSeq(seq string) (kinesis string, whole bool) {
	cut := max(0, len(seq)-partDigits)
	return seq[:cut], seq[cut:] == lastPart
}

// shield is put before data that the library would take for an aggregated
// record, and before data that begins with it, so that it can be taken off.
var shield = []byte("\x00qrie\x00")

func guarded(data []byte) []byte {
	if bytes.HasPrefix(data, magic) || bytes.HasPrefix(data, shield) {
		return append(bytes.Clone(shield), data...)
	}
	return data
}

func unguarded(data []byte) []byte { return bytes.TrimPrefix(data, shield) }

// takeApart gives the records that an aggregated record consists of, and any
// other record as it is: also one that has the magic and is broken. The
// handler cannot decode that either, and deals with it as it does with every
// record that it cannot decode; the records beside it are not touched.
func takeApart(r types.Record) (parts []types.Record, broken error) {
	message, ok := aggregated(r.Data)
	if ok {
		if parts, broken = decode(message); broken == nil && len(parts) > maxParts {
			broken = fmt.Errorf("%d parts, at most %d", len(parts), maxParts)
		}
	}
	if !ok || broken != nil || len(parts) == 0 {
		parts = []types.Record{{Data: r.Data, PartitionKey: r.PartitionKey}}
	}
	seq := aws.ToString(r.SequenceNumber)
	for i := range parts {
		parts[i].Data = guarded(parts[i].Data)
		parts[i].SequenceNumber = aws.String(seqOf(seq, i, len(parts)))
		parts[i].ApproximateArrivalTimestamp = r.ApproximateArrivalTimestamp
	}
	return parts, broken
}

// aggregated finds the message in a record that has the magic and the right
// sum. Without the sum it is somebody's data that happens to begin so.
func aggregated(data []byte) (message []byte, ok bool) {
	body, ok := bytes.CutPrefix(data, magic)
	if !ok || len(body) <= md5.Size {
		return nil, false
	}
	message, sum := body[:len(body)-md5.Size], body[len(body)-md5.Size:]
	return message, md5.Sum(message) == [md5.Size]byte(sum)
}

// Fields of the messages.
const (
	fieldKeys    = 1 // of the aggregated record: repeated string
	fieldRecords = 3 // of the aggregated record: repeated message
	fieldKey     = 1 // of a record: index into the keys
	fieldData    = 3 // of a record: bytes
)

func decode(message []byte) (parts []types.Record, err error) {
	var keys []string
	var records [][]byte
	err = fields(message, func(field protowire.Number, _ uint64, data []byte) {
		switch field {
		case fieldKeys:
			keys = append(keys, strings.ToValidUTF8(string(data), "\uFFFD"))
		case fieldRecords:
			records = append(records, data)
		}
	})
	if err != nil {
		return nil, err
	}
	for i, record := range records {
		key, data, hasKey := uint64(0), []byte{}, false
		err := fields(record, func(field protowire.Number, n uint64, bytes []byte) {
			switch field {
			case fieldKey:
				key, hasKey = n, true
			case fieldData:
				data = bytes
			}
		})
		if err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", i+1, len(records), err)
		}
		if !hasKey || key >= uint64(len(keys)) {
			return nil, fmt.Errorf("part %d of %d has key %d of %d", i+1, len(records), key, len(keys))
		}
		parts = append(parts, types.Record{PartitionKey: aws.String(keys[key]), Data: data})
	}
	if len(parts) == 0 {
		return nil, errors.New("it has no parts")
	}
	return parts, nil
}

// fields calls see for every number and every string of bytes in a message.
func fields(message []byte, see func(field protowire.Number, n uint64, data []byte)) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		switch kind {
		case protowire.VarintType:
			v, m := protowire.ConsumeVarint(message)
			if m >= 0 {
				see(field, v, nil)
			}
			n = m
		case protowire.BytesType:
			v, m := protowire.ConsumeBytes(message)
			if m >= 0 {
				see(field, 0, v)
			}
			n = m
		default:
			n = protowire.ConsumeFieldValue(field, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
	}
	return nil
}
