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
	defer s.metrics.request("qrie_transitions", "changes")(&err)
	if err := s.giveSeqs(ctx); err != nil {
		return nil, 0, err
	}
	end, err := s.newestBatch(ctx)
	if err != nil {
		return nil, 0, err
	}
	newest, limit = end.newest(), min(limit, maxChanges)
	if after >= newest {
		return nil, newest, nil
	}
	begin, err := s.trimmedTo(ctx, "Log")
	if err != nil {
		return nil, 0, err
	}
	begin = max(begin, after/seqStep, 1)
	for n := begin; n <= end.n && len(changes) < limit; n = (n/logChunk + 1) * logChunk {
		if changes, err = s.changesOf(ctx, n, end.n, after, limit, changes); err != nil {
			return nil, 0, fmt.Errorf("read transitions after %d: %w", after, err)
		}
	}
	return changes, newest, nil
}

// changesOf adds what one partition of the log has from batch begin on.
func (s *Store) changesOf(ctx context.Context, begin, end, after int64, limit int, changes []qrie.Transition) ([]qrie.Transition, error) {
	st := stretch{table: transitionsTable, pk: logPart(begin), low: digits(begin), high: digits(end), limit: limit/maxLogBatch + 2}
	for len(changes) < limit {
		rows, last, done, err := s.read(ctx, st)
		if err != nil {
			return nil, err
		}
		for _, it := range rows {
			b, err := s.logBatch(it)
			if err != nil {
				return nil, err
			}
			found, err := s.transitionsAt(ctx, b.at)
			if err != nil {
				return nil, err
			}
			for i, p := range b.at {
				t, ok := found[p.ID]
				if !ok || b.seq(i) <= after || len(changes) == limit {
					continue
				}
				t.Seq, t.Evidence = b.seq(i), qrie.Evidence{}
				changes = append(changes, t)
			}
			if len(changes) == limit {
				return changes, nil
			}
		}
		if done {
			break
		}
		st.low = following(last)
	}
	return changes, nil
}
