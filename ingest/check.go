package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

const (
	// MaxRecord bounds one event in bytes. EventBridge delivers events up to
	// 1 MB, a Kinesis record holds 1 MiB by default, and CloudTrail cuts request
	// and answer at 100 KB each.
	MaxRecord = 1 << 20

	// MaxDepth bounds how deep one event nests. Real ones stay below 20; the
	// bound keeps recursive readers off a stack that a stranger chooses.
	MaxDepth = 64
)

// check accepts exactly one JSON value in UTF-8 within the bounds.
func check(data []byte) error {
	if len(data) > MaxRecord {
		return tooLong(int64(len(data)))
	}
	if !utf8.Valid(data) {
		return fmt.Errorf("byte %d is not UTF-8, which JSON is written in", firstInvalid(data))
	}
	if at, ok := shallow(data); !ok {
		return fmt.Errorf("byte %d nests deeper than %d levels: no CloudTrail event does", at, MaxDepth)
	}
	if !gjson.ValidBytes(data) {
		return invalidJSON(data)
	}
	return nil
}

func tooLong(size int64) error {
	return fmt.Errorf("holds %d bytes and EventBridge delivers %d at the most: if this is a log file, its first member must be \"Records\"", size, MaxRecord)
}

// invalidJSON finds where data stops being JSON, for the message alone.
func invalidJSON(data []byte) error {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) {
		return fmt.Errorf("not valid JSON at byte %d: %w", syntax.Offset, err)
	}
	return errors.New("not valid JSON")
}

func firstInvalid(data []byte) int {
	at := 0
	for at < len(data) {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// shallow reports whether data nests MaxDepth levels at the most, and where it
// goes deeper. It does not ask whether data is JSON.
func shallow(data []byte) (at int, ok bool) {
	// Most events do not even hold that many brackets, and counting is cheap.
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) <= MaxDepth {
		return 0, true
	}
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if depth++; depth > MaxDepth {
				return i, false
			}
		case '}', ']':
			depth--
		case '"':
			if i = stringEnd(data, i); i < 0 {
				return 0, true
			}
		}
	}
	return 0, true
}

// stringEnd is the index of the quote that ends the string begun at start, or
// -1 if nothing does.
func stringEnd(data []byte, start int) int {
	for i := start + 1; ; {
		j := bytes.IndexByte(data[i:], '"')
		if j < 0 {
			return -1
		}
		i += j
		escapes := 0
		for data[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
		i++
	}
}
