package processor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
	storememory "github.com/qrie-sec/qrie/store/memory"
	"github.com/qrie-sec/qrie/stream"
	streammemory "github.com/qrie-sec/qrie/stream/memory"
)

// trail reads the published CloudTrail records and what they name.
func trail(t *testing.T) (records [][]byte, world trailWorld) {
	t.Helper()
	files, err := filepath.Glob("../../shared/data/events/*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("SKIPPED: the published events are not here (../../shared/data/events)")
	}
	world = trailWorld{}
	ids := map[string]int{}
	decoder := ingest.NewDecoder(resources.All())
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var l struct{ Event json.RawMessage }
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			d, err := decoder.Decode(ingest.Raw{Record: l.Event})
			if err != nil || d.Drop != "" || !qrie.ValidAccountID(d.Event.Account) {
				continue
			}
			if ids[d.Event.ID]++; ids[d.Event.ID] > 1 { // whoever published them wrote one id into several
				l.Event = bytes.ReplaceAll(l.Event, []byte(d.Event.ID), fmt.Appendf(nil, "%s-%d", d.Event.ID, ids[d.Event.ID]))
			}
			records = append(records, l.Event)
			for _, m := range d.Marks {
				if m.Ref.ID != "" {
					world[m.Ref.Key()] = m.Ref
				}
				world.watch(d.Event.Account)
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if len(records) < 50 {
		t.Fatalf("%d records of the trail mark something", len(records))
	}
	return records, world
}

// trailWorld is an organisation that stands still: every resource that the
// trail names, in a state that its name decides, read at one moment.
type trailWorld map[string]qrie.Ref

func (w trailWorld) watch(account string) {
	t, _ := resources.Find("AWS::Account")
	ref := t.Ref(account, "us-east-1", account)
	w[ref.Key()] = ref
}

func (w trailWorld) accounts() map[string][]string {
	regions := map[string][]string{}
	for _, ref := range w {
		if !slices.Contains(regions[ref.Account], ref.Region) {
			regions[ref.Account] = append(regions[ref.Account], ref.Region)
		}
	}
	return regions
}

var trailObserved = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// trailDocuments hold two states of some types; others are as empty as AWS may
// answer.
var trailDocuments = map[string][]string{
	"AWS::S3::Bucket":         {versioned, unversioned},
	"AWS::IAM::User":          {`{"User":{"UserName":"u"},"LoginProfile":{"CreateDate":"2020-01-01T00:00:00Z"},"MFADevices":[],"Groups":[]}`, `{"User":{"UserName":"u"},"MFADevices":[],"Groups":[]}`},
	"AWS::EC2::SecurityGroup": {`{"SecurityGroup":{"GroupId":"g","IpPermissions":[{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"IpRanges":[{"CidrIp":"0.0.0.0/0"}]}],"IpPermissionsEgress":[]}}`, `{"SecurityGroup":{"GroupId":"g","IpPermissions":[],"IpPermissionsEgress":[]}}`},
}

func (w trailWorld) Describe(_ context.Context, ref qrie.Ref) (qrie.Observation, error) {
	time.Sleep(30 * time.Millisecond)
	known, ok := w[ref.Key()]
	if !ok {
		return qrie.Observation{Ref: ref, ObservedAt: trailObserved, Deleted: true}, nil
	}
	ref = known // AWS says in which Region a bucket is, whatever an event said
	doc := "{}"
	if states := trailDocuments[ref.Type]; states != nil {
		h := fnv.New32a()
		h.Write([]byte(ref.ID))
		doc = states[int(h.Sum32())%len(states)]
	}
	return qrie.Observation{Ref: ref, ObservedAt: trailObserved, Document: json.RawMessage(doc)}, nil
}

func (w trailWorld) List(_ context.Context, account, region, resourceType, _ string) (refs []qrie.Ref, next string, err error) {
	for _, key := range slices.Sorted(maps.Keys(w)) {
		if ref := w[key]; ref.Account == account && ref.Type == resourceType && (ref.Global || ref.Region == region) {
			refs = append(refs, ref)
		}
	}
	return refs, "", nil
}

// replayed runs records through workers, of which the first so many are killed
// at times, and gives the findings that there are at the end, as JSON. The
// moments at which records came and qrie decided are left out: no two runs share
// them.
func replayed(t *testing.T, world trailWorld, catalogue *policies.Set, records [][]byte, kills ...time.Duration) (findings map[string]string) {
	t.Helper()
	findings = map[string]string{}
	synctest.Test(t, func(t *testing.T) {
		// Long after the last event, as when files are replayed.
		offset := time.Until(trailObserved.AddDate(1, 0, 0))
		now := func() time.Time { return time.Now().Add(offset) }
		db := storememory.New(storememory.Options{})
		log := streammemory.NewLog(streammemory.Options{Now: now})
		for id, regions := range world.accounts() {
			if err := db.PutAccount(t.Context(), qrie.Account{ID: id, Regions: regions}); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range catalogue.All() {
			if _, err := db.PutLaunch(t.Context(), qrie.Launch{Policy: p.ID, Status: qrie.LaunchActive, Definition: p.Definition()}, 0); err != nil {
				t.Fatal(err)
			}
		}
		publisher := log.Open(streammemory.Process{Owner: "publisher", Now: now})
		var wg sync.WaitGroup
		begin := func(n int) (kill, stop func()) {
			killed := make(chan struct{})
			ctx, cancel := context.WithCancel(context.Background())
			owner := fmt.Sprint("worker-", n)
			way := db.Through(func(ctx context.Context, _ string, effect func() error) error {
				time.Sleep(3 * time.Millisecond)
				select {
				case <-killed:
					return context.Canceled
				default:
				}
				return errors.Join(ctx.Err(), effect())
			})
			w, err := New(Options{Starter: Starter{Stream: log.Open(streammemory.Process{Owner: owner, Now: now, Killed: killed}), Store: way, Policies: catalogue, Now: now,
				NewID: func() string { return owner }}, Reader: world, Owner: owner})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { _ = w.Run(ctx) })
			return func() { close(killed); cancel() }, cancel
		}
		kill, stop := begin(0)
		wg.Go(func() {
			for i, r := range records {
				if err := publisher.Publish(context.Background(), []stream.Record{{Key: fmt.Sprint("account-", i%7), Data: r}}); err != nil {
					t.Error(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
		for n, after := range kills {
			time.Sleep(after)
			kill()
			kill, stop = begin(n + 1)
		}
		time.Sleep(2 * time.Hour) // until nothing is left to do
		if n, _, err := db.CountDirty(t.Context()); n != 0 || err != nil {
			t.Errorf("%d marks wait still, %v", n, err)
		}
		stop()
		wg.Wait()
		page := store.PageRequest{Size: store.MaxPage}
		for {
			list, err := db.ListFindings(t.Context(), store.FindingQuery{}, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range list.Items {
				whole, err := db.Finding(t.Context(), f.ID)
				if err != nil {
					t.Fatal(err)
				}
				whole.FirstSeen, whole.OpenedAt, whole.ChangedAt = time.Time{}, time.Time{}, time.Time{}
				for i := range whole.Cause.Events {
					whole.Cause.Events[i].Arrived = time.Time{}
				}
				text, err := json.MarshalIndent(whole, "", " ")
				if err != nil {
					t.Fatal(err)
				}
				findings[f.ID] = string(text)
			}
			if page.Token = list.Next; page.Token == "" {
				break
			}
		}
	})
	return findings
}

// A real trail, shuffled, with copies, and worked on by workers that are killed
// midway, ends in the findings of a clean run, byte for byte.
func TestTrailInAnyOrderEndsAlike(t *testing.T) {
	records, world := trail(t)
	catalogue, err := policies.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	clean := replayed(t, world, catalogue, records)
	exact, several := 0, 0
	for _, text := range clean {
		var f qrie.Finding
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatal(err)
		}
		switch f.Cause.Attribution {
		case qrie.AttributionExact:
			exact++
		case qrie.AttributionAmbiguous:
			several++
		}
	}
	t.Logf("%d records, %d resources, %d findings, %d with an exact cause and %d with an ambiguous one", len(records), len(world), len(clean), exact, several)
	if exact == 0 || several == 0 {
		t.Fatal("the trail proves nothing of causes")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for round := range 5 {
		var shuffled [][]byte
		for _, r := range records {
			for range 1 + rng.IntN(3) {
				shuffled = append(shuffled, r)
			}
		}
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		var kills []time.Duration
		for range rng.IntN(4) {
			kills = append(kills, time.Duration(rng.IntN(3000))*time.Millisecond)
		}
		dirty := replayed(t, world, catalogue, shuffled, kills...)
		if diff := cmp.Diff(clean, dirty); diff != "" {
			t.Errorf("round %d, %d records, killed after %v (-clean +shuffled):\n%.3000s", round, len(shuffled), kills, diff)
		}
	}
}
