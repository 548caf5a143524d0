package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Condition is something wrong with an account, or with reading one resource
// type in it.
type Condition struct {
	State        store.HealthState `json:"state" enum:"role_denied,mass_delete,denied,throttled" doc:"The role cannot be assumed; too many resources are gone at once; an IAM action lacks; AWS asks for patience"`
	ResourceType string            `json:"resource_type,omitempty" doc:"Left out: the whole account"`
	Reason       string            `json:"reason"`
	Action       string            `json:"action,omitempty" doc:"The IAM action that lacks"`
	Since        time.Time         `json:"since"`
	ReleasedAt   time.Time         `json:"released_at,omitzero" doc:"When somebody let the deletions through"`
}

func conditionOf(c store.Condition) Condition {
	return Condition{State: c.State, ResourceType: c.Type, Reason: c.Reason, Action: c.Action, Since: c.Since.UTC(), ReleasedAt: utc(c.Released)}
}

// healthOK is the word for an account without conditions.
const healthOK = "ok"

// healthOf is the one word for conditions.
func healthOf(conditions []store.Condition) string {
	for _, state := range store.HealthStates {
		if slices.ContainsFunc(conditions, func(c store.Condition) bool { return c.State == state }) {
			return string(state)
		}
	}
	return healthOK
}

// stale is why a resource cannot be read at present, nil if it can. A throttle
// delays reads and makes nothing stale by itself.
func (d *directory) stale(ref qrie.Ref) *Condition {
	for _, state := range store.HealthStates {
		for _, c := range d.health[ref.Account] {
			if c.State == state && state != store.Throttled && (c.Type == "" || c.Type == ref.Type) {
				stale := conditionOf(c)
				return &stale
			}
		}
	}
	return nil
}

type releaseIn struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		ResourceType string `json:"resource_type" minLength:"1" maxLength:"100" doc:"Of which deletions are held"`
	}
}

// Released is the answer to letting deletions through.
type Released struct {
	Condition Condition `json:"condition"`
	JobID     string    `json:"job_id,omitempty" doc:"The scan that looks at them now; absent where the next scheduled one does"`
}

// releaseDeletions lets deletions through that were held because there were
// too many at once, and has them looked at.
func (s *Server) releaseDeletions(ctx context.Context, in *releaseIn) (*body[Released], error) {
	if _, err := s.store.Account(ctx, in.ID); err != nil {
		return nil, missing(err, "account", in.ID)
	}
	c, err := store.ReleaseDeletions(ctx, s.store, in.ID, in.Body.ResourceType, s.now())
	if notFound(err) {
		return nil, kindNotFound.problem("no deletions of %s are held in account %s", in.Body.ResourceType, in.ID).because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("release the deletions of %s in account %s: %w", in.Body.ResourceType, in.ID, err)
	}
	out := Released{Condition: conditionOf(c)}
	if s.options.Start != nil {
		job, err := s.options.Start(ctx, Task{Accounts: []string{in.ID}, Services: []string{qrie.ServiceOf(c.Type)}, Reason: "release"})
		if err != nil {
			s.options.Log.Error("deletions are released, and looked at by the next scheduled scan only", "account", in.ID, "error", err)
		}
		out.JobID = job.ID
	}
	return &body[Released]{Body: out}, nil
}
