package query

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Transition is one opening, change or resolving of a finding.
type Transition struct {
	ID            string              `json:"id"`
	Seq           int64               `json:"seq" doc:"Order of storing; the id of the event in the live stream"`
	Kind          qrie.TransitionKind `json:"kind" enum:"opened,reopened,changed,resolved,explained" doc:"explained: an event that came late told the cause of what was there"`
	Finding       string              `json:"finding"`
	ARN           string              `json:"arn"`
	ResourceID    string              `json:"resource_id"`
	ResourceName  string              `json:"resource_name"`
	ResourceType  string              `json:"resource_type"`
	Policy        string              `json:"policy"`
	PolicyTitle   string              `json:"policy_title"`
	AccountID     string              `json:"account_id"`
	AccountName   string              `json:"account_name"`
	Service       string              `json:"service"`
	Region        string              `json:"region"`
	Severity      qrie.Severity       `json:"severity"`
	SeverityLabel qrie.Band           `json:"severity_label" enum:"critical,high,medium,low,informational"`
	Resolution    qrie.Resolution     `json:"resolution,omitempty" enum:"fixed,resource_deleted,policy_deleted,out_of_scope,account_removed"`
	Summary       string              `json:"summary"`
	Cause         qrie.Cause          `json:"cause"`
	At            time.Time           `json:"at" doc:"When qrie decided"`
	DetectedInMS  *int64              `json:"detected_in_ms,omitempty" doc:"From the arrival of the newest event of the cause to the decision"`
}

func (d *directory) transition(t qrie.Transition) Transition {
	return Transition{
		ID: t.ID, Seq: t.Seq, Kind: t.Kind, Finding: t.Finding,
		ARN: t.Ref.ARN, ResourceID: t.Ref.ResourceID(), ResourceName: t.Name, ResourceType: t.Ref.Type,
		Policy: t.Policy, PolicyTitle: d.policyTitle(t.Policy),
		AccountID: t.Ref.Account, AccountName: d.accountName(t.Ref.Account), Service: t.Ref.Service(), Region: t.Ref.Region,
		Severity: t.Severity, SeverityLabel: t.Severity.Band(), Resolution: t.Resolution,
		Summary: t.Summary, Cause: causeOf(t.Cause), At: t.At.UTC(), DetectedInMS: detectedIn(t),
	}
}

func (d *directory) transitions(list []qrie.Transition) []Transition {
	result := make([]Transition, 0, len(list))
	for _, t := range list {
		result = append(result, d.transition(t))
	}
	return result
}

// detectedIn is unknown without an event, and where clocks say that the
// decision came before the event.
func detectedIn(t qrie.Transition) *int64 {
	if t.Kind == qrie.Explained || len(t.Cause.Events) == 0 || t.Cause.Events[0].Arrived.IsZero() {
		return nil
	}
	took := t.At.Sub(t.Cause.Events[0].Arrived).Milliseconds()
	if took < 0 {
		return nil
	}
	return &took
}

type timelineIn struct {
	Paging
	ID string `path:"id" maxLength:"200"`
}

// TransitionList is one page of a timeline.
type TransitionList struct {
	Transitions []Transition `json:"transitions"`
	NextToken   string       `json:"next_token,omitempty"`
}

func (s *Server) findingTimeline(ctx context.Context, in *timelineIn) (*body[TransitionList], error) {
	if _, err := s.store.Finding(ctx, in.ID); err != nil {
		return nil, missing(err, "finding", in.ID)
	}
	return s.timeline(ctx, in.ID, "", in.Paging)
}

func (s *Server) resourceTimeline(ctx context.Context, in *timelineIn) (*body[TransitionList], error) {
	if _, err := s.store.Resource(ctx, in.ID); err != nil {
		return nil, missing(err, "resource", in.ID)
	}
	return s.timeline(ctx, "", in.ID, in.Paging)
}

func (s *Server) timeline(ctx context.Context, finding, resource string, p Paging) (*body[TransitionList], error) {
	page, err := s.store.ListTransitions(ctx, finding, resource, p.request())
	if err != nil {
		return nil, fmt.Errorf("read the timeline of %s%s: %w", finding, resource, err)
	}
	d, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	return &body[TransitionList]{Body: TransitionList{Transitions: d.transitions(page.Items), NextToken: page.Next}}, nil
}

type changesIn struct {
	After int64 `query:"after" minimum:"-1" default:"-1" doc:"Sequence number to go on from; left out (or -1): the latest"`
	Limit int   `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

// ChangeList is a stretch of the sequence of transitions.
type ChangeList struct {
	Transitions []Transition `json:"transitions" doc:"By sequence number, ascending"`
	Newest      int64        `json:"newest" doc:"The greatest sequence number that was given"`
}

func (s *Server) listChanges(ctx context.Context, in *changesIn) (*body[ChangeList], error) {
	after := in.After
	if after < 0 {
		newest, err := newestChange(ctx, s.store)
		if err != nil {
			return nil, err
		}
		after = max(0, newest-int64(in.Limit))
	}
	changes, newest, err := s.store.Changes(ctx, after, in.Limit)
	if err != nil {
		return nil, fmt.Errorf("read the changes after %d: %w", after, err)
	}
	d, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	return &body[ChangeList]{Body: ChangeList{Transitions: d.transitions(changes), Newest: newest}}, nil
}

// beyond is above every sequence number, so that asking for what comes after
// tells the newest alone.
const beyond = int64(1) << 62

func newestChange(ctx context.Context, findings store.Findings) (int64, error) {
	_, newest, err := findings.Changes(ctx, beyond, 1)
	if err != nil {
		return 0, fmt.Errorf("read the newest change: %w", err)
	}
	return newest, nil
}

// encodeChange makes the data of one event of the live stream.
func (s *Server) encodeChange(ctx context.Context, list []qrie.Transition) ([][]byte, error) {
	d, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	encoded := make([][]byte, 0, len(list))
	for _, t := range list {
		data, err := json.Marshal(d.transition(t))
		if err != nil {
			return nil, fmt.Errorf("encode transition %s: %w", t.ID, err)
		}
		encoded = append(encoded, data)
	}
	return encoded, nil
}
