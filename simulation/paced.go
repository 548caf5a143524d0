package simulation

import (
	"bytes"
	"context"
	"time"

	"github.com/qrie-sec/qrie/stream"
)

// paced is a stream that gives the worker a moment between records of qrie's
// own. Two marks of one resource in one batch may run as one job or as two, as
// the scheduler has it; a moment apart, the clock decides.
//
// It also sees that no more is taken in hand than may be.
type paced struct {
	stream.Stream
	watch *watch
	most  int // records of a shard
}

func (p paced) Consume(ctx context.Context, h stream.Handler) error {
	return p.Stream.Consume(ctx, pacedHandler{h, p})
}

type pacedHandler struct {
	stream.Handler
	paced
}

func (p pacedHandler) Handle(s *stream.Session, records []stream.Record) {
	for len(records) > 0 && s.Context().Err() == nil {
		n := 1
		for !own(records[0]) && n < len(records) && !own(records[n]) {
			n++
		}
		p.Handler.Handle(s, records[:n:n])
		if open := s.Unfinished(); open > p.most {
			p.watch.wrong("%s has %d records in hand, and may have %d", s.Shard(), open, p.most)
		}
		records = records[n:]
		time.Sleep(time.Microsecond)
	}
}

// own reports whether a record is one of qrie's own.
func own(r stream.Record) bool { return bytes.HasPrefix(r.Data, []byte(`{"v":`)) }
