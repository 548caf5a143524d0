package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/store/memory"
)

// receiver is a sink that can be told to refuse.
type receiver struct {
	mu      sync.Mutex
	refuse  func(id string) error
	tried   map[string]int
	arrived map[string]int
	order   []string
	last    []byte
}

func (r *receiver) Name() string { return "receiver" }

func (r *receiver) Send(_ context.Context, id string, payload []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried[id]++
	if r.refuse != nil {
		if err := r.refuse(id); err != nil {
			return 500, err
		}
	}
	r.arrived[id]++
	r.order, r.last = append(r.order, id), payload
	return 200, nil
}

func (r *receiver) refuses(refuse func(id string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = refuse
}

// rig is a courier in a bubble of testing/synctest.
type rig struct {
	*testing.T
	store *memory.Store
	sink  *receiver
	stop  func()
	made  int
}

func bubbled(t *testing.T, test func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, store: memory.New(memory.Options{}), sink: &receiver{tried: map[string]int{}, arrived: map[string]int{}}}
		if _, err := r.store.PutLaunch(t.Context(), qrie.Launch{Policy: "P", Status: qrie.LaunchActive}, 0); err != nil {
			t.Fatal(err)
		}
		r.begin(r.sink)
		test(r)
		r.stop()
	})
}

func (r *rig) begin(sinks ...Sink) {
	r.Helper()
	pages, _ := url.Parse("https://qrie.example.com/base")
	c, err := New(Options{Store: r.store, Sinks: sinks, Owner: "one", Pages: pages, Now: time.Now, Registerer: prometheus.NewRegistry(),
		Jitter: func(d time.Duration) time.Duration { return d / 2 }})
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			r.Error(err)
		}
	})
	r.stop = func() { cancel(); wg.Wait() }
}

// open opens findings, each by a transition, and names the transitions.
func (r *rig) open(n int) (ids []string) {
	r.Helper()
	for range n {
		r.made++
		ref := qrie.Ref{Account: "111122223333", Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: fmt.Sprint("bucket-", r.made), Global: true}
		id := ref.FindingID("P")
		tr := qrie.Transition{ID: qrie.TransitionID(id, 1, 1, qrie.Opened), Kind: qrie.Opened, Finding: id, Ref: ref, Policy: "P", Severity: 90, Summary: "open", At: time.Now(),
			Evidence: qrie.Evidence{Violations: []json.RawMessage{json.RawMessage(`{"port":22}`)}, Total: 1}, Generation: 1, Version: 1}
		err := r.store.Apply(r.Context(), store.Evaluation{Changed: true, Transitions: []qrie.Transition{tr}, Next: store.Resource{Ref: ref, ObservedAt: time.Now(), ChangedAt: time.Now(),
			Hash: "h", Document: json.RawMessage(`{}`), Generation: 1, Heads: map[string]store.Head{"P": {Outcome: qrie.Fail, Severity: 90, Open: true, Generation: 1, Openings: 1}}}})
		if err != nil {
			r.Fatal(err)
		}
		ids = append(ids, tr.ID)
	}
	return ids
}

func (r *rig) states() map[store.DeliveryState]int {
	r.Helper()
	out := map[store.DeliveryState]int{}
	for page := (store.PageRequest{Size: 500}); ; {
		found, err := r.store.ListDeliveries(r.Context(), store.DeliveryQuery{}, page)
		if err != nil {
			r.Fatal(err)
		}
		for _, d := range found.Items {
			out[d.State]++
		}
		if page.Token = found.Next; page.Token == "" {
			return out
		}
	}
}

func TestEveryTransitionIsTold(t *testing.T) {
	bubbled(t, func(r *rig) {
		ids := r.open(3)
		time.Sleep(3 * time.Second)
		for _, id := range ids {
			if r.sink.arrived[id] != 1 {
				r.Errorf("%s arrived %d times", id, r.sink.arrived[id])
			}
		}
		var m struct {
			Type string
			Data struct {
				ID, URL, State string
				SeverityLabel  string `json:"severity_label"`
				Evidence       struct{ Violations []json.RawMessage }
				Resource       struct{ Account, Region string }
			}
		}
		if err := json.Unmarshal(r.sink.last, &m); err != nil {
			r.Fatal(err)
		}
		if m.Type != "finding.opened" || m.Data.State != "ACTIVE" || m.Data.SeverityLabel != "critical" || len(m.Data.Evidence.Violations) != 1 || m.Data.Resource.Account != "111122223333" {
			r.Errorf("message %s", r.sink.last)
		}
		if want := "https://qrie.example.com/base/findings/f_"; len(m.Data.URL) < len(want) || m.Data.URL[:len(want)] != want {
			r.Errorf("link %q", m.Data.URL)
		}
		if waiting, _ := r.store.Outbox(r.Context(), 10); len(waiting) != 0 {
			r.Errorf("%d left in the outbox", len(waiting))
		}
		if got := r.states(); !maps.Equal(got, map[store.DeliveryState]int{store.DeliveryDelivered: 3}) {
			r.Errorf("log %v", got)
		}
	})
}

// A receiver that is down for hours misses nothing, and is not asked for
// each message again and again.
func TestReceiverIsDown(t *testing.T) {
	bubbled(t, func(r *rig) {
		r.sink.refuses(func(string) error { return errors.New("nobody answers") })
		ids := r.open(300)
		time.Sleep(3 * time.Hour)
		tries := 0
		for _, n := range r.sink.tried {
			tries += n
		}
		if tries > 300+600 {
			r.Errorf("a receiver that is down was asked %d times in three hours", tries)
		}
		r.sink.refuses(nil)
		ids = append(ids, r.open(5)...)
		time.Sleep(3 * time.Hour)
		for _, id := range ids {
			if r.sink.arrived[id] != 1 {
				r.Fatalf("%s arrived %d times, tried %d times", id, r.sink.arrived[id], r.sink.tried[id])
			}
		}
		if got := r.states(); got[store.DeliveryDelivered] != 305 {
			r.Errorf("log %v", got)
		}
	})
}

// What nobody takes is dead after a day, and goes out once more when it is asked
// for.
func TestGivenUpAndReplayed(t *testing.T) {
	bubbled(t, func(r *rig) {
		bad := r.open(1)[0]
		r.sink.refuses(func(id string) error {
			if id == bad {
				return &Refusal{Status: 500, Text: "not this one"}
			}
			return nil
		})
		good := r.open(1)[0]
		time.Sleep(40 * time.Hour)
		if r.sink.arrived[good] != 1 || r.sink.arrived[bad] != 0 || r.sink.tried[bad] != len(retries)+1 {
			r.Errorf("good arrived %d times, bad %d of %d tries, want %d", r.sink.arrived[good], r.sink.arrived[bad], r.sink.tried[bad], len(retries)+1)
		}
		d, err := r.store.Delivery(r.Context(), "receiver/"+bad)
		if err != nil || d.State != store.DeliveryDead || d.Error != "the receiver answered 500: not this one" || len(d.Payload) == 0 {
			r.Fatalf("%+v, %v", d, err)
		}
		r.sink.refuses(nil)
		d.State, d.Attempts, d.NextAt = store.DeliveryPending, 0, time.Now()
		if _, err := r.store.PutDelivery(r.Context(), d); err != nil {
			r.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if r.sink.arrived[bad] != 1 {
			r.Errorf("arrived %d times after the replay", r.sink.arrived[bad])
		}
	})
}

func TestRefusals(t *testing.T) {
	bubbled(t, func(r *rig) {
		gone, patience := r.open(1)[0], r.open(1)[0]
		r.sink.refuses(func(id string) error {
			if id == gone {
				return &Refusal{Status: 410, Final: true}
			}
			return &Refusal{Status: 429, RetryAfter: 20 * time.Minute}
		})
		time.Sleep(19 * time.Minute)
		if r.sink.tried[gone] != 1 || r.sink.tried[patience] != 1 {
			r.Errorf("one that is gone was tried %d times, one that asked for patience %d times", r.sink.tried[gone], r.sink.tried[patience])
		}
		if got := r.states(); got[store.DeliveryDead] != 1 || got[store.DeliveryPending] != 1 {
			r.Errorf("log %v", got)
		}
		time.Sleep(20 * time.Minute)
		if r.sink.tried[patience] < 2 {
			r.Error("one that asked for patience was not tried again")
		}
	})
}

// A courier that dies between two writes sends again what it had not noted,
// under the same id, and nothing is lost.
func TestCourierDies(t *testing.T) {
	bubbled(t, func(r *rig) {
		r.stop()
		ids := r.open(40)
		for death := range 60 {
			calls := 0
			dying, die := context.WithCancel(context.Background())
			way := r.store.Through(func(ctx context.Context, name string, effect func() error) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if calls++; calls > death {
					die()
					return context.Canceled
				}
				return effect()
			})
			c, err := New(Options{Store: way, Sinks: []Sink{r.sink}, Owner: fmt.Sprint("courier-", death), Now: time.Now, Jitter: func(d time.Duration) time.Duration { return d / 2 }})
			if err != nil {
				r.Fatal(err)
			}
			_ = c.round(dying) // it dies
			die()
			time.Sleep(lockFor + time.Second)
		}
		r.begin(r.sink)
		time.Sleep(time.Minute)
		for _, id := range ids {
			if r.sink.arrived[id] == 0 {
				r.Errorf("%s never arrived", id)
			}
		}
		if got := r.states(); got[store.DeliveryDelivered] != len(ids) || len(got) != 1 {
			r.Errorf("log %v", got)
		}
		if order := slices.Compact(slices.Clone(r.sink.order)); len(order) < len(ids) {
			r.Errorf("%d arrivals of %d", len(order), len(ids))
		}
	})
}

// What waits for a sink that is no longer configured does not wait for ever.
func TestSinkIsGone(t *testing.T) {
	bubbled(t, func(r *rig) {
		r.sink.refuses(func(string) error { return errors.New("nobody answers") })
		r.open(2)
		time.Sleep(3 * time.Second)
		r.stop()
		other := &named{receiver{tried: map[string]int{}, arrived: map[string]int{}}}
		r.begin(other)
		time.Sleep(24 * time.Hour)
		if got := r.states(); got[store.DeliveryDead] != 2 {
			r.Errorf("log %v", got)
		}
		id := r.open(1)[0]
		time.Sleep(3 * time.Second)
		if other.arrived[id] != 1 {
			r.Error("the new sink is not told")
		}
	})
}

type named struct{ receiver }

func (n *named) Name() string { return "other" }
