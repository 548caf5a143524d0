package dynamo

import (
	"context"
	"fmt"

	"github.com/qrie-sec/qrie"
)

// maxChanges bounds what one call reads.
const maxChanges = 1000

// Changes reads the transitions after a seq.
func (s *Store) Changes(ctx context.Context, after int64, limit int) (changes []qrie.Transition, newest int64, err error) {
	defer s.metrics.Request("qrie_transitions", "changes")(&err)
	end, err := s.catchUp(ctx)
	if err != nil {
		return nil, 0, err
	}
	newest, limit = end.last, min(limit, maxChanges)
	if after >= newest || limit <= 0 {
		return nil, newest, nil
	}
	begin, err := s.trimmedTo(ctx, "Log")
	if err != nil {
		return nil, 0, err
	}
	err = s.eachBatch(ctx, max(begin, after/seqStep), end.n, min(limit+1, logPage), func(b logBatch) (bool, error) {
		if len(b.at) == 0 {
			return true, nil
		}
		all, err := s.transitionsOf(ctx, b)
		for _, t := range all {
			if t.Seq > after && len(changes) < limit {
				t.Evidence = qrie.Evidence{}
				changes = append(changes, t)
			}
		}
		return len(changes) < limit, err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read transitions after %d: %w", after, err)
	}
	return changes, newest, nil
}
