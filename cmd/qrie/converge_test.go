package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/sim"
)

// After the stream is quiet the findings are those of the world's final state,
// whatever happened to the events and the calls in between.
func TestConvergesUnderFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults sim.Faults
		scan   bool // what was lost needs one
	}{
		{"none", sim.Faults{}, false},
		{"copies and disorder", sim.Faults{Duplicate: .5, Reorder: .5, ReorderBy: 5 * time.Minute, LagMax: 10 * time.Second}, false},
		{"stale reads", sim.Faults{Stale: 400 * time.Millisecond}, false},
		{"throttles and failures", sim.Faults{Throttle: .1, Transient: .05}, true},
		{"lost events", sim.Faults{Loss: .3}, true},
		{"everything", sim.Faults{Duplicate: .2, Reorder: .3, Loss: .1, Stale: 300 * time.Millisecond, Throttle: .02, Transient: .02}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			w := sim.New(sim.Options{Seed: seed, Accounts: 4, Resources: 200})
			r := newRig(t, t.TempDir(), w, func(o *processor.Options) { o.ParkFor = 300 * time.Millisecond })
			stop := r.run()
			r.scan(time.Minute)
			r.compare("after the first inventory")
			w.SetFaults(c.faults)
			for range 300 {
				r.publish(w.Step(time.Now()))
			}
			r.quiet(time.Minute)
			if c.scan {
				w.SetFaults(sim.Faults{})
				r.scan(time.Minute)
			}
			r.quiet(time.Minute)
			r.compare("at the end")
			stop()
		})
	}
}
