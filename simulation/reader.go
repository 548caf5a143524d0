package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sim"
	"github.com/qrie-sec/qrie/sim/machine"
)

// reader is AWS as a machine reaches it.
type reader struct {
	world *sim.World
	watch *watch
	name  string // of the machine
	link  *machine.Link
	now   func() time.Time // AWS's, by which the answers are stamped
}

func (r reader) Describe(ctx context.Context, ref qrie.Ref) (obs qrie.Observation, err error) {
	r.watch.mayPanic(ref)
	began := r.now()
	err = r.link.Call(ctx, "describe "+ref.Key(), func() (err error) {
		if obs, err = r.world.Describe(context.Background(), ref); err != nil {
			return err
		}
		obs.ObservedAt = began
		r.watch.answered(r.name, obs)
		return nil
	})
	if err != nil {
		return qrie.Observation{}, faultOf(ref.Account, err)
	}
	obs.AnsweredAt = r.now()
	return obs, nil
}

func (r reader) List(ctx context.Context, account, region, resourceType, token string) (refs []qrie.Ref, next string, err error) {
	err = r.link.Call(ctx, "list "+account+" "+region+" "+resourceType+" "+token, func() (err error) {
		refs, next, err = r.world.List(context.Background(), account, region, resourceType, token)
		return err
	})
	if err != nil {
		return nil, "", faultOf(account, err)
	}
	return refs, next, nil
}

// faultOf is a failure of the link as the client of AWS would tell it.
func faultOf(account string, err error) error {
	var f *qrie.Fault
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, machine.ErrRefused):
		return &qrie.Fault{Kind: qrie.Throttled, Account: account, Code: "Throttling", Err: err}
	}
	return &qrie.Fault{Kind: qrie.Transient, Account: account, Err: err}
}
