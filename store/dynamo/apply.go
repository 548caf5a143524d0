package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Apply writes an evaluation. Its version is written first, under a name that
// nothing refers to yet; then one write makes all of it visible: that of the
// resource alone, or a transaction if findings or counters change with it.
func (s *Store) Apply(ctx context.Context, e store.Evaluation) (err error) {
	defer s.metrics.Request("qrie_resources", "apply")(&err)
	if err := e.Valid(); err != nil {
		return err
	}
	if e.Again == nil {
		return s.apply(ctx, e.Normal())
	}
	// Beside the writing, which takes as long. A table of its own holds the marks,
	// so that a transaction of both would cost twice as much.
	planned := make(chan error, 1)
	go func() { planned <- s.PutDirty(ctx, *e.Again) }()
	err = s.apply(ctx, e.Normal())
	return errors.Join(err, <-planned)
}

func (s *Store) apply(ctx context.Context, e store.Evaluation) error {
	w := &writing{s: s, e: e, id: e.Next.Ref.ResourceID()}
	for n := 1; ; n++ {
		done, err := w.attempt(ctx)
		if err == nil && !done && n >= s.attempts {
			err = fmt.Errorf("write %s: it changed %d times meanwhile: %w", e.Next.Ref, n, qrie.ErrConflict)
		}
		if err != nil || done {
			if refused(err) {
				w.discard(ctx)
			}
			return err
		}
		if err := s.pause(ctx, n); err != nil {
			return err
		}
	}
}

// refused reports an error after which the evaluation is surely not written.
func refused(err error) bool {
	return errors.Is(err, qrie.ErrStale) || errors.Is(err, qrie.ErrConflict) || errors.Is(err, qrie.ErrGeneration)
}

// writing is one evaluation on its way.
type writing struct {
	s       *Store
	e       store.Evaluation
	id      string
	version string // the sort key of the version written; empty: none yet
	chunks  int
	old     stored
}

// attempt reads what is stored, decides and writes. done false without an
// error: something changed between; decide again.
func (w *writing) attempt(ctx context.Context) (done bool, err error) {
	s, e := w.s, w.e
	if w.old, err = s.state(ctx, w.id); err != nil {
		return false, fmt.Errorf("read %s: %w", e.Next.Ref, err)
	}
	old := w.old
	if repeat, err := store.Admit(old.Resource, e); repeat || err != nil {
		return repeat, err
	}
	if policy := e.Unexplained(old.Resource); policy != "" {
		return false, fmt.Errorf("evaluation of %s: the finding of policy %s opens or closes without a transition", e.Next.Ref, policy)
	}
	launches, err := s.launches(ctx, judgedBy(e.Transitions))
	if err != nil {
		return false, err
	}
	tx := newEffects(s, e.Next.Ref)
	for _, t := range e.Transitions {
		if err := store.Judged(t, launches[t.Policy]); err != nil {
			return false, err
		}
		tx.gate(t, launches[t.Policy])
	}
	if e.Changed && w.version == "" {
		if err := w.writeVersion(ctx); err != nil {
			return false, fmt.Errorf("write %s: %w", e.Next.Ref, err)
		}
	}
	next := w.next()
	tx.tally.Resource(old.Resource, next.Resource)
	if err := tx.transitions(ctx, e.Transitions, &next); err != nil {
		return false, fmt.Errorf("write %s: %w", e.Next.Ref, err)
	}
	if e.Explains {
		if err := w.explain(tx); err != nil {
			return false, fmt.Errorf("write %s: %w", e.Next.Ref, err)
		}
	}
	if err := w.names(ctx); err != nil {
		return false, err
	}
	err = tx.write(ctx, &old, next)
	if errors.Is(err, errCondition) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("write %s: %w", e.Next.Ref, err)
	}
	if e.Changed && old.history+1 >= store.MaxVersions+versionSlack {
		return true, s.trimHistory(ctx, w.id)
	}
	return true, nil
}

// explain gives the newest version the cause that the resource has now. A write
// of that row costs as much as its document is long, so it is left alone if what
// is explained is an earlier change.
func (w *writing) explain(tx *effects) error {
	was, err := w.s.pack.encode("a cause", w.old.Cause)
	if err != nil {
		return err
	}
	is, err := w.s.pack.encode("a cause", w.e.Next.Cause)
	if err != nil || reflect.DeepEqual(was, is) {
		return err
	}
	tx.update(versionsTable, w.id, w.old.document, change{update: "SET #Cause = :c", condition: "attribute_exists(#Version)", values: item{":c": is}})
	return nil
}

// names makes known what lists have to know of the resource.
func (w *writing) names(ctx context.Context) error {
	ref := w.e.Next.Ref
	wanted := []name{{typeName, ref.Type}, {accountName, ref.Account}}
	for _, t := range w.e.Transitions {
		wanted = append(wanted, kindOf(t.Policy, t.Ref.Type))
	}
	return w.s.know(ctx, wanted...)
}

// judgedBy names the policies whose launches have a say in the transitions.
func judgedBy(transitions []qrie.Transition) (out []string) {
	for _, t := range transitions {
		if t.Kind != qrie.Explained {
			out = append(out, t.Policy)
		}
	}
	return out
}

// next is what is to be stored.
func (w *writing) next() stored {
	e, old := w.e, w.old
	next := stored{Resource: e.Follow(old.Resource), document: old.document, history: old.history, known: old.known}
	next.Resource.Document = nil
	if !e.Changed {
		return next
	}
	next.document = w.version
	next.history++
	if next.history >= store.MaxVersions+versionSlack {
		next.history = store.MaxVersions
	}
	return next
}

// versionSlack lets one write in so many trim the history.
const versionSlack = 20

// writeVersion writes the new entry of the history and its document. Nothing
// refers to it before the resource does.
func (w *writing) writeVersion(ctx context.Context) error {
	s, next := w.s, w.e.Next
	nonce := make([]byte, 6)
	if _, err := rand.Read(nonce); err != nil {
		return fmt.Errorf("name a version: %w", err)
	}
	w.version = versionKey(w.e.Base+1) + hex.EncodeToString(nonce)
	row := s.row(versionsTable, w.id, w.version)
	row["ObservedAt"] = number(nanos(w.e.VersionAt()))
	row["Bucket"] = text(writtenShelf(bucketOf(w.id, listBuckets)))
	row["Written"] = text(digits(nanos(w.e.VersionAt())) + "#" + w.id)
	if w.old.document != "" {
		row["Prev"] = text(w.old.document)
	}
	var err error
	if row["Cause"], err = s.pack.encode("a cause", next.Cause); err != nil {
		return err
	}
	if next.Deleted {
		row["Deleted"] = flag(true)
	} else {
		packed := s.pack.compress(next.Document)
		row["Document"] = binary(packed[:min(len(packed), maxInline)])
		var rest []item
		for chunk := range slices.Chunk(packed[min(len(packed), maxInline):], maxInline) {
			it := s.row(versionsTable, chunkPart(w.id), chunkKey(w.version, len(rest)))
			it["Document"] = binary(chunk)
			rest = append(rest, it)
		}
		if w.chunks = len(rest); w.chunks > 0 {
			row["Chunks"] = number(int64(w.chunks))
			// One a request: a batch is bounded in bytes, too.
			for _, it := range rest {
				if err := s.put(ctx, versionsTable, it, "", nil); err != nil {
					return err
				}
			}
		}
	}
	return s.put(ctx, versionsTable, row, "", nil)
}

func writtenShelf(bucket int) string { return fmt.Sprintf("written#%d", bucket) }

// discard removes a version that lost. An answer may have been lost and the
// version be the resource's past by now, so it goes only if nothing names it. If
// it stays it is trimmed with the history around it.
func (w *writing) discard(ctx context.Context) {
	if w.version == "" || w.version == w.old.document {
		return
	}
	later, _, _, err := w.s.read(ctx, stretch{table: versionsTable, pk: w.id, low: following(w.version), limit: 20, only: "#Prev"})
	named := slices.ContainsFunc(later, func(it item) bool { return it.str("Prev") == w.version })
	if err == nil && !named && len(later) < 20 {
		_ = w.s.removeVersion(ctx, w.id, w.version, int64(w.chunks)) // see above
	}
}

func (s *Store) removeVersion(ctx context.Context, resource, version string, chunks int64) error {
	for n := range chunks {
		if err := s.remove(ctx, versionsTable, chunkPart(resource), chunkKey(version, int(n)), "", nil); err != nil {
			return err
		}
	}
	return s.remove(ctx, versionsTable, resource, version, "", nil)
}

// trimHistory keeps the newest versions of a resource.
func (s *Store) trimHistory(ctx context.Context, resource string) error {
	var all []item
	err := s.all(ctx, stretch{table: versionsTable, pk: resource, only: "#Version, #Chunks"}, func(it item) error {
		all = append(all, it)
		return nil
	})
	if err != nil {
		return fmt.Errorf("trim the history of %s: %w", resource, err)
	}
	for _, it := range all[:max(len(all)-store.MaxVersions, 0)] {
		if err := s.removeVersion(ctx, resource, it.str("Version"), it.num("Chunks")); err != nil {
			return fmt.Errorf("trim the history of %s: %w", resource, err)
		}
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
