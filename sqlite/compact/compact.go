// Package compact makes the short texts that qrie keeps shorter still: events,
// marks, causes, findings, documents. Each is too short to hold much twice, yet
// they all say the same things; what they share is in a vocabulary, and they are
// written as references to it. That halves what plain compression leaves, in the
// same time. Longer texts do without.
package compact

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
)

// vocabulary is the names and phrases of AWS's answers, of CloudTrail records and
// of qrie's own JSON. It is part of the format: what was written with
// it cannot be read with another. A new vocabulary needs a mark of its own.
//
//go:embed vocabulary.txt
var vocabulary []byte

// dictionary is safe for concurrent use.
var dictionary = s2.MakeDictManual(vocabulary, 0)

// The first byte of what Encode writes.
const (
	plain = 0 // the rest is the text
	words = 3 // the rest is an S2 block over the vocabulary
	block = 4 // the rest is an S2 block
)

// longText has said by itself most of what the vocabulary holds, and is compressed
// in half the time without one.
const longText = 16 << 10

// Marked reports whether b begins as what Encode writes. No JSON does.
func Marked(b []byte) bool {
	return len(b) > 0 && (b[0] == plain || b[0] == words || b[0] == block)
}

// scratch holds what Encode makes until its length is known.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// maxScratch bounds what is kept for the next text: enough for 64 KiB that cannot be
// compressed, the longest of what is often written.
const maxScratch = 80 << 10

// Encode gives the compact form of any text. It is never empty, and at most a
// byte longer than the text.
func Encode(text []byte) []byte {
	buf := scratch.Get().(*[]byte)
	if n := s2.MaxEncodedLen(len(text)); cap(*buf) < n {
		*buf = make([]byte, n)
	}
	var mark byte
	var rest []byte
	if len(text) < longText {
		mark, rest = words, dictionary.Encode((*buf)[:cap(*buf)], text)
	} else {
		mark, rest = block, s2.Encode((*buf)[:cap(*buf)], text)
	}
	if len(rest) >= len(text) {
		mark, rest = plain, text
	}
	out := make([]byte, 1+len(rest))
	out[0] = mark
	copy(out[1:], rest)
	if cap(*buf) <= maxScratch {
		scratch.Put(buf)
	}
	return out
}

// ErrTooLong is returned for what would be longer than its reader takes.
var ErrTooLong = errors.New("compact text is too long")

// Decode appends the text to dst, if it is of at most limit bytes.
func Decode(dst, b []byte, limit int) ([]byte, error) {
	if !Marked(b) {
		return dst, errors.New("not a compact text, or of a later version")
	}
	rest := b[1:]
	n := len(rest)
	if b[0] != plain {
		var err error
		if n, err = s2.DecodedLen(rest); err != nil {
			return dst, fmt.Errorf("compact text is damaged: %w", err)
		}
	}
	if n > limit {
		return dst, fmt.Errorf("%d bytes of %d: %w", n, limit, ErrTooLong)
	}
	if b[0] == plain {
		return append(dst, rest...), nil
	}
	decode := s2.Decode
	if b[0] == words {
		decode = dictionary.Decode
	}
	dst = slices.Grow(dst, n)
	if _, err := decode(dst[len(dst):len(dst)+n], rest); err != nil {
		return dst, fmt.Errorf("compact text is damaged: %w", err)
	}
	return dst[:len(dst)+n], nil
}
