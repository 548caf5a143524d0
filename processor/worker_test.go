package processor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
	storememory "github.com/qrie-sec/qrie/store/memory"
	"github.com/qrie-sec/qrie/stream"
	streammemory "github.com/qrie-sec/qrie/stream/memory"
)

const (
	shop   = "111111111111"
	ledger = "222222222222"

	versioningOff = "S3BucketVersioningDisabled"
	keyNotRotated = "IAMAccessKeyNotRotated"
	publicAccess  = "RDSPublicAccess"
)

// account is AWS, as far as a worker reads it: documents by key, and what
// befalls who reads them. It is safe for concurrent use.
type account struct {
	mu    sync.Mutex
	docs  map[string]string // by Ref.Key
	refs  map[string]qrie.Ref
	fault func(ref qrie.Ref, list bool) *qrie.Fault // nil: none
	boom  string                                    // the id of a resource on which reading panics
	reads map[string]int                            // describes by id
	takes atomic.Int64                              // how long a describe takes, in nanoseconds; 0 for as long as it mostly does
}

func (a *account) put(ref qrie.Ref, doc string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.docs[ref.Key()], a.refs[ref.Key()] = doc, ref
}

func (a *account) remove(ref qrie.Ref) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.docs, ref.Key())
	delete(a.refs, ref.Key())
}

func (a *account) fails(fault func(ref qrie.Ref, list bool) *qrie.Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault = fault
}

// panics lets reading a resource panic from now on; an empty id ends that.
func (a *account) panics(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.boom = id
}

func (a *account) Describe(_ context.Context, ref qrie.Ref) (qrie.Observation, error) {
	at := time.Now()
	time.Sleep(cmp.Or(time.Duration(a.takes.Load()), 20*time.Millisecond))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads[ref.ID]++
	if a.boom != "" && ref.ID == a.boom {
		panic("a document that nobody expected")
	}
	if a.fault != nil {
		if f := a.fault(ref, false); f != nil {
			return qrie.Observation{}, f
		}
	}
	doc, ok := a.docs[ref.Key()]
	return qrie.Observation{Ref: ref, ObservedAt: at, AnsweredAt: time.Now(), Deleted: !ok, Document: json.RawMessage(doc)}, nil
}

func (a *account) List(_ context.Context, id, region, resourceType, _ string) (refs []qrie.Ref, next string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fault != nil {
		if f := a.fault(qrie.Ref{Account: id, Region: region, Type: resourceType}, true); f != nil {
			return nil, "", f
		}
	}
	for _, key := range slices.Sorted(maps.Keys(a.refs)) {
		if ref := a.refs[key]; ref.Account == id && ref.Type == resourceType && (ref.Global || ref.Region == region) {
			refs = append(refs, ref)
		}
	}
	return refs, "", nil
}

// rig is a worker in a bubble of testing/synctest, on the adapters in memory.
type rig struct {
	*testing.T
	aws      *account
	store    *storememory.Store
	stream   stream.Stream
	worker   *Worker
	registry *prometheus.Registry
	events   int          // published so far
	jobs     atomic.Int64 // started so far
	stop     func()
}

// bubbled runs a test in virtual time, with two accounts and three policies.
func bubbled(t *testing.T, test func(r *rig)) {
	catalogue, err := policies.Catalogue() // made outside: it lives on
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, aws: &account{docs: map[string]string{}, refs: map[string]qrie.Ref{}, reads: map[string]int{}}, store: storememory.New(storememory.Options{})}
		log := streammemory.NewLog(streammemory.Options{Now: time.Now})
		r.stream = log.Open(streammemory.Process{Owner: "worker"})
		for _, id := range []string{shop, ledger} {
			r.must(r.store.PutAccount(t.Context(), qrie.Account{ID: id, Name: id, Regions: []string{"eu-west-1"}}))
		}
		for _, id := range []string{versioningOff, keyNotRotated, publicAccess} {
			p, _ := catalogue.Get(id)
			_, err := r.store.PutLaunch(t.Context(), qrie.Launch{Policy: id, Status: qrie.LaunchActive, Definition: p.Definition()}, 0)
			r.must(err)
		}
		r.begin(catalogue)
		test(r)
		r.stop()
	})
}

// begin starts a worker.
func (r *rig) begin(catalogue *policies.Set) {
	r.Helper()
	r.registry = prometheus.NewRegistry()
	var err error
	r.worker, err = New(Options{
		Starter: Starter{Stream: r.stream, Store: r.store, Policies: catalogue, Now: time.Now, NewID: func() string { return fmt.Sprint("job-", r.jobs.Add(1)) }},
		Reader:  r.aws, Owner: "worker", Schedule: true, Registerer: r.registry, CallsPerSecond: 1000,
		Jitter: func(d time.Duration) time.Duration { return d / 2 },
	})
	r.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.worker.Run(ctx); err != nil {
			r.Errorf("worker: %v", err)
		}
	})
	r.stop = func() { cancel(); wg.Wait() }
	time.Sleep(time.Second)
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func bucketOf(account string, n int) qrie.Ref {
	typ, _ := resources.Find("AWS::S3::Bucket")
	return typ.Ref(account, "eu-west-1", fmt.Sprintf("bucket-%03d", n))
}

// happen publishes an event of one bucket, so many times.
func (r *rig) happen(ref qrie.Ref, name string, at time.Time, copies int) string {
	r.Helper()
	return r.called(ref, "s3.amazonaws.com", name, fmt.Sprintf(`{"bucketName":%q}`, ref.ID), at, copies)
}

// called publishes the event of a call on a resource, so many times.
func (r *rig) called(ref qrie.Ref, source, name, parameters string, at time.Time, copies int) string {
	r.Helper()
	r.events++
	id := fmt.Sprintf("event-%d", r.events)
	text := fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","userName":"ann","accountId":%q,"arn":"arn:aws:iam::%s:user/ann"},"eventTime":%q,"eventSource":%q,"eventName":%q,"awsRegion":"eu-west-1","requestParameters":%s,"responseElements":null,"readOnly":false,"eventID":%q,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":%q}`,
		ref.Account, ref.Account, at.UTC().Format(time.RFC3339), source, name, parameters, id, ref.Account)
	for range copies {
		r.must(r.stream.Publish(r.Context(), []stream.Record{{Key: ref.Account, Data: []byte(text)}}))
	}
	return id
}

// scan runs an inventory to its end.
func (r *rig) scan() store.Job {
	r.Helper()
	job, err := r.worker.Inventory(r.Context(), "request", Extent{})
	r.must(err)
	return r.ended(job.ID)
}

func (r *rig) ended(id string) store.Job {
	r.Helper()
	for range 3600 {
		j, err := r.store.Job(r.Context(), id)
		if err == nil && j.State != store.JobRunning {
			return j
		}
		time.Sleep(time.Second)
	}
	r.Fatalf("job %s has not ended within an hour", id)
	return store.Job{}
}

func (r *rig) finding(ref qrie.Ref, policy string) qrie.Finding {
	r.Helper()
	f, err := r.store.Finding(r.Context(), ref.FindingID(policy))
	if errors.Is(err, qrie.ErrNotFound) {
		return qrie.Finding{}
	}
	r.must(err)
	return f
}

// active counts the active findings of an account.
func (r *rig) active(account string) (n int64) {
	r.Helper()
	counts, err := r.store.CountFindings(r.Context(), account)
	r.must(err)
	for _, c := range counts {
		if c.State == qrie.Active {
			n += c.Count
		}
	}
	return n
}

// health is what is wrong with an account, as words.
func (r *rig) health(account string) string {
	r.Helper()
	found, err := r.store.Health(r.Context(), []string{account})
	r.must(err)
	var words []string
	for _, c := range found[account] {
		words = append(words, strings.TrimSpace(c.Type+" "+string(c.State)+" "+c.Action))
	}
	return strings.Join(words, "; ")
}

// known has a resource scanned, and waits until nothing of that is left to do.
func (r *rig) known(ref qrie.Ref, document string) {
	r.aws.put(ref, document)
	r.scan()
	time.Sleep(time.Hour)
}

// counted reads a counter or gauge by one value of its labels.
func (r *rig) counted(name, value string) (sum float64) {
	r.Helper()
	families, err := r.registry.Gather()
	r.must(err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == value {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return sum
}

// A role that points at another account makes everything look deleted. Then
// nothing is resolved before somebody has looked.
func TestManyDeletionsAtOnceAreHeld(t *testing.T) {
	bubbled(t, func(r *rig) {
		const n = 200
		for i := range n {
			r.aws.put(bucketOf(shop, i), unversioned)
		}
		r.scan()
		if got := r.active(shop); got != n {
			r.Fatalf("%d findings, want %d", got, n)
		}
		elsewhere := map[string]string{}
		r.aws.mu.Lock()
		docs, refs := r.aws.docs, r.aws.refs
		r.aws.docs, r.aws.refs = elsewhere, map[string]qrie.Ref{}
		r.aws.mu.Unlock()
		r.scan()
		left := r.active(shop)
		if left < n-guardLeast || left == n {
			r.Errorf("%d findings are left of %d; %d may go before the deletions are held", left, n, guardLeast)
		}
		if got := r.health(shop); got != "AWS::S3::Bucket mass_delete" {
			r.Errorf("health %q", got)
		}
		time.Sleep(2 * time.Hour) // those that are held are looked at again, and held again
		if again := r.active(shop); again != left {
			r.Errorf("%d findings after two hours, %d before: held deletions leak", again, left)
		}

		// It was the role: the resources are there, and the alarm ends.
		r.aws.mu.Lock()
		r.aws.docs, r.aws.refs = docs, refs
		r.aws.mu.Unlock()
		r.scan()
		if got := r.active(shop); got != n {
			r.Errorf("%d findings once the role is right, want %d", got, n)
		}
		if got := r.health(shop); got != "" {
			r.Errorf("health %q once the role is right", got)
		}

		// The next time they are gone indeed, and somebody says so.
		r.aws.mu.Lock()
		r.aws.docs, r.aws.refs = elsewhere, map[string]qrie.Ref{}
		r.aws.mu.Unlock()
		time.Sleep(guardWindow)
		r.scan()
		found, err := r.store.Health(r.Context(), []string{shop})
		r.must(err)
		c := found[shop][0]
		c.Released, c.UpdatedAt = time.Now(), time.Now()
		_, err = r.store.PutCondition(r.Context(), shop, c)
		r.must(err)
		r.scan()
		r.scan() // the first that meets none that is held ends the alarm
		if got := r.active(shop); got != 0 {
			r.Errorf("%d findings after the release", got)
		}
		if f := r.finding(bucketOf(shop, n-1), versioningOff); f.Resolution != qrie.ResolvedDeleted {
			r.Errorf("resolved as %q", f.Resolution)
		}
		if got := r.health(shop); got != "" {
			r.Errorf("health %q after the release", got)
		}
	})
}

// Deletions that events name are nobody's mistake of reading.
func TestDeletionsByEventsAreNotHeld(t *testing.T) {
	bubbled(t, func(r *rig) {
		const n = 150
		for i := range n {
			r.aws.put(bucketOf(shop, i), unversioned)
		}
		r.scan()
		for i := range n {
			r.aws.remove(bucketOf(shop, i))
			r.happen(bucketOf(shop, i), "DeleteBucket", time.Now(), 1)
		}
		time.Sleep(time.Minute)
		if got := r.active(shop); got != 0 {
			r.Errorf("%d findings of deleted buckets", got)
		}
		if f := r.finding(bucketOf(shop, 3), versioningOff); f.Resolution != qrie.ResolvedDeleted || f.ResolvedCause == nil || f.ResolvedCause.Attribution != qrie.AttributionExact {
			r.Errorf("resolved as %q, cause %+v", f.Resolution, f.ResolvedCause)
		}
		if got := r.health(shop); got != "" {
			r.Errorf("health %q", got)
		}
	})
}

// What cannot be seen stays as it was, and the account says why; other accounts
// do not notice.
func TestRoleDeniedForAnHour(t *testing.T) {
	bubbled(t, func(r *rig) {
		for i := range 40 {
			r.aws.put(bucketOf(shop, i), unversioned)
			r.aws.put(bucketOf(ledger, i), unversioned)
		}
		r.scan()
		r.aws.fails(func(ref qrie.Ref, _ bool) *qrie.Fault {
			if ref.Account != shop {
				return nil
			}
			return &qrie.Fault{Kind: qrie.Unreached, Account: shop, Region: ref.Region, Action: "sts:AssumeRole", Code: "AccessDenied", Err: errors.New("not authorized")}
		})
		var worst time.Duration
		for i := range 30 { // an hour, two minutes apart
			for _, id := range []string{shop, ledger} {
				r.aws.put(bucketOf(id, i), versioned)
				r.happen(bucketOf(id, i), "PutBucketVersioning", time.Now(), 1)
			}
			began := time.Now()
			for r.finding(bucketOf(ledger, i), versioningOff).State == qrie.Active {
				time.Sleep(100 * time.Millisecond)
				if time.Since(began) > time.Minute {
					r.Fatalf("a change in another account is not seen within a minute")
				}
			}
			worst = max(worst, time.Since(began))
			time.Sleep(2*time.Minute - time.Since(began))
		}
		if worst > 5*time.Second {
			r.Errorf("another account waited for %s", worst)
		}
		if got := r.active(shop); got != 40 {
			r.Errorf("%d findings of what cannot be seen, want all 40", got)
		}
		if got := r.health(shop); got != "role_denied sts:AssumeRole" {
			r.Errorf("health %q", got)
		}
		if got := r.health(ledger); got != "" {
			r.Errorf("health of the other account %q", got)
		}
		if denied, ok := r.counted("qrie_accounts", "role_denied"), r.counted("qrie_accounts", "ok"); denied != 1 || ok != 1 {
			r.Errorf("qrie_accounts: %v denied, %v ok", denied, ok)
		}
		before := r.aws.reads["bucket-000"]

		r.aws.fails(nil)
		time.Sleep(maxPark + 2*time.Minute)
		if got := r.active(shop); got != 10 {
			r.Errorf("%d findings after the role was mended, want 10", got)
		}
		if got := r.health(shop); got != "" {
			r.Errorf("health %q after the role was mended", got)
		}
		if reads := before; reads > 10 {
			r.Errorf("a resource was asked for %d times within an hour of refusals", reads)
		}
	})
}

// A permission that lacks is a matter of its type, and names the action.
func TestPermissionLacksForOneType(t *testing.T) {
	bubbled(t, func(r *rig) {
		users, _ := resources.Find("AWS::IAM::User")
		for i := range 20 {
			r.aws.put(bucketOf(shop, i), unversioned)
			r.aws.put(users.Ref(shop, "us-east-1", fmt.Sprint("user-", i)), `{"User":{"UserName":"u"}}`)
		}
		r.scan()
		r.aws.fails(func(ref qrie.Ref, list bool) *qrie.Fault {
			if ref.Type != "AWS::S3::Bucket" || list {
				return nil
			}
			return &qrie.Fault{Kind: qrie.Denied, Account: shop, Region: ref.Region, Action: "s3:GetBucketLocation", Code: "AccessDenied", Err: errors.New("no")}
		})
		r.scan()
		if got := r.health(shop); got != "AWS::S3::Bucket denied s3:GetBucketLocation" {
			r.Errorf("health %q", got)
		}
		if got := r.active(shop); got != 20 {
			r.Errorf("%d findings, want all 20 as they were", got)
		}
		if got := r.counted("qrie_breaker_open", "account"); got != 0 {
			r.Errorf("%v accounts are not asked at all", got)
		}
		read := r.aws.reads["user-3"]
		r.scan()
		if r.aws.reads["user-3"] == read {
			r.Error("users are not read any more")
		}
		r.aws.fails(nil)
		time.Sleep(time.Hour)
		if got := r.health(shop); got != "" {
			r.Errorf("health %q after the permission was given", got)
		}
	})
}

// A resource that makes the worker panic is set aside, with what asked for it,
// and nobody else notices.
func TestPanicIsBuried(t *testing.T) {
	bubbled(t, func(r *rig) {
		r.aws.panics("bucket-001")
		for i := range 3 {
			r.aws.put(bucketOf(shop, i), unversioned)
			r.happen(bucketOf(shop, i), "CreateBucket", time.Now(), 1)
		}
		time.Sleep(time.Minute)
		if got := r.active(shop); got != 2 {
			r.Errorf("%d findings, want those of the two others", got)
		}
		letters, err := r.store.ListDeadLetters(r.Context(), store.PageRequest{})
		r.must(err)
		if len(letters.Items) != 1 || !strings.Contains(letters.Items[0].Reason, "panicked") {
			r.Fatalf("dead letters %+v", letters.Items)
		}
		// Replayed once the program is mended, it does what it was for.
		r.aws.panics("")
		letter, err := r.store.DeadLetter(r.Context(), letters.Items[0].ID)
		r.must(err)
		r.must(r.stream.Publish(r.Context(), []stream.Record{{Key: letter.Key, Data: letter.Data}}))
		time.Sleep(time.Minute)
		if got := r.active(shop); got != 3 {
			r.Errorf("%d findings after the replay, want 3", got)
		}
	})
}

// A scan tells how many it could not read: nobody knows what they are now.
func TestScanTellsWhatPanics(t *testing.T) {
	bubbled(t, func(r *rig) {
		for i := range 3 {
			r.known(bucketOf(shop, i), unversioned)
		}
		r.aws.panics("bucket-001")
		if j := r.scan(); j.Failed != 2 || j.Items != 3 || j.State != store.JobDone {
			r.Errorf("with one that is listed, swept then, and cannot be read: %+v", j)
		}
		r.aws.remove(bucketOf(shop, 1))
		if j := r.scan(); j.Failed != 1 || j.Items != 2 || j.State != store.JobDone {
			r.Errorf("with one that is stored and cannot be read: %+v", j)
		}
		r.aws.panics("")
		if j := r.scan(); j.Failed != 0 || j.State != store.JobDone {
			r.Errorf("with all that can be read: %+v", j)
		}
	})
}

// What was made and deleted before anybody read it leaves a tombstone, so that a
// worker that saw it meanwhile, and stood still, cannot bring it back.
func TestGoneBeforeItWasRead(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		seen := time.Now()
		r.happen(ref, "CreateBucket", seen, 1)
		time.Sleep(time.Minute)
		if stored, err := r.store.ResourceState(r.Context(), ref); !errors.Is(err, qrie.ErrNotFound) {
			r.Errorf("while it may be seen yet, %+v is stored (%v)", stored, err)
		}
		time.Sleep(10 * time.Minute)
		stored, err := r.store.Resource(r.Context(), ref.ResourceID())
		r.must(err)
		if !stored.Deleted || stored.Cause.Attribution == qrie.AttributionExact {
			r.Errorf("stored is %+v", stored)
		}
		late := store.Evaluation{Changed: true, Next: store.Resource{Ref: ref, ObservedAt: seen, ListedAt: seen, FirstSeen: seen, ChangedAt: seen,
			Document: json.RawMessage(unversioned), Hash: "hash", Heads: map[string]store.Head{}}}
		if err := r.store.Apply(r.Context(), late); !errors.Is(err, qrie.ErrConflict) && !errors.Is(err, qrie.ErrStale) {
			r.Errorf("a late snapshot is answered %v", err)
		}
		// It may be made again.
		r.aws.put(ref, unversioned)
		r.happen(ref, "CreateBucket", time.Now(), 1)
		time.Sleep(time.Minute)
		if r.active(shop) == 0 {
			r.Error("no finding of the bucket that was made anew")
		}
	})
}

// A look that somebody else was ahead of writes nothing, but what its events did may
// be yet to be seen: the next look is planned all the same.
func TestStaleLookPlansTheNext(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.known(ref, versioned)
		r.aws.takes.Store(int64(5 * time.Second))
		r.happen(ref, "PutBucketVersioning", time.Now(), 1)
		time.Sleep(3 * time.Second)
		newer, err := r.store.ResourceState(r.Context(), ref)
		r.must(err)
		newer.ObservedAt = time.Now()
		r.must(r.store.Apply(r.Context(), store.Evaluation{Base: newer.Version, Next: newer}))
		time.Sleep(3 * time.Second)
		if n := r.counted("qrie_marks_total", "stale"); n != 1 {
			t.Fatalf("%g looks were stale, want 1", n)
		}
		n, _, err := r.store.CountDirty(r.Context())
		r.must(err)
		if n != 1 {
			t.Errorf("%d looks are planned, want 1", n)
		}
		r.aws.put(ref, unversioned)
		time.Sleep(time.Minute)
		if f := r.finding(ref, versioningOff); f.State != qrie.Active {
			t.Errorf("what AWS showed late is a finding that is %q", f.State)
		}
	})
}

// A scan is quicker than the event, which says who did it all the same.
func TestLateEventTellsTheCause(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.known(ref, versioned)
		r.aws.put(ref, unversioned)
		happened := time.Now()
		time.Sleep(time.Minute)
		r.scan()
		if f := r.finding(ref, versioningOff); f.State != qrie.Active || f.Cause.Attribution != qrie.AttributionUnknown {
			r.Fatalf("found by the scan: %s, cause %+v", f.State, f.Cause)
		}
		if drift := r.counted("qrie_drift_found_by_scan_total", "s3"); drift != 1 {
			r.Errorf("drift %v, want 1", drift)
		}
		time.Sleep(10 * time.Minute)
		id := r.happen(ref, "PutBucketVersioning", happened, 1)
		time.Sleep(time.Minute)
		f := r.finding(ref, versioningOff)
		if f.Cause.Attribution != qrie.AttributionExact || f.Cause.Events[0].ID != id || f.Cause.Events[0].Actor.Name != "ann" {
			r.Errorf("cause %+v", f.Cause)
		}
		if got := r.counted("qrie_marks_total", "explained"); got != 1 {
			r.Errorf("%v marks explained, want 1", got)
		}
		reads := r.aws.reads[ref.ID]
		r.happen(ref, "PutBucketVersioning", happened, 3) // another of the same time: ambiguous
		time.Sleep(time.Minute)
		if f := r.finding(ref, versioningOff); f.Cause.Attribution != qrie.AttributionAmbiguous || len(f.Cause.Events) != 2 {
			r.Errorf("cause with another event %+v", f.Cause)
		}
		if r.aws.reads[ref.ID] != reads {
			r.Errorf("events that are long over cost %d reads", r.aws.reads[ref.ID]-reads)
		}
	})
}

// An event whose own change is yet to be seen explains no other change.
func TestEventThatIsNotSeenYetExplainsNothing(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.known(ref, versioned)
		r.aws.put(ref, unversioned) // nobody tells of it
		time.Sleep(time.Minute)
		r.scan()
		late := r.happen(ref, "PutBucketTagging", time.Now().Add(-time.Second), 1)
		time.Sleep(8 * time.Second) // looked at, and nothing is to be seen yet
		r.aws.put(ref, strings.Replace(unversioned, `{`, `{"Tagging":{"TagSet":[{"Key":"a","Value":"b"}]},`, 1))
		time.Sleep(10 * time.Minute)
		resource, err := r.store.Resource(r.Context(), ref.ResourceID())
		r.must(err)
		if len(resource.Cause.Events) != 1 || resource.Cause.Events[0].ID != late {
			r.Errorf("cause of the last change %+v", resource.Cause)
		}
		if f := r.finding(ref, versioningOff); len(f.Cause.Events) != 0 {
			r.Errorf("cause of the finding %+v", f.Cause)
		}
	})
}

// An event that comes late is behind the change before it too, which was ascribed
// to the one that came first.
func TestEventsOutOfOrder(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.known(ref, versioned)
		began := time.Now()
		time.Sleep(3 * time.Second)
		r.aws.put(ref, unversioned) // by the first, and tagged by the second
		second := r.happen(ref, "PutBucketTagging", began.Add(2*time.Second), 1)
		time.Sleep(2 * time.Second)
		if f := r.finding(ref, versioningOff); f.State != qrie.Active {
			r.Fatalf("the finding is %q", f.State)
		}
		r.aws.put(ref, strings.Replace(unversioned, `{`, `{"Tagging":{"TagSet":[{"Key":"a","Value":"b"}]},`, 1))
		third := r.happen(ref, "PutBucketTagging", time.Now(), 1)
		first := r.happen(ref, "PutBucketVersioning", began.Add(time.Second), 1)
		time.Sleep(10 * time.Minute)
		if f := r.finding(ref, versioningOff); causes(f) != "ambiguous "+second+" "+first {
			r.Errorf("the finding is opened by %q, want %s or %s", causes(f), second, first)
		}
		resource, err := r.store.Resource(r.Context(), ref.ResourceID())
		r.must(err)
		if !slices.ContainsFunc(resource.Cause.Events, func(e qrie.Event) bool { return e.ID == third }) {
			r.Errorf("the last change is by %+v, want %s among them", resource.Cause, third)
		}
	})
}

// What happens while AWS answers may be in the answer.
func TestEventDuringALook(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.known(ref, versioned)
		r.aws.takes.Store(int64(5 * time.Second))
		began := time.Now()
		first := r.happen(ref, "PutBucketTagging", began, 1)
		time.Sleep(3 * time.Second)
		r.aws.put(ref, unversioned)
		happened := time.Now()
		time.Sleep(3 * time.Second)
		if f := r.finding(ref, versioningOff); causes(f) != "exact "+first {
			t.Fatalf("the finding is %s by %q, and nobody can know better", f.State, causes(f))
		}
		second := r.happen(ref, "PutBucketVersioning", happened, 1)
		time.Sleep(2 * time.Minute)
		if f := r.finding(ref, versioningOff); causes(f) != "ambiguous "+second+" "+first {
			t.Errorf("the finding is opened by %q, want %s or %s", causes(f), second, first)
		}
	})
}

// An event that comes late need not wait for its last look to be told of what was
// there before it came.
func TestLateEventIsToldAtItsFirstLook(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.known(ref, versioned)
		began := time.Now()
		time.Sleep(2 * time.Second)
		r.aws.put(ref, unversioned)
		second := r.happen(ref, "PutBucketTagging", began.Add(time.Second), 1)
		time.Sleep(50 * time.Second)
		first := r.happen(ref, "PutBucketVersioning", began, 1)
		time.Sleep(5 * time.Second)
		if f := r.finding(ref, versioningOff); causes(f) != "ambiguous "+second+" "+first {
			t.Errorf("the finding is opened by %q, want %s or %s", causes(f), second, first)
		}
	})
}

// Who deleted a resource is known even if the event comes after the scan that
// found it gone.
func TestLateEventOfADeletion(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.known(ref, unversioned)
		r.aws.remove(ref)
		deleted := time.Now()
		time.Sleep(time.Minute)
		r.scan()
		time.Sleep(time.Minute)
		if f := r.finding(ref, versioningOff); f.State != qrie.Resolved || causes(f) != "unknown" {
			r.Fatalf("the finding is %s by %q", f.State, causes(f))
		}
		event := r.happen(ref, "DeleteBucket", deleted, 1)
		time.Sleep(10 * time.Minute)
		if f := r.finding(ref, versioningOff); causes(f) != "exact "+event {
			r.Errorf("the finding is resolved by %q, want %s", causes(f), event)
		}
	})
}

// A verdict that a date changes is due when the date passes, without any event.
func TestVerdictFollowsTheClock(t *testing.T) {
	bubbled(t, func(r *rig) {
		users, _ := resources.Find("AWS::IAM::User")
		ann := users.Ref(shop, "us-east-1", "ann")
		limit := time.Now().Add(36*time.Hour + 17*time.Minute)
		created := limit.Add(-90 * 24 * time.Hour)
		r.aws.put(ann, fmt.Sprintf(`{"User":{"UserName":"ann","Arn":"arn:aws:iam::%s:user/ann"},"AccessKeys":[{"AccessKeyId":"AKIA1","Status":"Active","CreateDate":%q}],"Groups":[]}`, shop, created.UTC().Format(time.RFC3339)))
		r.scan()
		reads := r.aws.reads["ann"]
		time.Sleep(time.Until(limit) - time.Minute)
		if f := r.finding(ann, keyNotRotated); f.ID != "" {
			r.Fatalf("a finding a minute before the key is too old: %+v", f)
		}
		time.Sleep(3*time.Minute + 5*time.Second)
		f := r.finding(ann, keyNotRotated)
		if f.State != qrie.Active {
			r.Fatal("no finding two minutes after the key is too old")
		}
		if f.Cause.Note != "time passed" || len(f.Cause.Events) != 0 {
			r.Errorf("cause %+v", f.Cause)
		}
		if r.aws.reads["ann"] != reads {
			r.Error("AWS was asked for what a date decides")
		}
	})
}

// A hundred edits of one resource cost few reads, and the last is seen.
func TestHundredEditsCostSixReads(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.known(ref, versioned)
		before := r.aws.reads[ref.ID]
		for i := range 100 {
			r.aws.put(ref, []string{unversioned, versioned}[i%2])
			if i == 99 {
				r.aws.put(ref, unversioned)
			}
			r.happen(ref, "PutBucketVersioning", time.Now(), 1)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(10 * time.Minute)
		if f := r.finding(ref, versioningOff); f.State != qrie.Active {
			r.Errorf("the last edit is not seen: %+v", f.State)
		}
		if n := r.aws.reads[ref.ID] - before; n > 6 {
			r.Errorf("a hundred edits within a second cost %d reads, at most 6 are wanted", n)
		}
	})
}

// A resource that changes again and again is looked at with each change, and once
// more when AWS's reads have settled after the last.
func TestLaterLooksOfABusyResource(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.known(ref, versioned)
		before := r.counted("qrie_describes_total", "ok")
		const changes = 12
		for i := range changes {
			r.aws.put(ref, []string{unversioned, versioned}[i%2])
			r.happen(ref, "PutBucketVersioning", time.Now(), 1)
			time.Sleep(20 * time.Second)
		}
		time.Sleep(10 * time.Minute)
		if n := r.counted("qrie_describes_total", "ok") - before; n != changes+1 {
			r.Errorf("%d changes, twenty seconds apart, cost %v reads, want %d", changes, n, changes+1)
		}
		if n := r.counted("qrie_marks_total", "put_off"); n < 3 {
			r.Errorf("%v looks were put off", n)
		}
		if n, _, err := r.store.CountDirty(r.Context()); n > 0 || err != nil {
			r.Errorf("%d marks wait at the end, %v", n, err)
		}
	})
}

// Records that come up to five times cost hardly more than those that come once.
func TestCopiesCostNoReads(t *testing.T) {
	reads := func(copies func(i int) int) (n int) {
		bubbled(t, func(r *rig) {
			for i := range 60 {
				r.aws.put(bucketOf(shop, i), versioned)
			}
			r.scan()
			time.Sleep(time.Hour)
			before := r.counted("qrie_describes_total", "ok")
			for i := range 60 {
				r.aws.put(bucketOf(shop, i), unversioned)
				r.happen(bucketOf(shop, i), "PutBucketVersioning", time.Now(), copies(i))
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(10 * time.Minute)
			if got := r.active(shop); got != 60 {
				r.Errorf("%d findings, want 60", got)
			}
			n = int(r.counted("qrie_describes_total", "ok") - before)
		})
		return n
	}
	once, often := reads(func(int) int { return 1 }), reads(func(i int) int { return 1 + i%5 })
	t.Logf("%d reads for records that come once, %d for those that come one to five times", once, often)
	if float64(often) > 1.2*float64(once) {
		t.Errorf("copies cost %d reads where %d would do", often, once)
	}
}

// A listing that was given up is made again by itself, for whatever it missed.
func TestListingGivenUpIsMadeAgain(t *testing.T) {
	bubbled(t, func(r *rig) {
		r.scan()
		ref := bucketOf(shop, 1)
		r.aws.put(ref, unversioned) // nobody tells of it
		r.aws.fails(func(ref qrie.Ref, list bool) *qrie.Fault {
			if !list || ref.Account != shop {
				return nil
			}
			return &qrie.Fault{Kind: qrie.Throttled, Account: shop, Region: ref.Region, Action: "s3:ListAllMyBuckets", Code: "SlowDown", Err: errors.New("slow down")}
		})
		if j := r.scan(); j.Failed == 0 || j.Error == "" {
			r.Errorf("the job says nothing of what failed: %+v", j)
		}
		r.aws.fails(nil)
		time.Sleep(listAgain + 2*time.Minute)
		if f := r.finding(ref, versioningOff); f.State != qrie.Active {
			r.Error("what the listing missed is not found")
		}
	})
}

// Another definition of a policy judges everything anew, at once.
func TestCatalogueIsUpgraded(t *testing.T) {
	bubbled(t, func(r *rig) {
		r.aws.put(bucketOf(shop, 1), unversioned)
		r.scan()
		catalogue := r.worker.Policies
		r.stop()
		// As a worker of an older version has left it.
		set, err := r.store.LaunchSet(r.Context())
		r.must(err)
		for _, l := range set.Launches {
			if l.Policy == versioningOff {
				l.Definition = "older"
				_, err := r.store.PutLaunch(r.Context(), l, l.Generation)
				r.must(err)
			}
		}
		before := r.finding(bucketOf(shop, 1), versioningOff)
		r.begin(catalogue)
		time.Sleep(time.Minute)
		set, err = r.store.LaunchSet(r.Context())
		r.must(err)
		p, _ := catalogue.Get(versioningOff)
		for _, l := range set.Launches {
			if l.Policy == versioningOff && l.Definition != p.Definition() {
				r.Errorf("launch runs with %q", l.Definition)
			}
		}
		jobs, err := r.store.ListJobs(r.Context(), jobPolicy, 10)
		r.must(err)
		if !slices.ContainsFunc(jobs, func(j store.Job) bool { return j.Reason == "upgraded" && j.State == store.JobDone }) {
			r.Errorf("nothing was judged anew: %+v", jobs)
		}
		stored, err := r.store.ResourceState(r.Context(), bucketOf(shop, 1))
		r.must(err)
		if stored.Heads[versioningOff].Generation <= before.Generation {
			r.Errorf("judged at generation %d as before", stored.Heads[versioningOff].Generation)
		}
		if f := r.finding(bucketOf(shop, 1), versioningOff); f.State != qrie.Active || f.Reopened != 0 {
			r.Errorf("the finding is %s, reopened %d times", f.State, f.Reopened)
		}
	})
}

// What another version launched and no worker of it judges is taken over.
func TestForeignPolicyIsTakenOver(t *testing.T) {
	bubbled(t, func(r *rig) {
		r.aws.put(bucketOf(shop, 1), unversioned)
		r.scan()
		set, err := r.store.LaunchSet(r.Context())
		r.must(err)
		for _, l := range set.Launches {
			if l.Policy == versioningOff {
				l.Definition = "newer"
				_, err := r.store.PutLaunch(r.Context(), l, l.Generation)
				r.must(err)
			}
		}
		job, err := r.worker.Rejudge(r.Context(), versioningOff, "changed")
		r.must(err)
		time.Sleep(foreignFor - time.Minute)
		if j, err := r.store.Job(r.Context(), job.ID); err != nil || j.State != store.JobRunning {
			r.Errorf("job %+v, %v: the other version might have judged", j, err)
		}
		time.Sleep(3 * time.Minute)
		if j := r.ended(job.ID); j.State != store.JobDone {
			r.Errorf("job %+v", j)
		}
		if f := r.finding(bucketOf(shop, 1), versioningOff); f.State != qrie.Active {
			r.Errorf("the finding is %s", f.State)
		}
	})
}

// A policy that another version defines otherwise is left to it.
func TestPolicyOfAnotherVersionIsLeftAlone(t *testing.T) {
	b := testBoard(t, 7, active(versioningOff, 3), qrie.Launch{Policy: "S3BucketEncryptionDisabled", Status: qrie.LaunchActive, Generation: 4, Definition: "newer"})
	stored, _ := history(t, b, unversioned)
	head := stored.Heads[versioningOff]
	if len(stored.Heads) != 1 || head.Outcome != qrie.Fail {
		t.Errorf("heads %+v", stored.Heads)
	}
	if stored.Generation != 0 {
		t.Errorf("the resource says that it is judged at generation %d, and no worker would judge it again", stored.Generation)
	}
}

// What was stored of an account that is no longer watched is closed by itself.
func TestRemovedAccountIsClosed(t *testing.T) {
	bubbled(t, func(r *rig) {
		for i := range 5 {
			r.aws.put(bucketOf(shop, i), unversioned)
			r.aws.put(bucketOf(ledger, i), unversioned)
		}
		r.scan()
		r.must(r.store.DeleteAccount(r.Context(), shop))
		time.Sleep(closeEvery + time.Minute)
		if got := r.active(shop); got != 0 {
			r.Errorf("%d findings of an account that is not watched", got)
		}
		if f := r.finding(bucketOf(shop, 1), versioningOff); f.Resolution != qrie.ResolvedAccountRemoved {
			r.Errorf("resolved as %q", f.Resolution)
		}
		if got := r.active(ledger); got != 5 {
			r.Errorf("%d findings of the other account, want 5", got)
		}
	})
}

// A deletion that nobody told of is found by the sweep, and what was read before
// it brings nothing back.
func TestLostDeleteIsSwept(t *testing.T) {
	bubbled(t, func(r *rig) {
		ref := bucketOf(shop, 1)
		r.aws.put(ref, unversioned)
		r.scan()
		late, err := r.store.Resource(r.Context(), ref.ResourceID())
		r.must(err)
		time.Sleep(time.Hour)
		r.aws.remove(ref)
		r.scan()
		if f := r.finding(ref, versioningOff); f.Resolution != qrie.ResolvedDeleted || f.ResolvedCause.Attribution != qrie.AttributionUnknown {
			r.Errorf("resolved as %q, cause %+v", f.Resolution, f.ResolvedCause)
		}
		// A snapshot of before comes late: from a worker that stood still.
		tombstone, err := r.store.ResourceState(r.Context(), ref)
		r.must(err)
		late.ObservedAt = tombstone.ObservedAt.Add(-time.Second)
		err = r.store.Apply(r.Context(), store.Evaluation{Base: tombstone.Version, Next: late, Changed: true})
		if !errors.Is(err, qrie.ErrStale) {
			r.Errorf("a late snapshot is written over a tombstone: %v", err)
		}
		time.Sleep(time.Hour)
		if state, err := r.store.ResourceState(r.Context(), ref); err != nil || !state.Deleted {
			r.Errorf("the bucket is back: %+v, %v", state, err)
		}
	})
}

// Volumes that go with their instance have no event of their own.
func TestVolumesGoWithTheirInstance(t *testing.T) {
	bubbled(t, func(r *rig) {
		instances, _ := resources.Find("AWS::EC2::Instance")
		volumes, _ := resources.Find("AWS::EC2::Volume")
		i, v := instances.Ref(shop, "eu-west-1", "i-1"), volumes.Ref(shop, "eu-west-1", "vol-1")
		r.aws.put(i, `{"Instance":{"InstanceId":"i-1","State":{"Name":"running"}},"Volumes":[{"VolumeId":"vol-1","Attachments":[{"InstanceId":"i-1"}]}]}`)
		r.aws.put(v, `{"Volume":{"VolumeId":"vol-1","Attachments":[{"InstanceId":"i-1"}]}}`)
		r.scan()
		time.Sleep(time.Hour)
		before := r.aws.reads["i-1"]
		r.aws.put(i, `{"Instance":{"InstanceId":"i-1","State":{"Name":"terminated"}},"Volumes":[]}`)
		r.aws.remove(v)
		text := fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","userName":"ann","accountId":%q},"eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":"TerminateInstances","awsRegion":"eu-west-1","requestParameters":{"instancesSet":{"items":[{"instanceId":"i-1"}]}},"responseElements":null,"readOnly":false,"eventID":"gone","eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":%q}`,
			shop, time.Now().UTC().Format(time.RFC3339), shop)
		r.must(r.stream.Publish(r.Context(), []stream.Record{{Key: shop, Data: []byte(text)}}))
		time.Sleep(time.Minute)
		stored, err := r.store.Resource(r.Context(), v.ResourceID())
		r.must(err)
		if !stored.Deleted || len(stored.Cause.Events) != 1 || stored.Cause.Events[0].ID != "gone" || stored.Cause.Attribution != qrie.AttributionAmbiguous {
			r.Errorf("the volume is deleted: %v, cause %+v", stored.Deleted, stored.Cause)
		}
		if n := r.aws.reads["i-1"] - before; n > 4 {
			r.Errorf("instance and volume marked one another: %d reads", n)
		}
	})
}
