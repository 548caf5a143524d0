package dynamo

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/qrie-sec/qrie"
)

// name is a word that lists and recounts have to know: nobody may read a whole
// table to learn which types there are. Names are few and never removed.
type name struct{ sort, text string }

// The sorts of name.
const (
	accountName = "account"
	typeName    = "type"
	kindName    = "kind" // a policy and its resource type
)

const kindSeparator = "\x1f"

func kindOf(policy, resourceType string) name {
	return name{kindName, policy + kindSeparator + resourceType}
}

// kind is a policy and its resource type, read back.
type kind struct{ policy, resourceType string }

func (k kind) service() string { return qrie.ServiceOf(k.resourceType) }

// names remembers which names are written, so that each is written once a
// process.
type names struct {
	mu      sync.Mutex
	written map[name]bool
}

// know makes names readable before the rows are written that bear them.
func (s *Store) know(ctx context.Context, wanted ...name) error {
	for _, n := range wanted {
		s.names.mu.Lock()
		known := s.names.written[n]
		s.names.mu.Unlock()
		if known {
			continue
		}
		if err := s.put(ctx, metaTable, s.row(metaTable, "names#"+n.sort, n.text), "", nil); err != nil {
			return fmt.Errorf("keep the name %q: %w", n.text, err)
		}
		s.names.mu.Lock()
		if s.names.written == nil {
			s.names.written = map[name]bool{}
		}
		s.names.written[n] = true
		s.names.mu.Unlock()
	}
	return nil
}

// texts are the names of a sort, sorted.
func (s *Store) texts(ctx context.Context, sort string) (out []string, err error) {
	err = s.all(ctx, stretch{table: metaTable, pk: "names#" + sort}, func(it item) error {
		out = append(out, it.str("Item"))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the names of each %s: %w", sort, err)
	}
	return out, nil
}

// kinds are the policies that ever had a finding, with their types.
func (s *Store) kinds(ctx context.Context) ([]kind, error) {
	all, err := s.texts(ctx, kindName)
	out := make([]kind, 0, len(all))
	for _, text := range all {
		policy, resourceType, _ := strings.Cut(text, kindSeparator)
		out = append(out, kind{policy, resourceType})
	}
	return out, err
}
