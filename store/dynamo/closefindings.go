package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// closers bounds how many findings are closed at once.
const closers = 4

// CloseFindings resolves active findings of a policy that is not launched, each
// with its resource in one transaction.
func (s *Store) CloseFindings(ctx context.Context, policy string, why qrie.Resolution, at time.Time, limit int) (closed int, err error) {
	defer s.metrics.Request("qrie_findings", "close")(&err)
	kinds, err := s.kinds(ctx)
	if err != nil {
		return 0, fmt.Errorf("close findings of %s: %w", policy, err)
	}
	generation, of, err := s.launchSet(ctx)
	if err != nil {
		return 0, fmt.Errorf("close findings of %s: %w", policy, err)
	}
	if of[policy] != 0 {
		return 0, fmt.Errorf("close findings of %s: it is launched: %w", policy, qrie.ErrConflict)
	}
	c := closing{s: s, policy: policy, why: why, at: at, generation: generation}
	for _, k := range kinds {
		if k.policy != policy {
			continue
		}
		m := merge{c: s.client, bound: limit + listBuckets*maxFetch}
		for b := range listBuckets {
			m.sources = append(m.sources, &source{fetch: 50, stretch: stretch{table: findingsTable, index: &findingsByPolicy, pk: policyShelf(qrie.Active, k, b)}})
		}
		for closed < limit {
			n, end, err := c.some(ctx, &m, limit-closed)
			closed += n
			if err != nil {
				return closed, fmt.Errorf("close findings of %s: %w", policy, err)
			}
			if end {
				break
			}
		}
	}
	return closed, nil
}

type closing struct {
	s          *Store
	policy     string
	why        qrie.Resolution
	at         time.Time
	generation int64
}

// some closes the next few. end says that there are no more.
func (c closing) some(ctx context.Context, m *merge, limit int) (closed int, end bool, err error) {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(closers)
	done := make([]bool, min(limit, 100))
	for i := range done {
		r, ok, err := m.next(ctx)
		if err != nil {
			return 0, false, errors.Join(err, group.Wait())
		}
		if !ok {
			end = true
			break
		}
		group.Go(func() (err error) {
			done[i], err = c.one(inner, r.item.str("FindingId"))
			return err
		})
	}
	err = group.Wait()
	for _, ok := range done {
		if ok {
			closed++
		}
	}
	return closed, end, err
}

// one resolves a finding and takes its head off the resource, whose version
// grows: an evaluation in flight must be decided again. False if the finding
// is active no more, which an index that lags may not know.
func (c closing) one(ctx context.Context, id string) (bool, error) {
	s := c.s
	for n := 1; ; n++ {
		it, err := s.get(ctx, findingsTable, id, "")
		if err != nil {
			return false, err
		}
		f, revision, err := s.finding(it)
		if err != nil || revision == 0 || f.State != qrie.Active {
			return n > 1 && err == nil && f.Resolution == c.why && f.ResolvedAt.Equal(c.at), err
		}
		old, err := s.state(ctx, f.Ref.ResourceID())
		if err != nil {
			return false, err
		}
		launches, err := s.launches(ctx, []string{c.policy})
		if err != nil {
			return false, err
		}
		if launches[c.policy] != nil {
			return false, fmt.Errorf("it is launched: %w", qrie.ErrConflict)
		}
		next := old
		var t qrie.Transition
		next.Resource, t = store.Forget(old.Resource, f, c.why, c.generation, c.at)
		x := newEffects(s, f.Ref)
		x.gates[c.policy] = gateOf(nil)
		was := &old
		if old.Version == 0 {
			was = nil
		} else {
			x.tally.Resource(old.Resource, next.Resource)
		}
		if err := x.transition(ctx, t, f, revision); err != nil {
			return false, err
		}
		err = x.write(ctx, was, next)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, errCondition) || n >= s.attempts {
			return false, fmt.Errorf("close finding %s: %w", id, err)
		}
		if err := s.pause(ctx, n); err != nil {
			return false, err
		}
	}
}
