package dynamo

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// countersAgree compares what counters are read as with what the lists hold.
func (w *world) countersAgree(when string) {
	w.Helper()
	ctx := w.Context()
	var tally store.Tally
	for p := (store.PageRequest{Size: store.MaxPage}); ; {
		page, err := w.s.ListFindings(ctx, store.FindingQuery{}, p)
		if err != nil {
			w.Fatal(err)
		}
		for _, f := range page.Items {
			tally.Finding(qrie.Finding{}, f)
		}
		if p.Token = page.Next; p.Token == "" {
			break
		}
	}
	for p := (store.PageRequest{Size: store.MaxPage}); ; {
		page, err := w.s.ListResources(ctx, store.ResourceQuery{}, p)
		if err != nil {
			w.Fatal(err)
		}
		for _, r := range page.Items {
			tally.Resource(store.Resource{}, r)
		}
		if p.Token = page.Next; p.Token == "" {
			break
		}
	}
	got, want := map[store.Counter]int64{}, map[store.Counter]int64{}
	for _, d := range tally.Deltas() {
		want[d.Counter] = d.N
	}
	for _, account := range []string{"", store.EachAccount} {
		for _, d := range []store.Dimension{store.ByFinding, store.ByVerdict, store.ByResource} {
			counts, err := w.s.counts(ctx, d, account)
			if err != nil {
				w.Fatal(err)
			}
			for _, c := range counts {
				got[c.Counter] = c.N
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Fatalf("%s: counters (-want +got):\n%s", when, diff)
	}
}

func TestCrashAtEachWriteOfTheLogAndTheCounters(t *testing.T) {
	k := &killer{}
	k.left.Store(1 << 40)
	w := newWorld(t, k.stack)
	for _, s := range []*Store{w.s, w.faulty} {
		s.foldEvery, s.logEvery = 2, 1<<30
	}
	kills, step := 0, 0
	for _, after := range []bool{false, true} {
		for n := int64(1); ; n++ {
			// Several batches, so that one step of folding is due, and what
			// they count lies in several rows.
			for i := range 3 {
				step++
				ref := bucket(fmt.Sprint("b", step))
				ref.Account = []string{"111122223333", "444455556666", "777788889999"}[i]
				if err := w.refresh(w.s, ref, "a", start, [][]string{{public}, {unsafely, public}, {}}[i]...); err != nil {
					t.Fatal(err)
				}
				if _, err := w.s.catchUp(t.Context()); i < 2 && err != nil {
					t.Fatal(err)
				}
			}
			if err := w.refresh(w.s, bucket("b1"), fmt.Sprint("v", step), start.Add(time.Duration(step)*time.Minute), unsafely); err != nil {
				t.Fatal(err)
			}
			k.left.Store(n)
			k.after = after
			err := w.faulty.tend(t.Context())
			died := k.dead.Load()
			k.left.Store(1 << 40)
			k.dead.Store(false)
			if !died {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			kills++
			w.countersAgree(fmt.Sprintf("after write %d", n))
			if err := w.s.fold(t.Context(), math.MaxInt); err != nil {
				t.Fatal(err)
			}
			w.countersAgree(fmt.Sprintf("after write %d, and another that goes on", n))
		}
	}
	t.Logf("killed %d times", kills)
	if kills < 20 {
		t.Errorf("killed %d times only: the log takes fewer writes than it did", kills)
	}
	w.sound()
}

func TestCountersWhileSeveralFold(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	for _, s := range []*Store{w.s, w.faulty} {
		s.foldEvery, s.logEvery = 2, 3
	}
	const writers, each = 4, 20
	var wg sync.WaitGroup
	written := make(chan struct{})
	for n := range writers {
		wg.Go(func() {
			for i := range each {
				ref := bucket(fmt.Sprintf("%d-%d", n, i))
				ref.Account = fmt.Sprintf("%012d", i%5)
				if err := w.refresh([]*Store{w.s, w.faulty}[n%2], ref, "a", start, public); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() {
		wg.Wait()
		close(written)
	}()
	// Whatever a reader sees is what counted at one moment.
	last := int64(0)
	for done := false; !done; {
		select {
		case <-written:
			done = true // after this one
		default:
		}
		r, err := w.faulty.counted(t.Context(), append(stretchesOf(typeCounters, ""), stretchesOf(policyCounters, "")...)...)
		if err != nil {
			t.Fatal(err)
		}
		resources := r.cells[cellOf(store.ResourceCounter("", "AWS::S3::Bucket", false), "AWS::S3::Bucket")].n
		failing := r.cells[cellOf(store.VerdictCounter("", public, qrie.Fail), "AWS::S3::Bucket")].n
		findings := r.cells[cellOf(store.FindingCounter("", public, qrie.Active, 90), "")].n
		if resources != failing || failing != findings || findings < last {
			t.Errorf("%d resources, of which %d fail with %d findings, after %d", resources, failing, findings, last)
		}
		last = findings
	}
	w.countersAgree("at the end")
	w.sound()
}

// What waits for the log is bounded by writers, though nobody reads.
func TestWritersSeeToTheLog(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	w.s.logEvery, w.s.foldEvery = 5, 1
	for i := range 12 {
		if err := w.refresh(w.s, bucket(fmt.Sprint(i)), "a", start, public); err != nil {
			t.Fatal(err)
		}
	}
	left, more, err := w.faulty.fresh(t.Context())
	if err != nil || more || len(left) != 2 {
		t.Errorf("%d entries wait, more %v, %v", len(left), more, err)
	}
	if folded, err := w.faulty.folded(t.Context()); err != nil || folded != 2 {
		t.Errorf("counters are at batch %d, %v", folded, err)
	}
	w.countersAgree("while two wait")
}

func TestLargeEntriesAreSeveral(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	x := newEffects(w.s, bucket("b"))
	var made []qrie.Transition
	for i := range 40 {
		noise := make([]byte, 10<<10) // does not compress
		for j := range noise {
			noise[j] = byte(rand.Uint32())
		}
		made = append(made, qrie.Transition{ID: fmt.Sprint(i), Summary: hex.EncodeToString(noise)})
	}
	if err := x.enter(entry{Made: made, Shares: []share{{owner: owner{Account: "a"}}}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	shares := 0
	last := ""
	for _, op := range x.ops {
		row := item(op.Put.Item)
		if n := len(row.bytes("Body")); n > maxEntryBytes {
			t.Errorf("an entry of %d bytes", n)
		}
		if row.str("Item") <= last {
			t.Errorf("%s comes after %s", row.str("Item"), last)
		}
		last = row.str("Item")
		var e entry
		if err := w.s.pack.decode("an entry", row.bytes("Body"), &e); err != nil {
			t.Fatal(err)
		}
		for _, m := range e.Made {
			got = append(got, m.ID)
		}
		shares += len(e.Shares)
	}
	if len(x.ops) < 2 || len(got) != 40 || got[39] != "39" || shares != 1 {
		t.Errorf("%d entries hold %d transitions and %d shares", len(x.ops), len(got), shares)
	}
}

func TestOutboxWithGaps(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	for i := range 3 {
		for j := range 3 {
			if err := w.refresh(w.s, bucket(fmt.Sprint(i, j)), "a", start, public); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.s.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ids := func() (out []string) {
		waiting, err := w.faulty.Outbox(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range waiting {
			out = append(out, m.ID)
		}
		return out
	}
	all := ids()
	if len(all) != 9 {
		t.Fatalf("%d transitions wait", len(all))
	}
	for _, gap := range [][]string{{all[1], all[8]}, {all[3], all[4], all[5]}, {all[1], all[0]}} {
		if err := w.s.Delivered(t.Context(), gap); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{all[2], all[6], all[7]}, ids()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	// Two senders at once.
	var wg sync.WaitGroup
	for _, id := range []string{all[2], all[6], all[7]} {
		wg.Go(func() {
			if err := w.s.Delivered(t.Context(), []string{id}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left := ids(); len(left) > 0 {
		t.Errorf("left at the end: %v", left)
	}
	rows, _, _, err := w.s.read(t.Context(), stretch{table: transitionsTable, pk: outPart})
	if err != nil || len(rows) > 0 {
		t.Errorf("%d rows stay in the outbox, %v", len(rows), err)
	}
}

func TestCutOffBatchIsClearedUpByTheNext(t *testing.T) {
	k := &killer{}
	k.left.Store(1 << 40)
	w := newWorld(t, func(stack *middleware.Stack) error { return k.stack(stack) })
	if err := w.refresh(w.s, bucket("a"), "a", start, public); err != nil {
		t.Fatal(err)
	}
	// Dies after the batch is in the log: history, batch, then nothing.
	k.left.Store(2)
	k.after = true
	if _, err := w.faulty.catchUp(t.Context()); !errors.Is(err, errKilled) {
		t.Fatalf("it did not die: %v", err)
	}
	if err := w.refresh(w.s, bucket("b"), "a", start, public); err != nil {
		t.Fatal(err)
	}
	waiting, err := w.s.Outbox(t.Context(), 10)
	if err != nil || len(waiting) != 2 || waiting[0].Ref.ID != "a" || waiting[1].Ref.ID != "b" {
		t.Errorf("the outbox holds %d, %v", len(waiting), err)
	}
	if left, _, err := w.s.fresh(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("%d entries are left, %v", len(left), err)
	}
	w.sound()
}

// The end of the log is found where a whole partition of it is trimmed.
func TestEndOfTheLog(t *testing.T) {
	w := newWorld(t, each(func(string) (error, error) { return nil, nil }))
	s := w.s
	add := func(n int64) {
		t.Helper()
		row, err := s.logRow(logBatch{n: n, last: n * seqStep})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.put(t.Context(), transitionsTable, row, isFree, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := func(n int64) {
		t.Helper()
		for _, reader := range []*Store{s, w.faulty} {
			if newest, err := reader.newestBatch(t.Context()); err != nil || newest.n != n || newest.last != n*seqStep {
				t.Errorf("the log ends with %d, want %d: %v", newest.n, n, err)
			}
		}
	}
	want(0)
	for n := int64(logChunk - 2); n <= logChunk; n++ {
		if err := s.setTrimmed(t.Context(), "Log", n-1); err != nil {
			t.Fatal(err)
		}
		add(n)
		want(n)
	}
	// A process that begins when all of the first partition is gone.
	for n := int64(logChunk - 2); n < logChunk; n++ {
		if err := s.remove(t.Context(), transitionsTable, logPart(n), digits(n), "", nil); err != nil {
			t.Fatal(err)
		}
	}
	w.faulty.logFrom = greatest{}
	want(logChunk)
	// One that slept through the trimming.
	w.faulty.logFrom = greatest{batch: 5}
	want(logChunk)
	// What is lost is not begun anew.
	if err := s.remove(t.Context(), transitionsTable, logPart(logChunk), digits(logChunk), "", nil); err != nil {
		t.Fatal(err)
	}
	if newest, err := s.newestBatch(t.Context()); err == nil {
		t.Errorf("after the loss the log ends with %d", newest.n)
	}
}
