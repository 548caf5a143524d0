package processor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// Kinds of job.
const (
	jobInventory = "inventory" // lists resources and reads them
	jobPolicy    = "policy"    // judges stored documents anew
)

// Scopes of jobs that cover everything.
const (
	allAccounts = "all accounts"
	allPolicies = "all policies"
)

// Starter starts jobs. A job is one record in the stream, from which a worker
// lays out its page tasks: so it is started wholly or not at all, by any
// process that can publish. All fields are required. It is safe for concurrent
// use.
type Starter struct {
	Stream   stream.Stream
	Store    store.Store
	Policies *policies.Set
	NewID    func() string // ids of jobs
	Now      func() time.Time
}

// Extent is which part of the organisation a job covers. Nothing named is
// everything.
type Extent struct {
	Accounts []string // ids
	Services []string // such as "s3"
}

// String names the extent for people.
func (e Extent) String() string {
	scope := allAccounts
	switch len(e.Accounts) {
	case 0:
	case 1:
		scope = e.Accounts[0]
	default:
		scope = fmt.Sprintf("%d accounts", len(e.Accounts))
	}
	if len(e.Services) > 0 {
		scope += ": " + strings.Join(e.Services, ", ")
	}
	return scope
}

// Inventory starts a scan that lists every type of resource in an extent and
// reads what it finds. An account or a service that is not known is
// qrie.ErrNotFound.
func (s Starter) Inventory(ctx context.Context, reason string, e Extent) (store.Job, error) {
	if err := s.known(ctx, e.Accounts); err != nil {
		return store.Job{}, err
	}
	types, err := typesOf(e.Services)
	if err != nil {
		return store.Job{}, err
	}
	return s.start(ctx, planTask{Job: s.job(jobInventory, e.String(), reason), Accounts: sorted(e.Accounts), Types: types})
}

// Rejudge judges every stored resource of a policy's type anew, without
// calling AWS: after a launch or a change of it, or because time passed. An
// empty policy means all types, no account all that are watched.
func (s Starter) Rejudge(ctx context.Context, policy, reason string, accounts ...string) (store.Job, error) {
	if err := s.known(ctx, accounts); err != nil {
		return store.Job{}, err
	}
	types, err := typesOf(nil)
	if err != nil {
		return store.Job{}, err
	}
	scope, note := allPolicies, "time passed"
	if policy != "" {
		p, ok := s.Policies.Get(policy)
		if !ok {
			return store.Job{}, fmt.Errorf("policy %s: %w", policy, qrie.ErrNotFound)
		}
		scope, types, note = p.ID, []string{p.ResourceType}, "policy "+reason
	}
	if len(accounts) > 0 {
		scope += " in " + Extent{Accounts: accounts}.String()
	}
	return s.start(ctx, planTask{Job: s.job(jobPolicy, scope, reason), Accounts: sorted(accounts), Types: types, Note: note})
}

func (s Starter) known(ctx context.Context, accounts []string) error {
	for _, id := range accounts {
		if _, err := s.Store.Account(ctx, id); err != nil {
			return fmt.Errorf("find what to scan: %w", err)
		}
	}
	return nil
}

// typesOf names the types of services, of all if none is named.
func typesOf(services []string) (names []string, err error) {
	left, known := sorted(services), []string{}
	for _, t := range resources.All() {
		known = append(known, t.Service())
		if len(services) == 0 || slices.Contains(services, t.Service()) {
			names = append(names, t.Name)
		}
		left = slices.DeleteFunc(left, func(s string) bool { return s == t.Service() })
	}
	if len(left) > 0 {
		return nil, fmt.Errorf("service %s: %w; there are %s", left[0], qrie.ErrNotFound, strings.Join(sorted(known), ", "))
	}
	return names, nil
}

func sorted(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

// job is one whose only page so far is that which lays it out.
func (s Starter) job(kind, scope, reason string) store.Job {
	return store.Job{ID: s.NewID(), Kind: kind, Scope: scope, Reason: reason, Started: s.Now()}.Begin(planTask{}.id())
}

func (s Starter) start(ctx context.Context, t planTask) (store.Job, error) {
	r, err := encode(kindPlan, planKey, []planTask{t})
	if err != nil {
		return store.Job{}, err
	}
	if err := s.Stream.Publish(ctx, []stream.Record{r}); err != nil {
		return store.Job{}, fmt.Errorf("start %s job: %w", t.Job.Kind, err)
	}
	// For those who ask for it at once. Who lays it out writes it, too, so a
	// failure here is none of the job's.
	_ = s.Store.PutJob(ctx, t.Job)
	return t.Job, nil
}
