package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/sim"
)

var noon = time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)

// clock is a clock that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func (c *clock) step(d time.Duration) time.Time {
	c.t = c.t.Add(d)
	return c.t
}

// newWorld makes a world at noon with its clock.
func newWorld(o sim.Options) (*sim.World, *clock) {
	c := &clock{noon}
	o.Now = c.now
	return sim.New(o), c
}

// everyRef lists a whole world as a scan does.
func everyRef(t testing.TB, w *sim.World) []qrie.Ref {
	t.Helper()
	var all []qrie.Ref
	for _, a := range w.Accounts() {
		for _, typ := range resources.All() {
			for _, region := range a.Regions {
				for token := ""; ; {
					refs, next, err := w.List(context.Background(), a.ID, region, typ.Name, token)
					if err != nil {
						t.Fatalf("list %s in account %s, %s: %v", typ.Name, a.ID, region, err)
					}
					all = append(all, refs...)
					if next == "" {
						break
					}
					token = next
				}
			}
		}
	}
	return all
}
