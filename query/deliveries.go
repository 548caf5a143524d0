package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Delivery is one transition told, or to be told, to one sink.
type Delivery struct {
	ID         string              `json:"id"`
	Sink       string              `json:"sink" example:"webhook"`
	Transition string              `json:"transition_id"`
	Finding    string              `json:"finding_id"`
	State      store.DeliveryState `json:"state" enum:"pending,delivered,dead"`
	Attempts   int                 `json:"attempts"`
	Status     int                 `json:"status,omitempty" doc:"HTTP status of the last answer"`
	Error      string              `json:"error,omitempty" doc:"Why the last attempt failed"`
	CreatedAt  time.Time           `json:"created_at"`
	UpdatedAt  time.Time           `json:"updated_at"`
	NextAt     time.Time           `json:"next_at,omitzero" doc:"Of the next attempt, while it is pending"`
}

func deliveryOf(d store.Delivery) Delivery {
	out := Delivery{ID: d.ID, Sink: d.Sink, Transition: d.Transition, Finding: d.Finding, State: d.State, Attempts: d.Attempts,
		Status: d.Status, Error: d.Error, CreatedAt: d.CreatedAt.UTC(), UpdatedAt: d.UpdatedAt.UTC()}
	if d.State == store.DeliveryPending {
		out.NextAt = utc(d.NextAt)
	}
	return out
}

type deliveriesIn struct {
	Paging
	Sink  string `query:"sink" maxLength:"100"`
	State string `query:"state" enum:"pending,delivered,dead" doc:"Left out: all"`
}

// DeliveryList is one page of deliveries.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
	NextToken  string     `json:"next_token,omitempty"`
}

func (s *Server) listDeliveries(ctx context.Context, in *deliveriesIn) (*body[DeliveryList], error) {
	page, err := s.store.ListDeliveries(ctx, store.DeliveryQuery{Sink: in.Sink, State: store.DeliveryState(in.State)}, in.request())
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	list := DeliveryList{Deliveries: make([]Delivery, 0, len(page.Items)), NextToken: page.Next}
	for _, d := range page.Items {
		list.Deliveries = append(list.Deliveries, deliveryOf(d))
	}
	return &body[DeliveryList]{Body: list}, nil
}

type deliveryIn struct {
	Sink       string `path:"sink" maxLength:"100"`
	Transition string `path:"transition" maxLength:"200"`
}

// replayDelivery makes a delivery due that was given up.
func (s *Server) replayDelivery(ctx context.Context, in *deliveryIn) (*body[Delivery], error) {
	id := in.Sink + "/" + in.Transition
	d, err := s.store.Delivery(ctx, id)
	if err != nil {
		return nil, missing(err, "delivery", id)
	}
	if d, err = d.Revive(s.now()); err != nil {
		return nil, kindConflict.problem("delivery %s is %s: only one that was given up can be tried again", id, d.State).because(err)
	}
	d, err = s.store.PutDelivery(ctx, d)
	if errors.Is(err, qrie.ErrConflict) {
		return nil, kindConflict.problem("delivery %s was changed a moment ago: look at it again", id).because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("try delivery %s again: %w", id, err)
	}
	return &body[Delivery]{Body: deliveryOf(d)}, nil
}
