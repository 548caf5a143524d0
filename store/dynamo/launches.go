package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// launchSetItem holds the greatest generation ever given and, of each launch,
// its generation. Whoever has read it knows exactly which launches belong to
// that moment.
const launchSetItem = "#set"

// gates is how many rows tell the generation of a policy's launch to the
// transactions that are to hold it. Each checks one of them, by its resource,
// so that transactions of one policy seldom meet.
const gates = 8

// gate is what the generation of a policy's launch must be for a write.
type gate struct {
	condition string
	values    item
}

// gateOf asks for the launch as it was read; nil is "not launched".
func gateOf(launch *qrie.Launch) gate {
	if launch == nil {
		return gate{condition: "attribute_not_exists(#Generation)"}
	}
	return gate{"#Generation = :gate AND #Status = :active", item{":gate": number(launch.Generation), ":active": text(string(qrie.LaunchActive))}}
}

// reserved begins the keys in this table that are no policies.
const reserved = "#"

func gateKey(policy string, n int) string { return fmt.Sprintf("%sgate%d#%s", reserved, n, policy) }

// launchSet reads the set; never nil.
func (s *Store) launchSet(ctx context.Context) (generation int64, of map[string]int64, err error) {
	it, err := s.get(ctx, policiesTable, launchSetItem, "")
	if err != nil {
		return 0, nil, fmt.Errorf("read the launches' generations: %w", err)
	}
	of = map[string]int64{}
	if m, ok := it["Launches"].(*types.AttributeValueMemberM); ok {
		for policy := range m.Value {
			of[policy] = item(m.Value).num(policy)
		}
	}
	return it.num("Generation"), of, nil
}

// LaunchSet reads the launches and the generation of one moment: those that
// the set names, each at the generation that the set names.
func (s *Store) LaunchSet(ctx context.Context) (set qrie.LaunchSet, err error) {
	defer s.metrics.Request("qrie_policies", "list")(&err)
	for n := 1; ; n++ {
		set = qrie.LaunchSet{}
		var of map[string]int64
		if set.Generation, of, err = s.launchSet(ctx); err != nil {
			return set, err
		}
		keys := make([]key, 0, len(of))
		for policy := range of {
			keys = append(keys, key{pk: policy})
		}
		rows, err := s.many(ctx, policiesTable, keys, "")
		if err != nil {
			return set, fmt.Errorf("read launches: %w", err)
		}
		whole := true
		for policy, generation := range of {
			l, err := s.launchOf(rows[key{pk: policy}])
			if err != nil {
				return set, err
			}
			whole = whole && l != nil && l.Generation == generation
			if l != nil {
				set.Launches = append(set.Launches, *l)
			}
		}
		if whole {
			slices.SortFunc(set.Launches, func(a, b qrie.Launch) int { return cmp.Compare(a.Policy, b.Policy) })
			return set, nil
		}
		if n >= s.attempts {
			return set, fmt.Errorf("read launches: they changed %d times meanwhile: %w", n, qrie.ErrConflict)
		}
		if err := s.pause(ctx, n); err != nil {
			return set, err
		}
	}
}

func (s *Store) launchOf(it item) (*qrie.Launch, error) {
	if it == nil {
		return nil, nil
	}
	l := new(qrie.Launch)
	return l, s.pack.decode("launch of "+it.str("PolicyId"), it.bytes("Body"), l)
}

// launches reads launches for a write to be judged by; nil is "not launched".
func (s *Store) launches(ctx context.Context, policies []string) (map[string]*qrie.Launch, error) {
	keys := make([]key, len(policies))
	for i, p := range policies {
		keys[i] = key{pk: p}
	}
	rows, err := s.many(ctx, policiesTable, keys, "")
	if err != nil {
		return nil, fmt.Errorf("read launches: %w", err)
	}
	out := make(map[string]*qrie.Launch, len(rows))
	for k, it := range rows {
		if out[k.pk], err = s.launchOf(it); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// PutLaunch writes a launch under the next generation.
func (s *Store) PutLaunch(ctx context.Context, l qrie.Launch, base int64) (written qrie.Launch, err error) {
	defer s.metrics.Request("qrie_policies", "put")(&err)
	if err := store.ValidName("policy", l.Policy); err != nil {
		return l, err
	}
	if strings.HasPrefix(l.Policy, reserved) {
		return l, fmt.Errorf("policy %s: its id begins with %s", l.Policy, reserved)
	}
	_, err = s.relaunch(ctx, l.Policy, func(stored, next int64) (*qrie.Launch, error) {
		switch {
		case base == 0 && stored != 0:
			return nil, fmt.Errorf("policy %s is launched: %w", l.Policy, qrie.ErrExists)
		case base != 0 && stored == 0:
			return nil, fmt.Errorf("policy %s is not launched: %w", l.Policy, qrie.ErrNotFound)
		case base != stored:
			return nil, launchConflict(l.Policy, base, stored)
		}
		l.Generation = next
		return &l, nil
	})
	return l, err
}

// DeleteLaunch removes a launch under the next generation.
func (s *Store) DeleteLaunch(ctx context.Context, policy string, base int64) (generation int64, err error) {
	defer s.metrics.Request("qrie_policies", "delete")(&err)
	return s.relaunch(ctx, policy, func(stored, _ int64) (*qrie.Launch, error) {
		switch {
		case stored == 0:
			return nil, fmt.Errorf("policy %s is not launched: %w", policy, qrie.ErrNotFound)
		case stored != base:
			return nil, launchConflict(policy, base, stored)
		}
		return nil, nil
	})
}

func launchConflict(policy string, base, stored int64) error {
	return fmt.Errorf("launch of %s was read at generation %d and is at %d: %w", policy, base, stored, qrie.ErrConflict)
}

// relaunch writes what decide makes of the stored generation (0: none) and the
// next: a launch, or nil to remove it. The gates change with it: from then on
// no verdict of another generation is written. Generations of launches deleted
// since are never given again.
func (s *Store) relaunch(ctx context.Context, policy string, decide func(stored, next int64) (*qrie.Launch, error)) (generation int64, err error) {
	for n := 1; ; n++ {
		current, of, err := s.launchSet(ctx)
		if err != nil {
			return 0, err
		}
		generation = current + 1
		l, err := decide(of[policy], generation)
		if err != nil {
			return 0, err
		}
		tx := &transaction{c: s.client}
		set := s.row(policiesTable, launchSetItem, "")
		byPolicy := item{}
		for p, g := range of {
			byPolicy[p] = number(g)
		}
		delete(byPolicy, policy)
		if l != nil {
			byPolicy[policy] = number(generation)
			row := s.row(policiesTable, policy, "")
			row["Generation"] = number(generation)
			if row["Body"], err = s.pack.encode("launch of "+policy, *l); err != nil {
				return 0, err
			}
			tx.put(policiesTable, row, "", nil)
		} else {
			tx.remove(policiesTable, policy, "", "", nil)
		}
		set["Generation"], set["Launches"] = number(generation), &types.AttributeValueMemberM{Value: byPolicy}
		tx.put(policiesTable, set, "attribute_not_exists(#Generation) OR #Generation = :g", item{":g": number(current)})
		for b := range gates {
			if l == nil {
				tx.remove(policiesTable, gateKey(policy, b), "", "", nil)
				continue
			}
			row := s.row(policiesTable, gateKey(policy, b), "")
			row["Generation"], row["Status"] = number(generation), text(string(l.Status))
			tx.put(policiesTable, row, "", nil)
		}
		err = tx.commit(ctx)
		if err == nil {
			return generation, nil
		}
		if !errors.Is(err, errCondition) || n >= s.attempts {
			return 0, fmt.Errorf("write the launch of %s: %w", policy, err)
		}
		if err := s.pause(ctx, n); err != nil {
			return 0, err
		}
	}
}
