package sim_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/sim"
)

// TestRun lets the organisation live for an hour of virtual time.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sim.New(sim.Options{Seed: 1, Resources: 400, Faults: sim.DemoFaults()})
		decoder := ingest.NewDecoder(resources.All())
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		start := time.Now()
		var first time.Duration
		changes, early := 0, 0
		err := w.Run(ctx, 30, func(_ context.Context, account string, data []byte) error {
			now := time.Now()
			for _, d := range decodeAll(t, decoder, []sim.Delivery{{Account: account, Data: data}}) {
				if late := now.Sub(d.Event.Time); late < 500*time.Millisecond || late > 8*time.Second {
					t.Errorf("%s arrives %s after its time", d.Event.Name, late)
				}
				if len(d.Marks) == 0 {
					continue
				}
				changes++
				if first == 0 {
					first = now.Sub(start)
				}
				if now.Sub(start) < 15*time.Second {
					early++
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if got := time.Since(start); got != time.Hour {
			t.Errorf("ran for %s, want until the end of its context", got)
		}
		// Some changes take several calls, and some events come twice.
		if changes < 30*60 || changes > 30*60*2 {
			t.Errorf("%d events of changes in an hour, want about 30 changes a minute", changes)
		}
		if first > 6*time.Second || early < 4 {
			t.Errorf("the first change after %s, %d in 15 s: a fresh demo should move at once", first, early)
		}
	})
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sim.New(sim.Options{Seed: 1, Resources: 100})
		lost := errors.New("the stream is closed")
		err := w.Run(context.Background(), 60, func(context.Context, string, []byte) error { return lost })
		if !errors.Is(err, lost) {
			t.Errorf("got %v, want the error of publish", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		err = w.Run(ctx, 60, func(context.Context, string, []byte) error { cancel(); return context.Canceled })
		if err != nil {
			t.Errorf("ended by its context: %v", err)
		}
		if err := w.Run(context.Background(), 0, discard); err == nil {
			t.Error("no rate is no error")
		}
	})
}

// TestLoad: as many events as asked for, about three a resource, all of which
// mark something, and two thirds of which have changed it.
func TestLoad(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 1, Resources: 3000})
	decoder := ingest.NewDecoder(resources.All())
	deliveries := w.Load(3000)
	if len(deliveries) != 3000 {
		t.Fatalf("%d deliveries, want 3,000", len(deliveries))
	}
	before, _ := newWorld(sim.Options{Seed: 1, Resources: 3000})
	marked, changed := map[string]bool{}, 0
	for _, d := range decodeAll(t, decoder, deliveries) {
		if len(d.Marks) == 0 {
			t.Fatalf("%s marks nothing: %s", d.Event.Name, d.Drop)
		}
		for _, m := range d.Marks {
			if marked[m.Ref.Key()] {
				continue
			}
			marked[m.Ref.Key()] = true
			was, _ := before.Truth(m.Ref)
			is, _ := w.Truth(m.Ref)
			if !bytes.Equal(was.Document, is.Document) {
				changed++
			}
		}
	}
	if share := float64(changed) / float64(len(marked)); share < .6 || share > .8 {
		t.Errorf("%.2f of the resources have changed, and a third are given what they have", share)
	}
	if len(marked) < 600 || len(marked) > 1100 {
		t.Errorf("3,000 events mark %d resources, want about 1,000", len(marked))
	}
	if got := w.Load(10); len(got) != 10 {
		t.Errorf("%d deliveries, want 10", len(got))
	}
}

// TestLoadOfPart: the load of one account, and of an organisation in which few
// resources are busy.
func TestLoadOfPart(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 1, Resources: 3000, Busy: 200})
	decoder := ingest.NewDecoder(resources.All())
	account := w.Accounts()[1].ID
	deliveries := w.LoadIn(account, 300)
	if len(deliveries) != 300 {
		t.Errorf("%d deliveries of an account, want 300", len(deliveries))
	}
	for _, d := range deliveries {
		if d.Account != account {
			t.Fatalf("the load of %s is of %s as well", account, d.Account)
		}
	}
	if got := w.LoadIn("999999999999", 10); len(got) > 0 {
		t.Errorf("%d deliveries of an account that there is not", len(got))
	}
	marked := map[string]bool{}
	for _, d := range decodeAll(t, decoder, w.Load(3000)) {
		for _, m := range d.Marks {
			marked[m.Ref.Key()] = true
		}
	}
	if len(marked) < 150 || len(marked) > 260 {
		t.Errorf("3,000 events mark %d resources, of which about 200 are busy", len(marked))
	}
}
