package local

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// LaunchSet reads the launches and the generation in one statement, so that
// they are of one moment.
func (s *Store) LaunchSet(ctx context.Context) (set qrie.LaunchSet, err error) {
	defer s.metrics.Request("qrie_policies", "list")(&err)
	rows, err := s.db.Query(ctx, `SELECT m.value, p.body FROM qrie_meta m LEFT JOIN qrie_policies p
		WHERE m.name = 'generation' ORDER BY p.policy`)
	bodies, err := collect(rows, err, func(r *sql.Rows) (body []byte, err error) {
		return body, r.Scan(&set.Generation, &body)
	})
	if err != nil {
		return set, fmt.Errorf("read launches: %w", err)
	}
	for _, body := range bodies {
		if body == nil {
			continue // no launch at all
		}
		var l qrie.Launch
		if err := decode("launch", body, &l); err != nil {
			return set, err
		}
		set.Launches = append(set.Launches, l)
	}
	return set, nil
}

// launch reads one launch within a transaction, nil if there is none.
func launch(tx *sqlite.Tx, policy string) (*qrie.Launch, error) {
	l := qrie.Launch{Policy: policy}
	err := tx.QueryRow("SELECT generation, status FROM qrie_policies WHERE policy = ?", policy).Scan(&l.Generation, &l.Status)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read launch of %s: %w", policy, err)
	}
	return &l, nil
}

// PutLaunch writes a launch under the next generation.
func (s *Store) PutLaunch(ctx context.Context, l qrie.Launch, base int64) (written qrie.Launch, err error) {
	defer s.metrics.Request("qrie_policies", "put")(&err)
	if err := store.ValidName("policy", l.Policy); err != nil {
		return l, err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		stored, err := launch(tx, l.Policy)
		if err != nil {
			return err
		}
		switch {
		case base == 0 && stored != nil:
			return fmt.Errorf("policy %s is launched: %w", l.Policy, qrie.ErrExists)
		case base != 0 && stored == nil:
			return fmt.Errorf("policy %s is not launched: %w", l.Policy, qrie.ErrNotFound)
		case base != 0 && stored.Generation != base:
			return launchConflict(l.Policy, base, stored.Generation)
		}
		if l.Generation, err = nextGeneration(tx); err != nil {
			return err
		}
		body, err := encode("launch of "+l.Policy, l)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO qrie_policies (policy, generation, status, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (policy) DO UPDATE SET generation = excluded.generation, status = excluded.status, body = excluded.body`,
			l.Policy, l.Generation, string(l.Status), body)
		return err
	})
	return l, err
}

// DeleteLaunch removes a launch under the next generation.
func (s *Store) DeleteLaunch(ctx context.Context, policy string, base int64) (generation int64, err error) {
	defer s.metrics.Request("qrie_policies", "delete")(&err)
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		stored, err := launch(tx, policy)
		switch {
		case err != nil:
			return err
		case stored == nil:
			return fmt.Errorf("policy %s is not launched: %w", policy, qrie.ErrNotFound)
		case stored.Generation != base:
			return launchConflict(policy, base, stored.Generation)
		}
		if generation, err = nextGeneration(tx); err != nil {
			return err
		}
		_, err = tx.Exec("DELETE FROM qrie_policies WHERE policy = ?", policy)
		return err
	})
	return generation, err
}

func launchConflict(policy string, base, stored int64) error {
	return fmt.Errorf("launch of %s was read at generation %d and is at %d: %w", policy, base, stored, qrie.ErrConflict)
}

// nextGeneration takes a generation. Those of launches deleted since are never
// given again.
func nextGeneration(tx *sqlite.Tx) (g int64, err error) {
	if _, err := tx.Exec("UPDATE qrie_meta SET value = value + 1 WHERE name = 'generation'"); err != nil {
		return 0, fmt.Errorf("take a launch generation: %w", err)
	}
	return generation(tx)
}

func generation(tx *sqlite.Tx) (g int64, err error) {
	if err := tx.QueryRow("SELECT value FROM qrie_meta WHERE name = 'generation'").Scan(&g); err != nil {
		return 0, fmt.Errorf("read the launch generation: %w", err)
	}
	return g, nil
}
