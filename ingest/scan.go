package ingest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// scanner walks JSON text by its brackets and quotes.
type scanner struct {
	in     *bufio.Reader
	offset int64  // of the next byte
	taking bool   // whether bytes go into taken
	taken  []byte // at most MaxRecord
	begin  int64  // offset of the first byte taken
}

// start takes what is read from here on.
func (s *scanner) start() {
	s.taking, s.taken, s.begin = true, make([]byte, 0, 2<<10), s.offset
}

// stop ends the taking and hands over what was taken.
func (s *scanner) stop() []byte {
	taken := s.taken
	s.taking, s.taken = false, nil
	return taken
}

func (s *scanner) next() (byte, error) {
	c, err := s.in.ReadByte()
	if err != nil {
		return 0, err
	}
	s.offset++
	if s.taking && len(s.taken) < MaxRecord {
		s.taken = append(s.taken, c)
	}
	return c, nil
}

// skipSpace returns the next byte that is no space, without reading it.
func (s *scanner) skipSpace() (byte, error) {
	for {
		b, err := s.in.Peek(1)
		if err != nil {
			return 0, err
		}
		switch b[0] {
		case ' ', '\t', '\r', '\n':
			if _, err := s.next(); err != nil {
				return 0, err
			}
		default:
			return b[0], nil
		}
	}
}

// firstKey reads the opening brace, the name of the first member and its
// colon, and tells which byte the value opens with. Where an object does not
// begin so, the name is empty, and rest takes it from there.
func (s *scanner) firstKey() (key string, opens byte, err error) {
	if _, err := s.next(); err != nil {
		return "", 0, unended(err)
	}
	if c, err := s.skipSpace(); err != nil || c != '"' {
		return "", 0, unended(err)
	}
	if _, err := s.next(); err != nil {
		return "", 0, unended(err)
	}
	from := s.offset
	if err := s.text(); err != nil {
		return "", 0, err
	}
	if size := s.offset - from; int64(len(s.taken)) >= size {
		key = string(s.taken[int64(len(s.taken))-size : len(s.taken)-1])
	}
	if c, err := s.skipSpace(); err != nil || c != ':' {
		return "", 0, unended(err)
	}
	if _, err := s.next(); err != nil {
		return "", 0, unended(err)
	}
	c, err := s.skipSpace()
	if err != nil {
		return "", 0, unended(err)
	}
	return key, c, nil
}

// rest reads to the end of the value that is open at the given depth and
// returns how long it is from begin on; with depth 0 it has yet to begin.
func (s *scanner) rest(depth int) (size int64, err error) {
	for {
		c, err := s.next()
		if err != nil {
			return 0, unended(err)
		}
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return s.offset - s.begin, nil
			}
		case '"':
			if err := s.text(); err != nil {
				return 0, err
			}
		}
	}
}

// text reads to the end of a string whose first quote is behind.
func (s *scanner) text() error {
	for {
		c, err := s.next()
		if err != nil {
			return unended(err)
		}
		switch c {
		case '"':
			return nil
		case '\\':
			if _, err := s.next(); err != nil {
				return unended(err)
			}
		}
	}
}

// unended explains an input that ends in the middle.
func unended(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the input ends inside a record (%w): the file is truncated, fetch it again", io.ErrUnexpectedEOF)
	}
	return err
}
