package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/qrie-sec/qrie/query"
	"github.com/qrie-sec/qrie/sim"
	"github.com/qrie-sec/qrie/stream"
)

type demoOptions struct {
	on        bool
	accounts  int
	resources int
	perMinute float64
	seed      uint64
}

// openDemo makes the simulated organisation, or makes again the one that this
// data directory has: its journal says what was done to it, so that after a
// restart the resources are as they were left.
func openDemo(o demoOptions, data string, log stream.Stream) (world, error) {
	dir, err := openDataDir(data)
	if err != nil {
		return world{}, err
	}
	journal, err := os.OpenFile(dir.file("demo.log"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return world{}, fmt.Errorf("open the journal of the simulated organisation: %w", err)
	}
	w, pending, err := sim.Open(journal, sim.Options{Seed: o.seed, Accounts: o.accounts, Resources: o.resources,
		Now: time.Now, Faults: sim.DemoFaults()})
	if err != nil {
		return world{}, errors.Join(fmt.Errorf("%s: %w; remove the directory to begin anew", dir.path, err), journal.Close())
	}
	publish := func(ctx context.Context, account string, data []byte) error {
		return log.Publish(ctx, []stream.Record{{Key: account, Data: data}})
	}
	return world{
		reader:   w,
		accounts: w.Accounts(),
		demo:     demo{w, publish},
		run: func(ctx context.Context) error {
			defer journal.Close()
			// What was under way when the last run ended may not have arrived.
			for _, d := range pending {
				if err := publish(ctx, d.Account, d.Data); err != nil {
					if ctx.Err() != nil {
						return nil
					}
					return fmt.Errorf("publish the last events of the run before: %w", err)
				}
			}
			if o.perMinute == 0 {
				<-ctx.Done()
				return nil
			}
			return w.Run(ctx, o.perMinute, publish)
		},
	}, nil
}

// demo lets the API change the simulated organisation.
type demo struct {
	world   *sim.World
	publish sim.Publish
}

var _ query.Demo = demo{}

func (d demo) Changes() []query.DemoChange {
	changes := d.world.Changes()
	out := make([]query.DemoChange, len(changes))
	for i, c := range changes {
		out[i] = query.DemoChange{ID: c.ID, Title: c.Title, ResourceType: c.ResourceType, Bad: c.Bad}
	}
	return out
}

func (d demo) Change(ctx context.Context, id, arn string) (query.DemoApplied, error) {
	a, err := d.world.Change(ctx, id, arn, d.publish)
	if err != nil {
		return query.DemoApplied{}, err
	}
	return query.DemoApplied{ARN: a.ARN, ResourceID: a.ResourceID, EventName: a.EventName, EventID: a.EventID, Actor: a.Actor}, nil
}
