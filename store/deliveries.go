package store

import (
	"context"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
)

// DeliveryState says where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryDead      DeliveryState = "dead" // given up; a person may have it tried again
)

// DeliveryStates are all there are.
var DeliveryStates = []DeliveryState{DeliveryPending, DeliveryDelivered, DeliveryDead}

// Delivery is one transition on its way to one sink.
type Delivery struct {
	ID         string // sink and transition
	Sink       string
	Transition string // id
	Finding    string // id
	State      DeliveryState
	Attempts   int
	NextAt     time.Time // of the next attempt, while it is pending
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Status     int    // of HTTP, of the last answer; 0 without one
	Error      string // of the last attempt, cut to MaxReason bytes
	Payload    []byte // what is sent, at most MaxPayload; empty in lists and once delivered
	Revision   int64  // given by the store
}

// MaxPayload bounds what is sent, in bytes.
const MaxPayload = 256 << 10

// DeliveryQuery narrows a list of deliveries; an empty member does not.
type DeliveryQuery struct {
	Sink  string
	State DeliveryState
}

// Deliveries are the log of what was told to sinks. Maintain trims what is
// older than KeepOutbox and not pending.
type Deliveries interface {
	// PutDelivery writes d under a new revision and returns it so. Its own is
	// the one that it was read at; 0 means that it must not exist yet.
	// ErrExists, ErrNotFound or ErrConflict where that does not hold.
	PutDelivery(ctx context.Context, d Delivery) (Delivery, error)
	Delivery(ctx context.Context, id string) (Delivery, error) // ErrNotFound
	// DueDeliveries gives up to limit pending ones that are due at now, earliest
	// first, with what is to be sent.
	DueDeliveries(ctx context.Context, now time.Time, limit int) ([]Delivery, error)
	// ListDeliveries gives them newest first.
	ListDeliveries(ctx context.Context, q DeliveryQuery, p PageRequest) (Page[Delivery], error)
	// CountDeliveries counts those that are pending and those that are dead.
	// Past MaxCounted it says MaxCounted.
	CountDeliveries(ctx context.Context) (map[DeliveryState]int64, error)
}

// MaxCounted is how far deliveries are counted: nobody asks whether it is more.
const MaxCounted = 10_000

// Normal is the delivery within its bounds, its times in UTC. What was delivered
// is never sent again, so its payload goes.
func (d Delivery) Normal() Delivery {
	d.Error = cutReason(d.Error)
	if d.State == DeliveryDelivered {
		d.Payload = nil
	}
	d.NextAt, d.CreatedAt, d.UpdatedAt = d.NextAt.UTC().Round(0), d.CreatedAt.UTC().Round(0), d.UpdatedAt.UTC().Round(0)
	return d
}

// Valid reports what is wrong with a delivery by itself.
func (d Delivery) Valid() error {
	bad := func(what string) error { return fmt.Errorf("delivery %.60q: %s", d.ID, what) }
	if err := ValidName("delivery", d.ID); err != nil {
		return err
	}
	switch {
	case d.Sink == "" || len(d.Sink) > MaxName || d.Transition == "" || d.Finding == "":
		return bad("it does not say what goes where")
	case d.State != DeliveryPending && d.State != DeliveryDelivered && d.State != DeliveryDead:
		return bad(fmt.Sprintf("there is no state %q", d.State))
	case d.CreatedAt.IsZero() || d.UpdatedAt.IsZero() || d.State == DeliveryPending && d.NextAt.IsZero():
		return bad("it does not say when")
	case d.State == DeliveryPending && len(d.Payload) == 0:
		return bad("there is nothing to send")
	case len(d.Payload) > MaxPayload:
		return bad(fmt.Sprintf("%d bytes are to be sent; %d are possible", len(d.Payload), MaxPayload))
	}
	return nil
}

// Revive is a delivery that was given up, due once more. ErrConflict if it was
// not given up.
func (d Delivery) Revive(now time.Time) (Delivery, error) {
	if d.State != DeliveryDead {
		return d, fmt.Errorf("delivery %s is %s, and only one that was given up can be tried again: %w", d.ID, d.State, qrie.ErrConflict)
	}
	d.State, d.Attempts, d.NextAt, d.UpdatedAt = DeliveryPending, 0, now, now
	return d, nil
}

// Admit decides whether a delivery may be written over the stored revision (0:
// none is stored), as PutDelivery promises.
func (d Delivery) Admit(stored int64) error { return admit("delivery "+d.ID, d.Revision, stored) }
