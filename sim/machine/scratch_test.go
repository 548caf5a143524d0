package machine_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/sim"
	"github.com/qrie-sec/qrie/sim/machine"
	storememory "github.com/qrie-sec/qrie/store/memory"
	"github.com/qrie-sec/qrie/stream"
	streammemory "github.com/qrie-sec/qrie/stream/memory"
)

type reader struct {
	w    *sim.World
	call func(ctx context.Context, name string, effect func() error) error
}

func (r reader) Describe(ctx context.Context, ref qrie.Ref) (obs qrie.Observation, err error) {
	err = r.call(ctx, "describe "+ref.Key(), func() (err error) { obs, err = r.w.Describe(context.Background(), ref); return err })
	if err != nil {
		var f *qrie.Fault
		if !errors.As(err, &f) {
			err = &qrie.Fault{Kind: qrie.Transient, Account: ref.Account, Err: err}
		}
		return qrie.Observation{}, err
	}
	return obs, nil
}

func (r reader) List(ctx context.Context, account, region, resourceType, token string) (refs []qrie.Ref, next string, err error) {
	err = r.call(ctx, "list "+account+region+resourceType+token, func() (err error) {
		refs, next, err = r.w.List(context.Background(), account, region, resourceType, token)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return refs, next, nil
}

var catalogue = sync.OnceValue(func() *policies.Set {
	c, err := policies.Catalogue()
	if err != nil {
		panic(err)
	}
	return c
})

func runSeed(t *testing.T, seed uint64, trace func(machine.Step)) (digest string, calls int) {
	cat := catalogue()
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var mu sync.Mutex
		var h hash.Hash = sha256.New()
		log := streammemory.NewLog(streammemory.Options{})
		st := storememory.New(storememory.Options{})
		w := sim.New(sim.Options{Seed: seed, Accounts: 3, Resources: 40})
		ctx := context.Background()
		for _, a := range w.Accounts() {
			st.PutAccount(ctx, a)
		}
		for _, p := range cat.All() {
			st.PutLaunch(ctx, qrie.Launch{Policy: p.ID, Status: qrie.LaunchActive}, 0)
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		storeFaults := machine.Faults{LatencyMin: time.Millisecond, LatencyMax: 20 * time.Millisecond, Slow: .01, SlowBy: 5 * time.Second, Late: .5, Refuse: .01, Unanswer: .01, Repeat: .01, Kill: .0005}
		streamFaults := storeFaults
		calm := machine.Faults{LatencyMin: time.Millisecond, LatencyMax: 20 * time.Millisecond}
		var lmu sync.Mutex
		var links []*machine.Link
		quiet := false
		log.SetFaults(streammemory.Faults{Duplicate: .1, Delay: .1, Within: 5 * time.Minute, Stray: .5}, rng)
		for i := range 3 {
			rngW := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
			wg.Go(func() {
				time.Sleep(time.Duration(rngW.Int64N(int64(time.Second))))
				for life := 0; ; life++ {
					m := machine.New(machine.Options{Name: fmt.Sprint("w", i, "-", life), Skew: time.Duration(i-1) * 10 * time.Minute, Trace: func(s machine.Step) {
						mu.Lock()
						defer mu.Unlock()
						calls++
						fmt.Fprintf(h, "%d %s %s %s %d %s\n", s.At.UnixNano(), s.Machine, s.Link, s.Call, s.Nth, s.Outcome)
						if trace != nil {
							trace(s)
						}
					}}, rngW)
					lmu.Lock()
					sf, tf := storeFaults, streamFaults
					if quiet {
						sf, tf = calm, calm
					}
					sl, tl, al := m.Link("store", sf), m.Link("stream", tf), m.Link("aws", machine.Faults{LatencyMin: 20 * time.Millisecond, LatencyMax: 200 * time.Millisecond})
					links = append(links, sl, tl)
					lmu.Unlock()
					str := log.Open(streammemory.Process{Owner: fmt.Sprint("w", i, "-", life), Now: m.Now, Call: tl.Call, Killed: m.Killed()})
					n := 0
					worker, err := processor.New(processor.Options{
						Starter: processor.Starter{Stream: str, Store: st.Through(sl.Call), Policies: cat, NewID: func() string { n++; return fmt.Sprint("j", i, "-", life, "-", n) }, Now: m.Now},
						Reader:  reader{w, al.Call}, Owner: fmt.Sprint("w", i, "-", life),
					})
					if err != nil {
						panic(err)
					}
					wctx, cancel := context.WithCancel(m.Context())
					ended := make(chan struct{})
					go func() { defer close(ended); _ = worker.Run(wctx) }()
					select {
					case <-stop:
						cancel()
						<-ended
						m.Kill()
						return
					case <-ended: // killed or failed
						cancel()
						m.Kill()
					}
					time.Sleep(time.Duration(1 + rngW.Int64N(int64(30*time.Second))))
				}
			})
		}
		// the world
		pub := log.Open(streammemory.Process{})
		starter := processor.Starter{Stream: pub, Store: st, Policies: cat, NewID: func() string { return "first" }, Now: time.Now}
		if _, err := starter.Inventory(ctx, "test", processor.Extent{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		events := 0
		for range 300 {
			time.Sleep(time.Duration(rng.Int64N(int64(7 * time.Second))))
			for _, d := range w.Step(time.Now()) {
				events++
				if err := pub.Publish(ctx, []stream.Record{{Key: d.Account, Data: d.Data}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		lmu.Lock()
		quiet = true
		for _, l := range links {
			l.SetFaults(calm)
		}
		lmu.Unlock()
		log.SetFaults(streammemory.Faults{}, rng)
		for range 1200 {
			time.Sleep(time.Second)
			infos, _ := pub.Shards(ctx)
			var behind int64
			for _, s := range infos {
				behind += s.Behind
			}
			n, _, _ := st.CountDirty(ctx)
			if behind == 0 && n == 0 && log.UnderWay() == 0 {
				break
			}
		}
		snap := st.Snapshot()
		got := map[string]bool{}
		for _, f := range snap.Findings {
			if f.State == qrie.Active {
				got[f.Ref.Key()+" "+f.Policy] = true
			}
			fmt.Fprintf(h, "%s %s %d %d\n", f.ID, f.State, f.Version, f.Reopened)
		}
		want := w.Expect()
		for _, e := range want {
			if !got[e.Ref.Key()+" "+e.Policy] {
				t.Errorf("seed %d: missing %s %s", seed, e.Ref.Key(), e.Policy)
			}
		}
		if len(got) != len(want) {
			t.Errorf("seed %d: %d findings, want %d", seed, len(got), len(want))
		}
		if len(snap.Counted) != len(snap.Counters) {
			t.Errorf("counters")
		}
		close(stop)
		wg.Wait()
		digest = fmt.Sprintf("%x", h.Sum(nil)[:8])
		if os.Getenv("V") != "" {
			t.Logf("seed %d: %d events, %d calls, %d transitions, %d resources, digest %s", seed, events, calls, len(snap.Transitions), len(snap.Resources), digest)
		}
	})
	return digest, calls
}

func TestScratch(t *testing.T) {
	if p := os.Getenv("PROCS"); p != "" {
		n, _ := strconv.Atoi(p)
		runtime.GOMAXPROCS(n)
	}
	seeds, repeats := 5, 1
	if s := os.Getenv("N"); s != "" {
		seeds, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("R"); s != "" {
		repeats, _ = strconv.Atoi(s)
	}
	catalogue()
	began := time.Now()
	for seed := range seeds {
		digests := map[string]int{}
		for range repeats {
			var lines []string
			d, _ := runSeed(t, uint64(seed+1), func(s machine.Step) {
				lines = append(lines, fmt.Sprintf("%s %s %s %s %d %s", s.At.Format("04:05.000000000"), s.Machine, s.Link, s.Call, s.Nth, s.Outcome))
			})
			digests[d]++
			if dir := os.Getenv("TRACE"); dir != "" && digests[d] == 1 {
				os.WriteFile(fmt.Sprintf("%s/%d-%s", dir, seed+1, d), []byte(strings.Join(lines, "\n")), 0o644)
			}
		}
		if repeats > 1 {
			t.Log(seed+1, digests)
		}
	}
	t.Logf("%v a run", time.Since(began)/time.Duration(seeds*repeats))
}
