package query

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

const (
	// heartbeat keeps proxies from closing a quiet stream.
	heartbeat = 15 * time.Second
	// maxReplay is the widest gap that Last-Event-ID closes; a client that
	// missed more is better off reading its lists again.
	maxReplay = 1000
	// writeWait is how long one write to a client may take. It ends streams to
	// machines that went to sleep.
	writeWait = 10 * time.Second
	// headerLastEvent is what a browser sends when it connects again.
	headerLastEvent = "Last-Event-ID"
)

// Hello is the first event of every stream.
type Hello struct {
	Newest  int64  `json:"newest" doc:"The greatest sequence number so far"`
	Version string `json:"version"`
}

func documentStream(op *huma.Operation) {
	op.Description = "Events: hello {newest, version}; transition, with a Transition as data and its seq as id; " +
		"reset, after which everything is to be read again. A comment comes every 15 seconds. " +
		"Last-Event-ID resumes after that seq."
	op.Parameters = []*huma.Param{{Name: headerLastEvent, In: "header", Description: "seq of the last transition that was seen", Schema: &huma.Schema{Type: huma.TypeString}}}
	op.Responses["200"] = &huma.Response{
		Description: "An endless stream",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
}

// stream sends transitions as they happen.
func (s *Server) stream(c *gin.Context) {
	if c.Request.URL.RawQuery != "" {
		fail(c, invalid("query", nil, "the stream takes no parameters"))
		return
	}
	last, resuming, problem := lastEvent(c.GetHeader(headerLastEvent))
	if problem != nil {
		fail(c, problem)
		return
	}
	ctx := c.Request.Context()
	joining, cancel := context.WithTimeout(ctx, quick)
	listener, err := s.hub.join(joining)
	cancel()
	if err != nil {
		fail(c, problemOf(err))
		return
	}
	defer s.hub.leave(listener)

	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	c.Status(http.StatusOK)
	// A session or token that expires must not listen on.
	if who := requestOf(ctx).principal; !who.Expires.IsZero() {
		limited, cancel := context.WithTimeout(ctx, who.Expires.Sub(s.now()))
		defer cancel()
		ctx = limited
	}
	out := eventWriter{w: c.Writer, control: http.NewResponseController(c.Writer)}
	// The client is gone or too slow whenever a write fails: there is nobody
	// to tell, and it will connect again.
	if err := s.greet(ctx, out, listener, last, resuming); err != nil {
		return
	}
	s.follow(ctx, out, listener)
}

func lastEvent(header string) (seq int64, ok bool, problem *Problem) {
	if header == "" {
		return 0, false, nil
	}
	seq, err := strconv.ParseInt(header, 10, 64)
	if err != nil || seq < 0 {
		return 0, false, invalid("header."+headerLastEvent, echo(header), "%q is no sequence number", header)
	}
	return seq, true, nil
}

// greet says hello and sends what the client missed.
func (s *Server) greet(ctx context.Context, out eventWriter, listener *client, last int64, resuming bool) error {
	hello, err := json.Marshal(Hello{Newest: listener.from, Version: s.options.Version})
	if err != nil {
		return fmt.Errorf("encode hello: %w", err)
	}
	if err := out.event("hello", "", hello); err != nil {
		return err
	}
	switch {
	case !resuming || last == listener.from:
		return nil
	case last > listener.from || listener.from-last > maxReplay:
		// From another store's time, or too far back.
		return out.event("reset", strconv.FormatInt(listener.from, 10), []byte("{}"))
	}
	reading, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	missed, _, err := s.store.Changes(reading, last, maxReplay)
	if err != nil {
		return fmt.Errorf("read the changes after %d: %w", last, err)
	}
	encoded, err := s.encodeChange(reading, missed)
	if err != nil {
		return err
	}
	for i, t := range missed {
		if t.Seq > listener.from {
			break // the hub sends it
		}
		if err := out.event("transition", strconv.FormatInt(t.Seq, 10), encoded[i]); err != nil {
			return err
		}
	}
	return nil
}

// follow passes on what the hub sends, until either side ends.
func (s *Server) follow(ctx context.Context, out eventWriter, listener *client) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case m, ok := <-listener.messages:
			if !ok {
				if listener.overrun {
					_ = out.event("reset", "", []byte("{}")) // a last word to a client that may not read it
				}
				return
			}
			err = out.event("transition", strconv.FormatInt(m.seq, 10), m.data)
		case <-beat.C:
			err = out.comment("still here")
		}
		if err != nil {
			return
		}
	}
}

// eventWriter writes server-sent events (HTML Living Standard, 9.2).
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// event writes one event; data holds no line break, as JSON does not.
func (e eventWriter) event(name, id string, data []byte) error {
	text := make([]byte, 0, len(data)+64)
	if id != "" {
		text = append(append(append(text, "id: "...), id...), '\n')
	}
	text = append(append(append(text, "event: "...), name...), '\n')
	text = append(append(append(text, "data: "...), data...), "\n\n"...)
	return e.send(text)
}

func (e eventWriter) comment(text string) error { return e.send([]byte(": " + text + "\n\n")) }

func (e eventWriter) send(text []byte) error {
	// A moment in the past makes the write fail that hangs. A writer without
	// deadlines, such as a test's recorder, does not hang.
	late := time.AfterFunc(writeWait, func() { _ = e.control.SetWriteDeadline(time.Unix(1, 0)) })
	defer late.Stop()
	if _, err := e.w.Write(text); err != nil {
		return fmt.Errorf("write to the live stream: %w", err)
	}
	if err := e.control.Flush(); err != nil {
		return fmt.Errorf("write to the live stream: %w", err)
	}
	return nil
}
