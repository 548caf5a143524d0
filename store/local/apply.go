package local

import (
	"bytes"
	"context"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// change is an evaluation, encoded before its transaction begins: what the
// writer does alone is what bounds the throughput of all.
type change struct {
	store.Evaluation
	rid      []byte
	heads    []byte
	open     int
	detail   []byte // nil on a touch, which leaves it as stored
	cause    []byte
	document []byte          // compressed
	again    []byte          // a further look, encoded; nil for none
	unknown  []store.Counter // that were counted by name
	written  bool            // and not what was there already
}

// touch reports that nothing but the time of observation may have changed.
func (c *change) touch() bool { return !c.Changed && !c.Reread && len(c.Transitions) == 0 }

// Apply writes an evaluation in one transaction.
func (s *Store) Apply(ctx context.Context, e store.Evaluation) (err error) {
	defer s.metrics.Request("qrie_resources", "apply")(&err)
	c, err := s.prepare(ctx, e)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if c.touch() {
			if err := s.writeTouch(tx, c); c.written || err != nil {
				return err
			}
		}
		return s.write(tx, c)
	})
	s.states.applied(c, err)
	if err == nil && len(c.unknown) > 0 {
		s.rows.learn(ctx, s.db, c.unknown)
	}
	return err
}

func (s *Store) prepare(ctx context.Context, e store.Evaluation) (*change, error) {
	if err := e.Valid(); err != nil {
		return nil, err
	}
	c := &change{Evaluation: e.Normal()}
	next := &c.Next
	var ok bool
	if c.rid, ok = pack(resourcePrefix, next.Ref.ResourceID()); !ok {
		return nil, fmt.Errorf("BUG: the id of %s cannot be packed", next.Ref)
	}
	var err error
	if c.heads, err = encodeHeads(next.Heads); err != nil {
		return nil, err
	}
	c.open, _ = next.OpenFindings()
	if e.Again != nil {
		if c.again, err = encodeDirty(*e.Again); err != nil {
			return nil, err
		}
	}
	if c.touch() {
		return c, nil
	}
	known := []name{{typeName, next.Ref.Type}}
	if len(e.Transitions) > 0 {
		known = append(known, name{accountName, next.Ref.Account}, name{serviceName, next.Ref.Service()})
		for _, t := range e.Transitions {
			known = append(known, name{regionName, t.Ref.Region}, kindOf(t.Policy, t.Ref.Type))
		}
	}
	if err := s.names.know(ctx, s.db, known...); err != nil {
		return nil, err
	}
	if c.detail, err = encodePacked("detail", detail{ARN: next.Ref.ARN, Name: next.Name, Tags: next.Tags,
		Explained: next.Explained, Missing: next.Missing, Ties: next.Ties, Unfinished: next.Unfinished}); err != nil {
		return nil, err
	}
	if c.Explains || c.Changed {
		if c.cause, err = encodePacked("cause", next.Cause); err != nil {
			return nil, err
		}
	}
	if c.Changed && !next.Deleted {
		c.document = compress(next.Document)
	}
	return c, nil
}

// writeTouch is the commonest write by far: one statement that holds every
// condition. If one fails, the row is read to tell which.
func (s *Store) writeTouch(tx *sqlite.Tx, c *change) error {
	if c.again != nil {
		return s.writeTouchAgain(tx, c)
	}
	next := &c.Next
	observedAt := nanos(next.ObservedAt)
	n, err := affected(tx, `UPDATE qrie_resources
		SET version = version + 1, observed_at = ?, listed_at = max(listed_at, ?), generation = ?
		WHERE rid = ? AND version = ? AND observed_at < ? AND deleted = ? AND due_at = ? AND hash = ? AND heads = ?`,
		observedAt, nanos(next.ListedAt), next.Generation,
		c.rid, c.Base, observedAt, asInt(next.Deleted), nanos(next.DueAt), next.Hash, c.heads)
	if err != nil {
		return fmt.Errorf("touch %s: %w", next.Ref, err)
	}
	c.written = n == 1
	return nil
}

// stored is what a write must know of the row that it replaces.
type stored struct {
	store.Resource
	n, document, history int64
	open                 int
	heads                []byte
	again                again
}

// readStored reads the row; n is 0 if there is none. Heads that are encoded as
// the given ones are not decoded again.
func readStored(tx *sqlite.Tx, ref qrie.Ref, rid, encoded []byte, heads map[string]store.Head) (old stored, err error) {
	var observedAt, changedAt int64
	err = tx.QueryRow(`SELECT n, version, observed_at, changed_at, generation, deleted, document, history, open, region, hash, heads, again_at, again_n, look, looks
		FROM qrie_resources WHERE rid = ?`, rid).
		Scan(&old.n, &old.Version, &observedAt, &changedAt, &old.Generation, &old.Deleted, &old.document, &old.history, &old.open, &old.Ref.Region, &old.Hash, &old.heads, &old.again.at, &old.again.n, &old.again.look, &old.again.looks)
	if absent(err) {
		return stored{}, nil
	}
	if err != nil {
		return old, fmt.Errorf("read %s: %w", ref, err)
	}
	old.Ref.Account, old.Ref.Type = ref.Account, ref.Type // as identified by rid
	old.ObservedAt, old.ChangedAt = moment(observedAt), moment(changedAt)
	if old.Heads = heads; bytes.Equal(old.heads, encoded) {
		return old, nil
	}
	old.Heads = nil
	return old, decode("the heads of "+ref.String(), old.heads, &old.Heads)
}

// write is the whole of Apply, in the writer's goroutine.
func (s *Store) write(tx *sqlite.Tx, c *change) error {
	old, err := readStored(tx, c.Next.Ref, c.rid, c.heads, c.Next.Heads)
	if err != nil {
		return err
	}
	if repeat, err := store.Admit(old.Resource, c.Evaluation); repeat || err != nil {
		if repeat {
			err = s.planAgain(tx, old, c)
		}
		return err
	}
	if policy := c.Unexplained(old.Resource); policy != "" {
		return fmt.Errorf("evaluation of %s: the finding of policy %s opens or closes without a transition", c.Next.Ref, policy)
	}
	for _, t := range c.Transitions {
		l, err := launch(tx, t.Policy)
		if err != nil {
			return err
		}
		if err := store.Judged(t, l); err != nil {
			return err
		}
	}
	next := c.Next
	next.Version = c.Base + 1
	if c.Reread {
		next.ObservedAt = old.ObservedAt
	}
	var tally store.Tally
	if old.n == 0 || old.Deleted != next.Deleted || !bytes.Equal(old.heads, c.heads) {
		tally.Resource(old.Resource, next)
	}
	if err := writeResource(tx, c, next, old); err != nil {
		return fmt.Errorf("write %s: %w", next.Ref, err)
	}
	c.written = true
	for _, t := range c.Transitions {
		if err := s.writeTransition(tx, t, c.rid, &tally); err != nil {
			return fmt.Errorf("write %s: %w", next.Ref, err)
		}
	}
	deltas := tally.Deltas()
	if c.again != nil && old.again.at == 0 {
		deltas = append(deltas, oneAgain)
	}
	c.unknown, err = s.addUp(tx, deltas)
	return err
}

func writeResource(tx *sqlite.Tx, c *change, next store.Resource, old stored) error {
	changedAt := old.ChangedAt
	document, history := old.document, old.history
	if c.Explains {
		if _, err := tx.Exec("UPDATE qrie_versions SET cause = ?1 WHERE n = ?2 AND cause <> ?1", c.cause, document); err != nil {
			return err
		}
	}
	if c.Changed {
		changedAt = next.ChangedAt
		var err error
		if document, history, err = writeVersion(tx, c, next, old); err != nil {
			return err
		}
	}
	plan, err := old.again.with(tx, c)
	if err != nil {
		return err
	}
	if old.n == 0 {
		_, err := tx.Exec(`INSERT INTO qrie_resources (rid, version, observed_at, listed_at, generation, changed_at, first_seen, due_at,
			deleted, open, history, document, type, account, region, id, global, hash, heads, haystack, detail, again_at, again_n, look, looks)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			c.rid, next.Version, nanos(next.ObservedAt), nanos(next.ListedAt), next.Generation, nanos(changedAt),
			nanos(next.FirstSeen), nanos(next.DueAt), asInt(next.Deleted), c.open, history, document,
			next.Ref.Type, next.Ref.Account, next.Ref.Region, next.Ref.ID, asInt(next.Ref.Global), next.Hash, c.heads, haystack(next), c.detail,
			plan.at, plan.n, plan.look, plan.looks)
		return err
	}
	if c.detail == nil {
		// No document came with it, so nothing that a document tells has changed.
		_, err := tx.Exec(`UPDATE qrie_resources SET version = ?, observed_at = ?, listed_at = max(listed_at, ?), generation = ?, due_at = ?,
			hash = ?, heads = ?, again_at = ?, again_n = ?, look = ?, looks = ? WHERE n = ?`,
			next.Version, nanos(next.ObservedAt), nanos(next.ListedAt), next.Generation, nanos(next.DueAt), next.Hash, c.heads,
			plan.at, plan.n, plan.look, plan.looks, old.n)
		return err
	}
	_, err = tx.Exec(`UPDATE qrie_resources SET version = ?, observed_at = ?, listed_at = max(listed_at, ?), generation = ?, changed_at = ?,
		due_at = ?, deleted = ?, history = ?, document = ?, hash = ?, heads = ?, haystack = ?, detail = ?,
		again_at = ?, again_n = ?, look = ?, looks = ? WHERE n = ?`,
		next.Version, nanos(next.ObservedAt), nanos(next.ListedAt), next.Generation, nanos(changedAt),
		nanos(next.DueAt), asInt(next.Deleted), history, document, next.Hash, c.heads, haystack(next), c.detail,
		plan.at, plan.n, plan.look, plan.looks, old.n)
	if err != nil || old.open == c.open && old.Ref.Region == next.Ref.Region {
		return err
	}
	// Indexes are made of these two. Naming them above would rewrite the
	// indexes each time.
	_, err = tx.Exec("UPDATE qrie_resources SET region = ?, open = ? WHERE n = ?", next.Ref.Region, c.open, old.n)
	return err
}

func haystack(r store.Resource) string { return store.Haystack(r.Name, r.Ref.ID, r.Ref.ARN) }

// writeVersion adds to the history and says where the document is and how
// long the history has become.
func writeVersion(tx *sqlite.Tx, c *change, next store.Resource, old stored) (document, history int64, err error) {
	res, err := tx.Exec("INSERT INTO qrie_versions (before, rid, version, observed_at, deleted, cause, document) VALUES (?, ?, ?, ?, ?, ?, ?)",
		old.document, c.rid, next.Version, nanos(c.VersionAt()), asInt(next.Deleted), c.cause, c.document)
	if err != nil {
		return 0, 0, err
	}
	if document, err = res.LastInsertId(); err != nil {
		return 0, 0, err
	}
	if next.Deleted {
		if err := expire(tx, c.VersionAt().Add(store.KeepTombstones), resourceExpiry, c.rid, next.Version); err != nil {
			return 0, 0, err
		}
	}
	history = old.history + 1
	if history < store.MaxVersions+versionSlack {
		return document, history, nil
	}
	_, err = tx.Exec("DELETE FROM qrie_versions WHERE n IN ("+chainQuery+" SELECT n FROM chain WHERE depth > ?)", document, store.MaxVersions)
	return document, store.MaxVersions, err
}

// versionSlack lets one statement in so many trim the history.
const versionSlack = 20
