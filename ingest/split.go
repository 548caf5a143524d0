package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxSplit bounds the bytes of records that Split gives at once. SplitReader
// has no such bound: it holds one record at a time.
const MaxSplit = 64 << 20

// Split breaks up the shapes in which CloudTrail reaches people: an
// EventBridge event, a bare record, a log file ({"Records": [...]}), the
// answer to LookupEvents ({"Events": [...]}), and any of them one after the
// other (NDJSON), in a JSON array, or under gzip.
//
// A record that is not valid becomes a Raw that Decode refuses; only an input
// whose records cannot be told apart, or that goes beyond the bounds, is an
// error here, and then the records before the fault are returned with it.
func Split(data []byte) ([]Raw, error) { return split(data, MaxSplit) }

func split(data []byte, bound int) ([]Raw, error) {
	if body := bytes.TrimLeft(data, " \t\r\n"); len(data) <= MaxRecord && len(body) > 0 && body[0] == '{' && check(data) == nil {
		return rawsOfValid(data, 1, 0), nil // one object: what a stream delivers
	}
	var raws []Raw
	total := 0
	err := SplitReader(bytes.NewReader(data), func(raw Raw) error {
		if total += len(raw.Record); total > bound {
			return fmt.Errorf("record %d at byte %d: the records before it hold %d bytes already: cut the input, or read it as a file", raw.Number, raw.Offset, bound)
		}
		raws = append(raws, raw)
		return nil
	})
	return raws, err
}

// SplitReader is Split for files of any size: it yields one record after the
// other and holds one in memory. An error of yield ends it and is returned.
func SplitReader(r io.Reader, yield func(Raw) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := in.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		inflated, err := inflate(in, MaxInflated)
		if err != nil {
			return err
		}
		in = bufio.NewReaderSize(inflated, 64<<10)
	}
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) { // a byte order mark, as some editors leave
		_, _ = in.Discard(3)
	}
	s := &splitter{scanner: scanner{in: in}, yield: yield}
	return s.run()
}

// splitter finds where records begin and end without asking whether they are
// valid, so that one bad record costs no other.
type splitter struct {
	scanner
	number int // of the last record
	yield  func(Raw) error
}

func (s *splitter) run() error {
	for {
		c, err := s.skipSpace()
		switch {
		case errors.Is(err, io.EOF) && s.number == 0:
			return errors.New("the input holds no records: give EventBridge events, CloudTrail records or CloudTrail log files")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.fault(err)
		case c == '{':
			err = s.object()
		case c == '[':
			s.next()
			err = s.list()
		default:
			return s.fault(fmt.Errorf("found %q where a JSON object begins: give EventBridge events, CloudTrail records or CloudTrail log files", c))
		}
		if err != nil {
			return err
		}
	}
}

// object takes one object at the top. Of a log file it takes the records one
// by one; anything else is small, and taken whole.
func (s *splitter) object() error {
	begin := s.offset
	s.start()
	key, opens, err := s.firstKey()
	if err != nil {
		return s.fault(err)
	}
	if (key == "Records" || key == "Events") && opens == '[' {
		s.stop()
		s.next()
		if err := s.list(); err != nil {
			return err
		}
		s.number = max(s.number, 1)          // an empty log file is an input nevertheless
		if _, err := s.rest(1); err != nil { // the members that follow the list
			return s.fault(err)
		}
		return nil
	}
	size, err := s.rest(1)
	if err != nil {
		return s.fault(err)
	}
	return s.emit(begin, size)
}

// list takes the objects of an array whose bracket is behind.
func (s *splitter) list() error {
	for {
		c, err := s.skipSpace()
		if err != nil {
			return s.fault(unended(err))
		}
		switch c {
		case ',':
			s.next()
			continue
		case ']':
			s.next()
			return nil
		case '{':
		default:
			return s.fault(fmt.Errorf("found %q where a record begins: the list of a log file holds JSON objects", c))
		}
		begin := s.offset
		s.start()
		size, err := s.rest(0)
		if err != nil {
			return s.fault(err)
		}
		if err := s.emit(begin, size); err != nil {
			return err
		}
	}
}

// emit yields what the scanner has taken since begin.
func (s *splitter) emit(begin, size int64) error {
	taken := s.stop()
	if size > MaxRecord {
		s.number++
		return s.yield(Raw{Record: taken[:min(len(taken), 4<<10)], Number: s.number, Offset: begin, fault: tooLong(size)})
	}
	for _, raw := range rawsOf(taken, s.number+1, begin) {
		s.number++
		if err := s.yield(raw); err != nil {
			return err
		}
	}
	return nil
}

// fault says where the input stops making sense.
func (s *splitter) fault(err error) error {
	return fmt.Errorf("after record %d, at byte %d: %w", s.number, s.offset, err)
}
