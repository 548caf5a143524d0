package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/sim"
)

var allFaults = sim.Faults{
	LagMin: 100 * time.Millisecond, LagMax: 5 * time.Second, Duplicate: 0.2, Reorder: 0.2, Loss: 0.1,
	Stale: 20 * time.Second, Throttle: 0.1, Transient: 0.05,
	Denied: []sim.Denial{{Account: "web-staging", Action: "s3:GetBucketPolicy"}},
}

// TestDeterminism: the same seed and the same steps give the same bytes.
func TestDeterminism(t *testing.T) {
	type run struct {
		Accounts   []qrie.Account
		Deliveries []string
		Documents  map[string]string
		Answers    []string
		Expect     []sim.Expected
	}
	line := func(d sim.Delivery) string { return d.At.String() + " " + d.Account + " " + string(d.Data) }
	play := func(seed uint64) run {
		w, c := newWorld(sim.Options{Seed: seed, Resources: 200, Faults: allFaults})
		r := run{Accounts: w.Accounts()}
		quiet := allFaults
		quiet.Throttle, quiet.Transient = 0, 0
		w.SetFaults(quiet)
		refs := everyRef(t, w)
		w.SetFaults(allFaults)
		for n := range 300 {
			for _, d := range w.Step(c.step(time.Second)) {
				r.Deliveries = append(r.Deliveries, line(d))
			}
			o, err := w.Describe(context.Background(), refs[n%len(refs)])
			r.Answers = append(r.Answers, fmt.Sprint(string(o.Document), o.Deleted, err))
		}
		for _, d := range w.Load(50) {
			r.Deliveries = append(r.Deliveries, line(d))
		}
		applied, err := w.Change(context.Background(), "group-open-ssh", "", func(_ context.Context, account string, data []byte) error {
			r.Deliveries = append(r.Deliveries, line(sim.Delivery{Account: account, Data: data}))
			return nil
		})
		r.Answers = append(r.Answers, fmt.Sprint(applied, err))
		w.SetFaults(quiet)
		r.Documents, r.Expect = documents(t, w), w.Expect()
		return r
	}
	first, again, other := play(42), play(42), play(43)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the second run of seed 42 differs (-first +second):\n%.4000s", diff)
	}
	if slices.Equal(first.Deliveries, other.Deliveries) {
		t.Error("seeds 42 and 43 make the same deliveries")
	}
}

// TestStartKeepsDocuments: a world made again after a restart, later, with the
// same Start has the same documents, so that a scan finds nothing changed.
func TestStartKeepsDocuments(t *testing.T) {
	o := sim.Options{Seed: 3, Resources: 200, Start: noon}
	c := &clock{noon}
	o.Now = c.now
	first := documents(t, sim.New(o))
	c.step(26 * time.Hour)
	if diff := cmp.Diff(first, documents(t, sim.New(o))); diff != "" {
		t.Errorf("documents differ a day later:\n%.2000s", diff)
	}
}

// TestDocuments: every document is one JSON object that resources can read,
// and says of itself what the ref says of it.
func TestDocuments(t *testing.T) {
	w, c := newWorld(sim.Options{Seed: 11})
	for range 500 {
		w.Step(c.step(time.Minute))
	}
	seen := map[string]int{}
	for _, ref := range everyRef(t, w) {
		seen[ref.Type]++
		o, err := w.Describe(context.Background(), ref)
		if err != nil || o.Deleted {
			t.Fatalf("describe %s: deleted %t, %v", ref, o.Deleted, err)
		}
		if diff := cmp.Diff(ref, o.Ref); diff != "" {
			t.Fatalf("listed and described refs differ (-listed +described):\n%s", diff)
		}
		if !json.Valid(o.Document) {
			t.Fatalf("%s: invalid JSON: %s", ref, o.Document)
		}
		typ, _ := resources.Find(ref.Type)
		view, err := typ.View(ref, o.Document)
		if err != nil {
			t.Fatalf("%s: %v\n%s", ref, err, o.Document)
		}
		if view.ARN != "" && view.ARN != ref.ARN {
			t.Errorf("the document of %s calls itself %s", ref, view.ARN)
		}
		if view.Region != "" && view.Region != ref.Region {
			t.Errorf("%s lies in %s, its document says %s", ref, ref.Region, view.Region)
		}
		if want := typ.Ref(ref.Account, ref.Region, ref.ID); want.ARN != "" && want != ref {
			t.Errorf("ref is %+v, resources would make %+v", ref, want)
		}
	}
	for _, typ := range resources.All() {
		if seen[typ.Name] == 0 {
			t.Errorf("the world has no %s", typ.Name)
		}
	}
}

// TestFreshWorld: every policy has findings from the beginning, and most
// resources are well.
func TestFreshWorld(t *testing.T) {
	for _, size := range []int{60, sim.DefaultResources, 5000} {
		for seed := range uint64(4) {
			w, _ := newWorld(sim.Options{Seed: seed, Resources: size})
			byPolicy := map[string]int{}
			for _, e := range w.Expect() {
				byPolicy[e.Policy]++
			}
			for _, policy := range starterPolicies {
				if byPolicy[policy] == 0 {
					t.Errorf("seed %d, %d resources: no finding of %s", seed, size, policy)
				}
				delete(byPolicy, policy)
			}
			if len(byPolicy) > 0 {
				t.Errorf("findings of policies that nobody knows: %v", byPolicy)
			}
			refs := everyRef(t, w)
			if n := len(refs); math.Abs(float64(n-size)) > 0.1*float64(size)+20 {
				t.Errorf("seed %d: %d resources were asked for, %d made", seed, size, n)
			}
			if share := float64(len(w.Expect())) / float64(len(refs)); share > 0.35 {
				t.Errorf("seed %d, %d resources: %.2f findings a resource: too bad to be believed", seed, size, share)
			}
		}
	}
}

var starterPolicies = []string{
	"S3BucketPublic", "S3BucketPublicAccessBlockDisabled", "S3BucketVersioningDisabled", "S3BucketEncryptionDisabled",
	"S3BucketMfaDeleteDisabled", "IAMRootAccountActive", "IAMUserMfaDisabled", "IAMPolicyOverlyPermissive",
	"IAMAccessKeyUnused", "IAMAccessKeyNotRotated", "EC2UnencryptedEBS", "RDSPublicAccess", "EC2SecurityGroupOpenToWorld",
}

// TestLongRun: a world that runs for days stays about as large and about as
// good as it began, and findings both open and close.
func TestLongRun(t *testing.T) {
	w, c := newWorld(sim.Options{Seed: 9, Resources: 600})
	size, bad := len(everyRef(t, w)), len(w.Expect())
	opened, resolved := 0, 0
	before := w.Expect()
	for range 10_000 {
		w.Step(c.step(2 * time.Second))
	}
	for range 400 {
		w.Step(c.step(2 * time.Second))
		after := w.Expect()
		for _, e := range after {
			if !slices.Contains(before, e) {
				opened++
			}
		}
		for _, e := range before {
			if !slices.Contains(after, e) {
				resolved++
			}
		}
		before = after
	}
	if n := len(everyRef(t, w)); n < size*9/10 || n > size*5/4 {
		t.Errorf("the world grew from %d to %d resources", size, n)
	}
	if n := len(w.Expect()); n < bad/2 || n > bad*2 {
		t.Errorf("the world went from %d to %d findings", bad, n)
	}
	if opened < 40 || resolved < 40 {
		t.Errorf("400 steps opened %d findings and resolved %d", opened, resolved)
	}
}

// TestListPages: what is there during the whole listing is listed once, though
// other things come and go meanwhile.
func TestListPages(t *testing.T) {
	w, c := newWorld(sim.Options{Seed: 2, Accounts: 1, Resources: 400, PageSize: 7})
	account := w.Accounts()[0].ID
	for _, typ := range resources.All() {
		t.Run(typ.Name, func(t *testing.T) {
			before := map[string]bool{}
			for _, ref := range everyRef(t, w) {
				before[ref.Key()] = ref.Type == typ.Name
			}
			listed := map[string]int{}
			for _, region := range w.Accounts()[0].Regions {
				for token := ""; ; {
					refs, next, err := w.List(context.Background(), account, region, typ.Name, token)
					if err != nil {
						t.Fatal(err)
					}
					if len(refs) > 7 {
						t.Fatalf("a page of %d, want 7 at the most", len(refs))
					}
					for _, ref := range refs {
						listed[ref.Key()]++
					}
					if next == "" {
						break
					}
					token = next
					for range 5 {
						w.Step(c.step(time.Second))
					}
				}
			}
			after := documents(t, w)
			for key, of := range before {
				if _, stayed := after[key]; of && stayed && listed[key] != 1 {
					t.Errorf("%s listed %d times", key, listed[key])
				}
			}
			for key, n := range listed {
				if n > 1 {
					t.Errorf("%s listed %d times", key, n)
				}
			}
		})
	}
}

// TestConcurrentUse: reads from many goroutines while the world changes. Run
// it with -race.
func TestConcurrentUse(t *testing.T) {
	o := sim.Options{Seed: 1, Resources: 400, Faults: allFaults, Start: noon, Now: func() time.Time { return noon }}
	o.Faults.Throttle, o.Faults.Transient = 0, 0
	w := sim.New(o)
	refs := everyRef(t, w)
	ctx, cancel := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	for i := range 128 {
		readers.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				ref := refs[n*7%len(refs)]
				o, err := w.Describe(context.Background(), ref)
				if err != nil || !o.Deleted && !bytes.HasPrefix(o.Document, []byte(`{"`)) {
					t.Errorf("describe %s: %v %.20s", ref, err, o.Document)
					return
				}
				if n%500 == 0 {
					w.Expect()
					w.Truth(ref)
					if _, _, err := w.List(context.Background(), ref.Account, ref.Region, ref.Type, ""); err != nil {
						t.Errorf("list: %v", err)
						return
					}
				}
			}
		})
	}
	nowhere := func(context.Context, string, []byte) error { return nil }
	for n := range 200 {
		w.Step(noon.Add(time.Duration(n) * time.Second))
		w.Load(3)
		if _, err := w.Change(context.Background(), "bucket-create-bare", "", nowhere); err != nil {
			t.Error(err)
		}
	}
	cancel()
	readers.Wait()
}
