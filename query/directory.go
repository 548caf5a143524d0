package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
)

// directoryAge is how old the names of accounts, and numbers broken down by
// account, may be in an answer: they cost one read of all accounts.
const directoryAge = 5 * time.Second

// directory puts names to the ids of one answer.
type directory struct {
	accounts map[string]qrie.Account
	launches map[string]qrie.Launch
	policies *policies.Set
	health   map[string][]store.Condition
}

func (s *Server) directory(ctx context.Context) (*directory, error) {
	accounts, err := s.accounts.get(ctx)
	if err != nil {
		return nil, err
	}
	launches, _, err := s.launches(ctx)
	if err != nil {
		return nil, err
	}
	health, err := s.health.get(ctx)
	if err != nil {
		return nil, err
	}
	return &directory{accounts: accounts, launches: launches, policies: s.policies, health: health}, nil
}

func (s *Server) readAccounts(ctx context.Context) (map[string]qrie.Account, error) {
	list, err := s.store.ListAccounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	byID := make(map[string]qrie.Account, len(list))
	for _, a := range list {
		byID[a.ID] = a
	}
	return byID, nil
}

// launches reads the launches, by policy, and the greatest generation.
func (s *Server) launches(ctx context.Context) (map[string]qrie.Launch, int64, error) {
	set, err := s.store.LaunchSet(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read the launches: %w", err)
	}
	byPolicy := make(map[string]qrie.Launch, len(set.Launches))
	for _, l := range set.Launches {
		byPolicy[l.Policy] = l
	}
	return byPolicy, set.Generation, nil
}

func (d *directory) accountName(id string) string { return d.accounts[id].Name }

// policyTitle is the id itself for a policy that this version does not know.
func (d *directory) policyTitle(id string) string {
	if p, ok := d.policies.Get(id); ok {
		return p.Title
	}
	return id
}

// What a policy can be to a finding or in a list.
const (
	statusActive    = string(qrie.LaunchActive)
	statusSuspended = string(qrie.LaunchSuspended)
	statusDeleted   = "deleted"   // it has findings and is no longer launched
	statusAvailable = "available" // it is not launched
)

func (d *directory) policyStatus(id string) string {
	if l, ok := d.launches[id]; ok {
		return string(l.Status)
	}
	return statusDeleted
}

// severity is the one that a policy gives to its findings from now on.
func (d *directory) severity(id string) (qrie.Severity, bool) {
	if l, ok := d.launches[id]; ok && l.Severity != nil {
		return *l.Severity, true
	}
	if p, ok := d.policies.Get(id); ok {
		return p.Severity, true
	}
	return 0, false
}

// service is that of the resources a policy judges, and so of its findings;
// empty if it is unknown.
func (d *directory) service(id string) string {
	if p, ok := d.policies.Get(id); ok {
		return qrie.ServiceOf(p.ResourceType)
	}
	return ""
}

// typeTitle is what people call a resource type.
func typeTitle(name string) string {
	if t, ok := resources.Find(name); ok {
		return t.Title
	}
	return name
}

func notFound(err error) bool { return errors.Is(err, qrie.ErrNotFound) }
