package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

const (
	public   = "S3BucketPublic"
	unsafely = "S3BucketVersioningDisabled"
)

var start = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

func bucket(id string) qrie.Ref {
	return qrie.Ref{Account: "111122223333", Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: id, ARN: "arn:aws:s3:::" + id, Global: true}
}

// evaluate judges a document: empty is deleted, and the policies named fail.
func evaluate(old store.Resource, set qrie.LaunchSet, ref qrie.Ref, doc string, at time.Time, fails ...string) store.Evaluation {
	cause := qrie.Cause{Attribution: qrie.AttributionExact, Events: []qrie.Event{{ID: "event-" + doc, Name: "PutBucketPolicy", Source: "s3.amazonaws.com",
		Account: ref.Account, Region: ref.Region, Time: at.Add(-time.Second), Arrived: at, SourceIP: "192.0.2.17", UserAgent: "aws-cli/2.15.30 Python/3.11.8",
		Actor: qrie.Actor{Kind: qrie.ActorHuman, Name: "mira@example.com", Type: "AssumedRole", Role: "Operator", Via: "SSO", Tool: "CLI"}}}}
	e := store.Evaluation{Base: old.Version, Changed: old.Version == 0 || old.Hash != doc, Next: store.Resource{Ref: ref, Name: ref.ID, ObservedAt: at, ListedAt: at,
		ChangedAt: at, FirstSeen: at, Deleted: doc == "", Hash: doc, Generation: set.Generation, Cause: cause, Heads: map[string]store.Head{}}}
	if doc != "" {
		e.Next.Document = json.RawMessage(fmt.Sprintf(`{"Bucket":%q}`, doc))
	}
	for _, l := range set.Launches {
		before := old.Heads[l.Policy]
		h := store.Head{Outcome: qrie.Pass, Generation: l.Generation}
		if slices.Contains(fails, l.Policy) {
			h = store.Head{Outcome: qrie.Fail, Severity: 90, Open: true, Hash: doc, Generation: l.Generation}
		}
		if doc != "" {
			e.Next.Heads[l.Policy] = h
		} else {
			h = store.Head{Generation: l.Generation}
		}
		if h.Open == before.Open && (!h.Open || h.Hash == before.Hash) {
			continue
		}
		id := ref.FindingID(l.Policy)
		t := qrie.Transition{Kind: qrie.Opened, Finding: id, Ref: ref, Name: ref.ID, Policy: l.Policy, Severity: 90, Summary: "Everyone may read " + ref.ID,
			Evidence: qrie.Evidence{Violations: []json.RawMessage{json.RawMessage(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}`)}, Pointers: []string{"/Policy/Statement/0"}, Total: 1},
			Cause:    cause, At: at, Generation: l.Generation, Version: old.Version + 1}
		switch {
		case !h.Open:
			t.Kind, t.Resolution, t.Evidence, t.Summary = qrie.Closed, qrie.ResolvedFixed, qrie.Evidence{}, ""
		case before.Open:
			t.Kind = qrie.Changed
		}
		t.ID = qrie.TransitionID(id, t.Version, l.Generation, t.Kind)
		e.Transitions = append(e.Transitions, t)
	}
	return e
}

// world is a store that works, beside one that may fail on the same tables.
type world struct {
	*testing.T
	s      *Store // works
	faulty *Store
	set    qrie.LaunchSet
}

func newWorld(t *testing.T, fault func(*middleware.Stack) error) *world {
	return newWorldAt(t, t.TempDir(), fault)
}

func newWorldAt(t *testing.T, place string, fault func(*middleware.Stack) error) *world {
	w := &world{T: t, s: open(t, options(t, place))}
	o := options(t, place, fault)
	o.Attempts, o.MaxBackoff = 25, 20*time.Millisecond
	var err error
	if w.faulty, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{public, unsafely} {
		if _, err := w.s.PutLaunch(t.Context(), qrie.Launch{Policy: p, Status: qrie.LaunchActive}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if w.set, err = w.s.LaunchSet(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) state(ref qrie.Ref) store.Resource {
	w.Helper()
	r, err := w.s.ResourceState(w.Context(), ref)
	if err != nil && !errors.Is(err, qrie.ErrNotFound) {
		w.Fatal(err)
	}
	return r
}

// refresh reads, judges and writes, as a processor does and does again.
func (w *world) refresh(s *Store, ref qrie.Ref, doc string, at time.Time, fails ...string) error {
	old, err := s.ResourceState(w.Context(), ref)
	if err != nil && !errors.Is(err, qrie.ErrNotFound) {
		return err
	}
	return s.Apply(w.Context(), evaluate(old, w.set, ref, doc, at, fails...))
}

// sound checks what must hold whatever happened: no resource went back, counters
// equal counts, there is one row of history for each transition, and no active
// finding of a policy that is not launched; heads agree with findings, and the
// log gives each transition once.
func (w *world) sound() {
	w.Helper()
	ctx := w.Context()
	w.countersAgree("at the end")
	drift, err := w.s.Recount(ctx)
	if err != nil {
		w.Fatal(err)
	}
	if len(drift) > 0 {
		w.Errorf("counters drifted: %v", drift)
	}
	set, err := w.s.LaunchSet(ctx)
	if err != nil {
		w.Fatal(err)
	}
	counts, err := w.s.CountFindings(ctx, "")
	if err != nil {
		w.Fatal(err)
	}
	for _, c := range counts {
		launched := slices.ContainsFunc(set.Launches, func(l qrie.Launch) bool { return l.Policy == c.Policy })
		if c.State == qrie.Active && !launched {
			w.Errorf("%d active findings of %s, which is not launched", c.Count, c.Policy)
		}
	}
	history := map[string]bool{}
	token := ""
	for {
		page, err := w.s.ListResources(ctx, store.ResourceQuery{Deleted: true}, store.PageRequest{Size: store.MaxPage, Token: token})
		if err != nil {
			w.Fatal(err)
		}
		for _, r := range page.Items {
			w.soundResource(r, history)
		}
		if token = page.Next; token == "" {
			break
		}
	}
	seen := map[string]bool{}
	for after := int64(0); ; {
		changes, _, err := w.s.Changes(ctx, after, 100)
		if err != nil {
			w.Fatal(err)
		}
		if len(changes) == 0 {
			break
		}
		for _, c := range changes {
			if seen[c.ID] || c.Seq <= after {
				w.Errorf("transition %s with seq %d came twice or after %d", c.ID, c.Seq, after)
			}
			seen[c.ID], after = true, c.Seq
		}
	}
	if !maps.Equal(seen, history) {
		w.Errorf("the log holds %d transitions, the histories %d", len(seen), len(history))
	}
}

func (w *world) soundResource(r store.Resource, history map[string]bool) {
	w.Helper()
	ctx, id := w.Context(), r.Ref.ResourceID()
	open := map[string]bool{}
	list, err := w.s.ListTransitions(ctx, "", id, store.PageRequest{Size: store.MaxPage})
	if err != nil {
		w.Fatal(err)
	}
	slices.Reverse(list.Items)
	for _, t := range list.Items {
		if history[t.ID] {
			w.Errorf("transition %s is there twice", t.ID)
		}
		history[t.ID] = true
		if open[t.Policy] == (t.Kind == qrie.Opened || t.Kind == qrie.Reopened) {
			w.Errorf("%s: %s while open is %v", r.Ref, t.Kind, open[t.Policy])
		}
		open[t.Policy] = t.Kind != qrie.Closed
	}
	for policy, h := range r.Heads {
		if h.Open != open[policy] {
			w.Errorf("%s: the head of %s says open %v, its history %v", r.Ref, policy, h.Open, open[policy])
		}
	}
	versions, err := w.s.ListVersions(ctx, id, store.PageRequest{Size: store.MaxPage})
	if err != nil {
		w.Fatal(err)
	}
	if len(versions.Items) == 0 {
		w.Errorf("%s has no history", r.Ref)
		return
	}
	before := r.ObservedAt
	for _, v := range versions.Items {
		if _, err := w.s.ResourceVersion(ctx, id, v.Version); err != nil {
			w.Errorf("%s: version %d is listed: %v", r.Ref, v.Version, err)
		}
		if v.ObservedAt.After(before) {
			w.Errorf("%s went back: version %d was observed at %s, what came after at %s", r.Ref, v.Version, v.ObservedAt, before)
		}
		before = v.ObservedAt
	}
	whole, err := w.s.Resource(ctx, id)
	if err != nil {
		w.Fatal(err)
	}
	if want := fmt.Sprintf(`{"Bucket":%q}`, r.Hash); !r.Deleted && string(whole.Document) != want {
		w.Errorf("%s: document %s with hash %s", r.Ref, whole.Document, r.Hash)
	}
}

func isWrite(op string) bool {
	return op != "GetItem" && op != "BatchGetItem" && op != "Query" && op != "DescribeTable"
}

var errKilled = errors.New("killed")

// killer ends a process at its n-th write: before it is sent, or after it was
// done and before anybody was told. From then on nothing gets through.
type killer struct {
	left  atomic.Int64
	after bool
	dead  atomic.Bool
}

func (k *killer) stack(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("killer", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (out middleware.InitializeOutput, m middleware.Metadata, err error) {
		if k.dead.Load() {
			return out, m, errKilled
		}
		if !isWrite(middleware.GetOperationName(ctx)) || k.left.Add(-1) > 0 {
			return next.HandleInitialize(ctx, in)
		}
		if k.dead.Swap(true) {
			return out, m, errKilled
		}
		if k.after {
			_, _, _ = next.HandleInitialize(ctx, in)
		}
		return out, m, errKilled
	}), middleware.After)
}

func TestCrashAtEachWriteOfARefresh(t *testing.T) {
	k := &killer{}
	k.left.Store(1 << 40)
	w := newWorld(t, k.stack)
	kills := 0
	for round := 0; kills < 100; round++ {
		for _, after := range []bool{false, true} {
			for n := int64(1); ; n++ {
				ref := bucket(fmt.Sprintf("b-%d-%v-%d", round, after, n))
				died := false
				for i, step := range []struct {
					doc   string
					fails []string
				}{{"open", []string{public, unsafely}}, {"half", []string{unsafely}}, {"", nil}, {"back", []string{public}}} {
					at := start.Add(time.Duration(i) * time.Minute)
					k.left.Store(n)
					k.after = after
					err := w.refresh(w.faulty, ref, step.doc, at, step.fails...)
					_, _, delivered := w.faulty.Changes(w.Context(), 0, 1)
					if k.dead.Load() {
						died = true
						kills++
					} else if err != nil || delivered != nil {
						t.Fatalf("write %d of step %d: %v, %v", n, i, err, delivered)
					}
					k.left.Store(1 << 40)
					k.dead.Store(false)
					// The record is delivered again, to another process.
					if err := w.refresh(w.s, ref, step.doc, at, step.fails...); err != nil {
						t.Fatalf("again after write %d of step %d: %v", n, i, err)
					}
					if got := w.state(ref); got.Version != int64(i)+1 || got.Hash != step.doc {
						t.Fatalf("after write %d of step %d: version %d of %q", n, i, got.Version, got.Hash)
					}
				}
				// What a dead writer left behind is no part of the history.
				page, err := w.s.ListVersions(t.Context(), ref.ResourceID(), store.PageRequest{Size: 2})
				if err != nil || len(page.Items) != 2 || page.Items[0].Version != 4 || page.Items[1].Version != 3 {
					t.Fatalf("after write %d: versions %+v, %v", n, page.Items, err)
				}
				if page, err = w.s.ListVersions(t.Context(), ref.ResourceID(), store.PageRequest{Token: page.Next}); err != nil || len(page.Items) != 2 {
					t.Fatalf("after write %d: %d more versions, %v", n, len(page.Items), err)
				}
				if !died {
					break
				}
			}
		}
	}
	t.Logf("killed %d times", kills)
	w.sound()
}

// each fails single attempts, within the SDK's retries.
func each(fault func(op string) (lost, refused error)) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("fault", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, m middleware.Metadata, err error) {
			lost, refused := fault(middleware.GetOperationName(ctx))
			if refused != nil {
				return out, m, refused
			}
			out, m, err = next.HandleFinalize(ctx, in)
			if lost != nil {
				return middleware.FinalizeOutput{}, m, lost
			}
			return out, m, err
		}), "Retry", middleware.After)
	}
}

func lostConnection() error { return &smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF} }

func TestAnswersLostAfterTheWrite(t *testing.T) {
	var n atomic.Int64
	w := newWorld(t, each(func(op string) (error, error) {
		if isWrite(op) && n.Add(1)%2 == 1 {
			return lostConnection(), nil
		}
		return nil, nil
	}))
	for i := range 12 {
		for step, doc := range []string{"a", "b", "", "c"} {
			fails := []string{public}
			if step == 1 {
				fails = []string{unsafely}
			} else if doc == "" {
				fails = nil
			}
			if err := w.refresh(w.faulty, bucket(fmt.Sprint(i)), doc, start.Add(time.Duration(step)*time.Minute), fails...); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.state(bucket(fmt.Sprint(i))); got.Version != 4 {
			t.Fatalf("four refreshes led to version %d", got.Version)
		}
	}
	l, err := w.faulty.PutLaunch(t.Context(), qrie.Launch{Policy: "Third", Status: qrie.LaunchActive}, 0)
	if err != nil || l.Generation != w.set.Generation+1 {
		t.Errorf("launched at generation %d: %v", l.Generation, err)
	}
	if err := w.faulty.PutJob(t.Context(), store.Job{ID: "j", Kind: "policy", Started: start}.Begin("1", "2")); err != nil && !errors.Is(err, qrie.ErrExists) {
		t.Error(err)
	}
	j, err := w.faulty.FinishPage(t.Context(), "j", store.JobPage{Page: "1", Items: 3}, start)
	if err != nil || j.Items != 3 || j.Done != 1 {
		t.Errorf("one page counted as %+v: %v", j, err)
	}
	w.sound()
}

func TestHalfOfTheRequestsThrottled(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) {
		if rand.IntN(2) == 0 {
			return nil, &smithy.GenericAPIError{Code: "ThrottlingException", Message: "planted"}
		}
		return nil, nil
	}))
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range 8 {
				ref := bucket(fmt.Sprintf("%d-%d", n, i))
				for step, fails := range [][]string{{public}, {unsafely}, {}} {
					if err := w.refresh(w.faulty, ref, fmt.Sprint("v", step), start.Add(time.Duration(step)*time.Minute), fails...); err != nil {
						t.Errorf("refresh: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	if _, err := w.faulty.Outbox(t.Context(), 100); err != nil {
		t.Error(err)
	}
	w.sound()
}

func TestTwoProcessesOnOneResource(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	ref := bucket("hot")
	var applied, lost atomic.Int64
	var wg sync.WaitGroup
	for n, s := range []*Store{w.s, w.faulty, w.s, w.faulty} {
		wg.Go(func() {
			for i := range 25 {
				var fails []string
				if (n+i)%2 == 0 {
					fails = []string{public}
				}
				switch err := w.refresh(s, ref, fmt.Sprintf("v%d", (n+i)%3), start.Add(time.Duration(i*4+n)*time.Millisecond), fails...); {
				case err == nil:
					applied.Add(1)
				case errors.Is(err, qrie.ErrConflict), errors.Is(err, qrie.ErrStale):
					lost.Add(1)
				default:
					t.Error(err)
				}
				if _, _, err := s.Changes(t.Context(), 0, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d applied, %d lost", applied.Load(), lost.Load())
	if got := w.state(ref).Version; got != applied.Load() {
		t.Errorf("version %d after %d writes", got, applied.Load())
	}
	w.sound()
}

func TestOldVerdictsInFlightWhileAPolicyIsDeleted(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	old := w.set
	var wg sync.WaitGroup
	var late atomic.Int64
	for n := range 4 {
		wg.Go(func() {
			for i := range 25 {
				ref := bucket(fmt.Sprintf("%d-%d", n, i))
				err := w.faulty.Apply(t.Context(), evaluate(store.Resource{}, old, ref, "a", start, public))
				if errors.Is(err, qrie.ErrGeneration) {
					late.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	generation := int64(0)
	for _, l := range old.Launches {
		if l.Policy == public {
			generation = l.Generation
		}
	}
	time.Sleep(150 * time.Millisecond)
	if _, err := w.s.DeleteLaunch(t.Context(), public, generation); err != nil {
		t.Fatal(err)
	}
	for closed := 1; closed > 0; {
		var err error
		if closed, err = w.s.CloseFindings(t.Context(), public, qrie.ResolvedPolicyDeleted, start.Add(time.Hour), 500); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	t.Logf("%d verdicts came too late", late.Load())
	page, err := w.s.ListFindings(t.Context(), store.FindingQuery{States: []qrie.State{qrie.Active}, Policies: []string{public}}, store.PageRequest{})
	if err != nil || len(page.Items) > 0 {
		t.Errorf("%d active findings of a policy that is not launched, %v", len(page.Items), err)
	}
	// Launched again, verdicts of the old generation are refused still.
	if _, err := w.s.PutLaunch(t.Context(), qrie.Launch{Policy: public, Status: qrie.LaunchActive}, 0); err != nil {
		t.Fatal(err)
	}
	err = w.faulty.Apply(t.Context(), evaluate(store.Resource{}, old, bucket("late"), "a", start, public))
	if !errors.Is(err, qrie.ErrGeneration) {
		t.Errorf("a verdict of the old generation: %v", err)
	}
	w.sound()
}
