package query

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
)

// orphanInterval is how often findings without a launch are looked for. They
// exist only after a deletion was cut short.
const orphanInterval = 5 * time.Minute

// closeOrphans resolves, until ctx ends, active findings whose policy is not
// launched. So a deletion that a crash or a deadline cut short completes.
func (s *Server) closeOrphans(ctx context.Context) {
	ticker := time.NewTicker(orphanInterval)
	defer ticker.Stop()
	for {
		if err := s.closeOrphansOnce(ctx); err != nil && ctx.Err() == nil {
			s.options.Log.Error("findings of deleted policies stay open for now", "error", err)
		}
		s.purgeOrphans(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.orphans:
		}
	}
}

func (s *Server) wakeOrphans() {
	select {
	case s.orphans <- struct{}{}:
	default: // it is awake already
	}
}

func (s *Server) closeOrphansOnce(ctx context.Context) error {
	// The counts come first: a policy launched in between is then seen as
	// launched, and the store refuses to close what is.
	counts, err := s.store.CountFindings(ctx, "")
	if err != nil {
		return fmt.Errorf("count findings: %w", err)
	}
	launches, _, err := s.launches(ctx)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for _, c := range counts {
		_, launched := launches[c.Policy]
		if launched || c.State != qrie.Active || c.Count == 0 || done[c.Policy] {
			continue
		}
		done[c.Policy] = true
		closed, err := s.closeFindings(ctx, c.Policy)
		if errors.Is(err, qrie.ErrConflict) {
			continue // launched again meanwhile
		}
		if err != nil {
			return err
		}
		s.options.Log.Info("resolved the findings of a deleted policy", "policy", c.Policy, "findings", closed)
	}
	return nil
}

// purgeLater remembers to forget the findings of a policy, which a deadline cut
// short. A process that ends forgets that it was to: 'qrie policy purge' asks
// again.
func (s *Server) purgeLater(policy string) {
	s.purgeMu.Lock()
	defer s.purgeMu.Unlock()
	s.toPurge[policy] = true
}

func (s *Server) purgeOrphans(ctx context.Context) {
	s.purgeMu.Lock()
	list := slices.Sorted(maps.Keys(s.toPurge))
	s.purgeMu.Unlock()
	for _, policy := range list {
		_, err := s.purgeFindings(ctx, policy)
		if err != nil && !errors.Is(err, qrie.ErrConflict) { // launched again: nothing is to be forgotten
			s.options.Log.Warn("the findings of a deleted policy are forgotten later", "policy", policy, "error", err)
			continue
		}
		s.purgeMu.Lock()
		delete(s.toPurge, policy)
		s.purgeMu.Unlock()
	}
}
