package processor

import (
	"context"
	"errors"
	"fmt"

	"github.com/qrie-sec/qrie"
)

// upgrade makes launches run with the definitions of this version's catalogue,
// and has everything judged anew by those that changed. Of workers of several
// versions the one that was started last decides; the others leave what they
// do not have to it.
func (w *Worker) upgrade(ctx context.Context) error {
	set, err := w.Store.LaunchSet(ctx)
	if err != nil {
		return fmt.Errorf("read launches: %w", err)
	}
	changed := 0
	for _, l := range set.Launches {
		p, ok := w.Policies.Get(l.Policy)
		if !ok || l.Definition == p.Definition() {
			continue
		}
		if _, err := p.Bind(l); err != nil {
			w.Log.Error("a policy is not upgraded, because what was launched does not fit its new definition: change the launch", "policy", l.Policy, "error", err)
			continue
		}
		l.Definition, l.UpdatedAt = p.Definition(), w.Now()
		_, err := w.Store.PutLaunch(ctx, l, l.Generation)
		switch {
		case errors.Is(err, qrie.ErrConflict), errors.Is(err, qrie.ErrNotFound):
			continue // somebody else did, or it was deleted
		case err != nil:
			return fmt.Errorf("upgrade policy %s: %w", l.Policy, err)
		}
		changed++
	}
	if changed == 0 {
		return nil
	}
	w.Log.Info("policies run with new definitions", "policies", changed)
	_, err = w.Rejudge(ctx, "", "upgraded")
	return err
}
