package query

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

const (
	// tailEvery is how often the store is asked for changes while somebody
	// listens: half of what a person notices.
	tailEvery = 300 * time.Millisecond
	// tailBatch bounds one reading of changes.
	tailBatch = 200
	// clientBuffer is how many messages a client may be behind. One that is
	// further behind is cut off and starts again from where it was.
	clientBuffer = 256
)

// message is one event of the live stream, encoded once for all clients.
type message struct {
	seq  int64
	data []byte
}

// client is one listener. The hub closes messages when the client is too slow
// or when the hub stops; overrun tells the two apart and may be read then.
type client struct {
	messages chan message
	from     int64 // the first message comes after this sequence number
	overrun  bool
}

// hub follows the changes of the store for all listeners of this process: one
// reader, however many listen, and none while nobody does.
type hub struct {
	findings store.Findings
	encode   func(context.Context, []qrie.Transition) ([][]byte, error)
	log      *slog.Logger
	limit    int
	every    time.Duration

	mu       sync.Mutex
	clients  map[*client]struct{}
	position int64 // every client has been sent what lies up to here
	stopped  bool
	wake     chan struct{} // somebody has begun to listen
}

func newHub(findings store.Findings, encode func(context.Context, []qrie.Transition) ([][]byte, error), log *slog.Logger, limit int) *hub {
	return &hub{
		findings: findings, encode: encode, log: log, limit: limit, every: tailEvery,
		clients: map[*client]struct{}{}, wake: make(chan struct{}, 1),
	}
}

// join adds a listener; leave must be called for it.
func (h *hub) join(ctx context.Context) (*client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopped:
		return nil, kindUnavailable.problem("the server is stopping: connect again").retryAfter(2 * time.Second)
	case len(h.clients) >= h.limit:
		return nil, kindUnavailable.problem("%d clients listen to the live stream already: ask for GET /api/v1/changes instead", h.limit).retryAfter(30 * time.Second)
	}
	if len(h.clients) == 0 {
		// Nobody listened, so nobody has read: go on from now. The lock is
		// held meanwhile, so that the reader does not run from an old position.
		newest, err := newestChange(ctx, h.findings)
		if err != nil {
			return nil, err
		}
		h.position = newest
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
	c := &client{messages: make(chan message, clientBuffer), from: h.position}
	h.clients[c] = struct{}{}
	return c, nil
}

func (h *hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.clients[c]; ok {
		delete(h.clients, c)
		close(c.messages)
	}
}

// run reads the changes until ctx ends, and then ends every stream.
func (h *hub) run(ctx context.Context) {
	ticker := time.NewTicker(h.every)
	defer ticker.Stop()
	for {
		if h.listeners() == 0 {
			select {
			case <-h.wake:
			case <-ctx.Done():
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			h.stop()
			return
		}
		if err := h.tail(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("the live stream cannot read the changes", "error", err)
		}
	}
}

func (h *hub) listeners() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

// tail hands on everything that is new.
func (h *hub) tail(ctx context.Context) error {
	for {
		h.mu.Lock()
		after, listeners := h.position, len(h.clients)
		h.mu.Unlock()
		if listeners == 0 {
			return nil
		}
		changes, _, err := h.findings.Changes(ctx, after, tailBatch)
		if err != nil {
			return fmt.Errorf("read the changes after %d: %w", after, err)
		}
		if len(changes) == 0 {
			return nil
		}
		encoded, err := h.encode(ctx, changes)
		if err != nil {
			return err
		}
		if !h.publish(after, changes, encoded) || len(changes) < tailBatch {
			return nil
		}
	}
}

// publish hands one batch to every client. It does nothing and returns false
// if the position moved since the batch was read: everybody left and somebody
// came, who starts from a newer one.
func (h *hub) publish(after int64, changes []qrie.Transition, encoded [][]byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.position != after {
		return false
	}
	for i, t := range changes {
		for c := range h.clients {
			select {
			case c.messages <- message{seq: t.Seq, data: encoded[i]}:
			default:
				c.overrun = true
				delete(h.clients, c)
				close(c.messages)
			}
		}
		h.position = t.Seq
	}
	return true
}

func (h *hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	for c := range h.clients {
		delete(h.clients, c)
		close(c.messages)
	}
}
