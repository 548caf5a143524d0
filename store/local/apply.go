package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
	haystack string // belongs to the detail
	cause    []byte
	document []byte          // compressed
	again    []byte          // a further look, encoded; nil for none, and where the cause tells its events
	known    *stateRow       // the row as it is remembered; nil: it must be read
	row      *stateRow       // the row as it was written; nil: nothing was
	unknown  []store.Counter // that were counted by name
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
	write := func(tx *sqlite.Tx) error { return s.write(tx, c) }
	if c.known = s.states.get(c.rid); c.known != nil && c.known.version != c.Base {
		c.known = nil
	}
	err = s.db.Write(ctx, write)
	if errors.Is(err, errOutdated) {
		c.known = nil
		err = s.db.Write(ctx, write)
	}
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
	if e.Again != nil && !told(e) {
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
	c.haystack = haystack(*next)
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

// errOutdated means that a row is not as it was remembered: another process has
// written it. What was done by it is undone.
var errOutdated = errors.New("the row is another by now")

// write is the whole of Apply, in the writer's goroutine. Mostly it reads nothing:
// the row was remembered when it was read or written last.
func (s *Store) write(tx *sqlite.Tx, c *change) (err error) {
	c.row = nil
	old := c.known
	if old == nil {
		if old, err = readRow(tx, c.Next.Ref, c.rid); err != nil {
			return err
		}
	}
	stored, err := old.verdicts(c.heads, c.Next.Heads)
	if err != nil {
		return err
	}
	repeat, err := store.Admit(stored, c.Evaluation)
	if err != nil || repeat && c.Again == nil {
		return err
	}
	if repeat && c.again == nil { // whoever wrote the version may know of other events
		if c.again, err = encodeDirty(*c.Again); err != nil {
			return err
		}
	}
	var tally store.Tally
	row := *old
	if !repeat {
		row.follow(c)
		if err := s.writeChange(tx, c, old, &row, stored, &tally); err != nil {
			return err
		}
	}
	row.again, err = old.again.with(tx, c, row.document)
	if absent(err) && c.known != nil {
		return errOutdated // its marks are gone
	}
	if err != nil {
		return fmt.Errorf("plan another look at %s: %w", c.Next.Ref, err)
	}
	if err := writeRow(tx, c, old, &row); err != nil {
		return fmt.Errorf("write %s: %w", c.Next.Ref, err)
	}
	c.row = &row
	deltas := tally.Deltas()
	if c.Again != nil && old.again.at == 0 {
		deltas = append(deltas, oneAgain)
	}
	c.unknown, err = s.addUp(tx, deltas)
	return err
}

// writeChange writes what a change brings besides the row, and notes in that where the
// newest document is.
func (s *Store) writeChange(tx *sqlite.Tx, c *change, old, row *stateRow, stored store.Resource, tally *store.Tally) error {
	if policy := c.Unexplained(stored); policy != "" {
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
	if old.n == 0 || old.deleted != row.deleted || !bytes.Equal(old.heads, row.heads) {
		next := c.Next
		next.Version = row.version
		tally.Resource(stored, next)
	}
	if c.Explains {
		if _, err := tx.Exec("UPDATE qrie_versions SET cause = ?1 WHERE n = ?2 AND cause <> ?1", c.cause, old.document); err != nil {
			return fmt.Errorf("explain %s: %w", c.Next.Ref, err)
		}
	}
	if c.Changed {
		if err := writeVersion(tx, c, row); err != nil {
			return fmt.Errorf("write a version of %s: %w", c.Next.Ref, err)
		}
	}
	for _, t := range c.Transitions {
		if err := s.writeTransition(tx, t, c.rid, tally); err != nil {
			return fmt.Errorf("write a transition of %s: %w", c.Next.Ref, err)
		}
	}
	return nil
}

// writeRow writes what of a row has changed, if it is stored as old says. A new row is
// given its number.
func writeRow(tx *sqlite.Tx, c *change, old, row *stateRow) error {
	if old.n == 0 {
		res, err := tx.Exec(`INSERT INTO qrie_resources (rid, version, observed_at, listed_at, generation, changed_at, first_seen, due_at,
			deleted, open, history, document, type, account, region, id, global, hash, heads, haystack, detail,
			again_at, again_n, look, looks, again_from, again_settles, again_since)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			c.rid, row.version, row.observedAt, row.listedAt, row.generation, row.changedAt, row.firstSeen, row.dueAt,
			asInt(row.deleted), row.open, row.history, row.document, row.kind, row.account, row.region, row.id, asInt(row.global),
			row.hash, row.heads, c.haystack, row.detail, row.again.at, row.again.n, row.again.look, row.again.looks,
			row.again.from, row.again.settles, row.again.since)
		if err == nil {
			row.n, err = res.LastInsertId()
		}
		return err
	}
	set, args := "version = ?, observed_at = ?, listed_at = ?, generation = ?", []any{row.version, row.observedAt, row.listedAt, row.generation}
	// What is named is written to all its indexes, even if it is the same.
	change := func(differs bool, columns string, values ...any) {
		if differs {
			set, args = set+", "+columns, append(args, values...)
		}
	}
	change(row.again != old.again, "again_n = ?, look = ?, looks = ?, again_from = ?, again_settles = ?, again_since = ?",
		row.again.n, row.again.look, row.again.looks, row.again.from, row.again.settles, row.again.since)
	change(row.again.at != old.again.at, "again_at = ?", row.again.at)
	change(row.dueAt != old.dueAt, "due_at = ?", row.dueAt)
	change(row.hash != old.hash || !bytes.Equal(row.heads, old.heads), "hash = ?, heads = ?", row.hash, row.heads)
	change(row.version != old.version && c.detail != nil, "changed_at = ?, deleted = ?, history = ?, document = ?, haystack = ?, detail = ?",
		row.changedAt, asInt(row.deleted), row.history, row.document, c.haystack, row.detail)
	change(row.open != old.open || row.region != old.region, "region = ?, open = ?", row.region, row.open)
	args = append(args, old.n, c.rid, old.version, old.again.n)
	n, err := affected(tx, "UPDATE qrie_resources SET "+set+" WHERE n = ? AND rid = ? AND version = ? AND again_n = ?", args...)
	if err == nil && n == 0 {
		err = errOutdated
	}
	return err
}

func haystack(r store.Resource) string { return store.Haystack(r.Name, r.Ref.ID, r.Ref.ARN) }

// writeVersion adds to the history, and to the row where the document is and how
// long the history has become.
func writeVersion(tx *sqlite.Tx, c *change, row *stateRow) error {
	res, err := tx.Exec("INSERT INTO qrie_versions (before, rid, version, observed_at, deleted, cause, document) VALUES (?, ?, ?, ?, ?, ?, ?)",
		row.document, c.rid, row.version, nanos(c.VersionAt()), asInt(row.deleted), c.cause, c.document)
	if err != nil {
		return err
	}
	if row.document, err = res.LastInsertId(); err != nil {
		return err
	}
	if row.deleted {
		if err := expire(tx, c.VersionAt().Add(store.KeepTombstones), resourceExpiry, c.rid, row.version); err != nil {
			return err
		}
	}
	if row.history++; row.history < store.MaxVersions+versionSlack {
		return nil
	}
	row.history = store.MaxVersions
	_, err = tx.Exec("DELETE FROM qrie_versions WHERE n IN ("+chainQuery+" SELECT n FROM chain WHERE depth > ?)", row.document, store.MaxVersions)
	return err
}

// versionSlack lets one statement in so many trim the history.
const versionSlack = 20
