package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/qrie-sec/qrie"
)

// Demo is the simulated organisation, as far as the API shows it.
type Demo interface {
	Changes() []DemoChange
	// Change makes one of them on the resource with that ARN, or on one of
	// its own choice if arn is empty. qrie.ErrNotFound for an unknown change
	// or resource, qrie.ErrConflict where it cannot be made now: the text of
	// either is for the person who asked.
	Change(ctx context.Context, id, arn string) (DemoApplied, error)
}

// DemoChange is a change that a person may ask of the organisation.
type DemoChange struct {
	ID           string `json:"id"`
	Title        string `json:"title"`
	ResourceType string `json:"resource_type"`
	Bad          bool   `json:"bad" doc:"It opens a finding"`
}

// DemoApplied is a change that was made.
type DemoApplied struct {
	ARN        string `json:"arn"`
	ResourceID string `json:"resource_id"`
	EventName  string `json:"event_name"`
	EventID    string `json:"event_id"`
	Actor      string `json:"actor"`
}

func (s *Server) listDemoChanges(context.Context, *struct{}) (*body[[]DemoChange], error) {
	if s.options.Demo == nil {
		return nil, noDemo()
	}
	return &body[[]DemoChange]{Body: notNil(s.options.Demo.Changes())}, nil
}

type demoChangeIn struct {
	Body struct {
		ID  string `json:"id" minLength:"1" maxLength:"100" doc:"Of the change"`
		ARN string `json:"arn,omitempty" maxLength:"2048" doc:"Resource to change; left out: one is picked"`
	}
}

func (s *Server) makeDemoChange(ctx context.Context, in *demoChangeIn) (*body[DemoApplied], error) {
	if s.options.Demo == nil {
		return nil, noDemo()
	}
	applied, err := s.options.Demo.Change(ctx, in.Body.ID, in.Body.ARN)
	if notFound(err) {
		return nil, kindNotFound.problem("the organisation has no change %q for %q: see GET /api/v1/demo/changes", in.Body.ID, in.Body.ARN).because(err)
	}
	if errors.Is(err, qrie.ErrConflict) {
		return nil, kindConflict.problem("%v", err).because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("make the change %s in the simulated organisation: %w", in.Body.ID, err)
	}
	return &body[DemoApplied]{Body: applied}, nil
}

// noDemo is made anew for each request, because a problem carries its id.
func noDemo() *Problem {
	return kindNotFound.problem("this server watches real accounts: only a demo can change its organisation")
}
