package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
)

type launchIn struct {
	Body struct {
		PolicyID    string                     `json:"policy_id" minLength:"1" maxLength:"100"`
		Scope       ScopeIn                    `json:"scope,omitzero" doc:"Left out: everything"`
		Severity    Optional[int]              `json:"severity,omitzero" doc:"0 to 100; left out: the policy's own"`
		Remediation string                     `json:"remediation,omitempty" maxLength:"20000" doc:"Markdown; left out: the policy's own"`
		Params      map[string]json.RawMessage `json:"params,omitempty" doc:"By name; left out: the defaults"`
	}
}

// Launched is the answer to a launch.
type Launched struct {
	Message                string `json:"message"`
	PolicyID               string `json:"policy_id"`
	Generation             int64  `json:"generation"`
	BootstrapScanTriggered bool   `json:"bootstrap_scan_triggered" doc:"What the policy covers is being judged now; otherwise the next scheduled scan does it"`
	JobID                  string `json:"job_id,omitempty"`
}

type launchOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Launched
}

func (s *Server) launchPolicy(ctx context.Context, in *launchIn) (*launchOut, error) {
	p, ok := s.policies.Get(in.Body.PolicyID)
	if !ok {
		return nil, s.unknownPolicyID("body.policy_id", in.Body.PolicyID)
	}
	id, now := p.ID, s.now() // the body may hold an alias
	l := qrie.Launch{
		Policy: id, Status: qrie.LaunchActive, Definition: p.Definition(), Scope: in.Body.Scope.scope(), Params: in.Body.Params,
		Severity: severityOverride(in.Body.Severity), Remediation: in.Body.Remediation, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.checkLaunch(l); err != nil {
		return nil, err
	}
	l, err := s.store.PutLaunch(ctx, l, 0)
	if errors.Is(err, qrie.ErrExists) || errors.Is(err, qrie.ErrConflict) {
		return nil, kindExists.problem("policy %s is launched already: change it with PUT /api/v1/policies/%s", id, id).because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("launch policy %s: %w", id, err)
	}
	job := s.rejudge(ctx, id, "launched")
	return &launchOut{ETag: generationTag(l.Generation), Location: "/api/v1/policies/" + id, Body: Launched{
		Message: "Policy " + id + " launched successfully", PolicyID: id, Generation: l.Generation,
		BootstrapScanTriggered: job != "", JobID: job,
	}}, nil
}

type updateIn struct {
	ID      string `path:"id" maxLength:"100"`
	IfMatch string `header:"If-Match" doc:"The ETag of the policy as it was read"`
	Body    struct {
		Scope       *ScopeIn                    `json:"scope,omitempty" doc:"Replaces the whole scope"`
		Severity    Optional[int]               `json:"severity,omitzero" doc:"0 to 100; null: the policy's own again"`
		Remediation *string                     `json:"remediation,omitempty" maxLength:"20000" doc:"Markdown; empty: the policy's own again"`
		Params      *map[string]json.RawMessage `json:"params,omitempty" doc:"Replaces all parameters"`
		Status      string                      `json:"status,omitempty" enum:"active,suspended"`
	}
}

// Updated is the answer to a change of a launch.
type Updated struct {
	Message    string `json:"message"`
	Generation int64  `json:"generation"`
	JobID      string `json:"job_id,omitempty" doc:"Judges anew what the policy covers; absent where nothing is to be judged"`
}

type updateOut struct {
	ETag string `header:"ETag"`
	Body Updated
}

func (s *Server) updatePolicy(ctx context.Context, in *updateIn) (*updateOut, error) {
	change := &in.Body
	if change.Scope == nil && !change.Severity.Set && change.Remediation == nil && change.Params == nil && change.Status == "" {
		return nil, invalid("body", nil, "nothing to change: give any of scope, severity, remediation, params, status")
	}
	l, err := s.matching(ctx, in.ID, in.IfMatch)
	if err != nil {
		return nil, err
	}
	id := l.Policy
	base, resumed := l.Generation, l.Status == qrie.LaunchSuspended && change.Status == statusActive
	if change.Scope != nil {
		l.Scope = change.Scope.scope()
	}
	if change.Severity.Set {
		l.Severity = severityOverride(change.Severity)
	}
	if change.Remediation != nil {
		l.Remediation = *change.Remediation
	}
	if change.Params != nil {
		l.Params = *change.Params
	}
	if change.Status != "" {
		l.Status = qrie.LaunchStatus(change.Status)
	}
	if err := s.checkLaunch(l); err != nil {
		return nil, err
	}
	l.UpdatedAt = s.now()
	if l, err = s.store.PutLaunch(ctx, l, base); err != nil {
		return nil, launchConflict(err, id, "change")
	}
	out := &updateOut{ETag: generationTag(l.Generation), Body: Updated{Message: "Policy " + id + " updated successfully", Generation: l.Generation}}
	judged := change.Scope != nil || change.Severity.Set || change.Params != nil || resumed
	if l.Status == qrie.LaunchActive && judged {
		reason := "changed"
		if resumed {
			reason = "resumed"
		}
		out.Body.JobID = s.rejudge(ctx, id, reason)
	}
	return out, nil
}

type deleteIn struct {
	ID      string `path:"id" maxLength:"100"`
	Purge   bool   `query:"purge" doc:"Forget its findings, too; what happened stays in the timelines of the resources"`
	IfMatch string `header:"If-Match" doc:"The ETag of the policy as it was read"`
}

// Deleted is the answer to the deletion of a launch.
type Deleted struct {
	Message         string `json:"message"`
	FindingsDeleted int64  `json:"findings_deleted" doc:"Active findings resolved so far, as policy_deleted"`
	FindingsPurged  int64  `json:"findings_purged" doc:"Findings forgotten so far"`
	Complete        bool   `json:"complete" doc:"None is left; otherwise the server goes on, and qrie policy purge does if it cannot"`
}

func (s *Server) deletePolicy(ctx context.Context, in *deleteIn) (*body[Deleted], error) {
	l, err := s.matching(ctx, in.ID, in.IfMatch)
	if err != nil {
		return nil, err
	}
	id := l.Policy
	if _, err := s.store.DeleteLaunch(ctx, id, l.Generation); err != nil {
		return nil, launchConflict(err, id, "delete")
	}
	// From here on the launch is gone, and whatever fails is finished later.
	limited, cancel := context.WithTimeout(ctx, closeWait)
	defer cancel()
	closed, err := s.closeFindings(limited, id)
	var purged int64
	if err == nil && in.Purge {
		purged, err = s.purgeFindings(limited, id)
	}
	if err != nil {
		s.options.Log.Warn("the findings of a deleted policy are closed or forgotten later", "policy", id, "closed", closed, "purged", purged, "error", err)
		if in.Purge {
			s.purgeLater(id)
		}
		s.wakeOrphans()
	}
	return &body[Deleted]{Body: Deleted{
		Message:         "Policy " + id + " deleted successfully",
		FindingsDeleted: closed, FindingsPurged: purged, Complete: err == nil,
	}}, nil
}

// matching reads a launch and holds it against If-Match.
func (s *Server) matching(ctx context.Context, id, ifMatch string) (qrie.Launch, error) {
	launches, _, err := s.launches(ctx)
	if err != nil {
		return qrie.Launch{}, err
	}
	id = s.policyID(id)
	l, ok := launches[id]
	if !ok {
		if _, known := s.policies.Get(id); !known {
			return l, s.unknownPolicyID("path.id", id)
		}
		return l, kindNotFound.problem("policy %s is not launched: POST /api/v1/policies launches it", id)
	}
	if ifMatch == "" {
		return l, kindNeedsCondition.problem("send the ETag of GET /api/v1/policies/%s as If-Match, so that nobody's change is lost", id)
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == generationTag(l.Generation) {
			return l, nil
		}
	}
	return l, kindStale.problem("policy %s has the ETag %s now, and If-Match says %s: read it again and decide again", id, generationTag(l.Generation), ifMatch)
}

func launchConflict(err error, id, what string) error {
	switch {
	case errors.Is(err, qrie.ErrConflict):
		return kindStale.problem("policy %s was changed a moment ago: read it again and decide again", id).because(err)
	case errors.Is(err, qrie.ErrNotFound):
		return kindNotFound.problem("policy %s is not launched any more", id).because(err)
	}
	return fmt.Errorf("%s policy %s: %w", what, id, err)
}

// rejudge starts judging what a policy covers. The launch is stored already,
// so a failure is not the caller's: the daily policy scan makes up for it.
func (s *Server) rejudge(ctx context.Context, policy, reason string) (job string) {
	if s.options.Start == nil {
		return ""
	}
	started, err := s.options.Start(ctx, Task{Policy: policy, Reason: reason})
	if err != nil {
		s.options.Log.Error("resources are not judged anew after a change of policy", "policy", policy, "error", err)
		return ""
	}
	return started.ID
}

// checkLaunch finds out what no store would notice.
func (s *Server) checkLaunch(l qrie.Launch) error {
	if l.Severity != nil && !l.Severity.Valid() {
		return invalid("body.severity", int(*l.Severity), "%d is not on the scale of 0 to 100", *l.Severity)
	}
	if err := checkScope(l.Scope); err != nil {
		return err
	}
	p, ok := s.policies.Get(l.Policy)
	if !ok {
		return nil // it can be suspended and deleted, and is not evaluated
	}
	if _, err := p.Bind(l); err != nil {
		return invalid("body.params", nil, "%v", err)
	}
	return nil
}

func severityOverride(o Optional[int]) *qrie.Severity {
	if !o.Set || o.Null {
		return nil
	}
	severity := qrie.Severity(o.Value)
	return &severity
}

const (
	// closeWait bounds how long a deletion keeps its caller waiting.
	closeWait = 20 * time.Second
	// closeChunk findings are resolved in one write of the store.
	closeChunk = 500
)

// closeFindings resolves the active findings of a policy that is not launched,
// until none is left or ctx ends. It returns how many it resolved.
func (s *Server) closeFindings(ctx context.Context, policy string) (closed int64, err error) {
	closed, err = s.inChunks(func() (int, error) {
		return s.store.CloseFindings(ctx, policy, qrie.ResolvedPolicyDeleted, s.now(), s.chunk)
	})
	if err != nil {
		return closed, fmt.Errorf("resolve the findings of policy %s: %w", policy, err)
	}
	return closed, nil
}

// purgeFindings forgets the resolved findings of a policy that is not launched,
// until none is left or ctx ends. It returns how many it forgot.
func (s *Server) purgeFindings(ctx context.Context, policy string) (purged int64, err error) {
	purged, err = s.inChunks(func() (int, error) { return s.store.PurgeFindings(ctx, policy, s.chunk) })
	if err != nil {
		return purged, fmt.Errorf("forget the findings of policy %s: %w", policy, err)
	}
	return purged, nil
}

// inChunks repeats a step of at most chunk until one does less, and adds up what
// they did.
func (s *Server) inChunks(step func() (int, error)) (total int64, err error) {
	for {
		n, err := step()
		total += int64(n)
		if err != nil || n < s.chunk {
			return total, err
		}
	}
}
