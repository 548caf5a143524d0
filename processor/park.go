package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// lookAgain plans another look after an event whose change was not to be seen.
func (s *session) lookAgain(ctx context.Context, m touched) error {
	if len(m.Events) == 0 || m.Attempt >= len(s.w.Rereads) {
		return nil
	}
	now := s.w.Now()
	err := s.w.Store.PutDirty(ctx, store.DirtyMark{Ref: m.Ref, Events: m.Events, Reason: "settle",
		DueAt: now.Add(s.w.Rereads[m.Attempt]), Attempts: m.Attempt + 1, Since: now})
	if err != nil {
		return fmt.Errorf("plan another look at %s: %w", m.Ref, err)
	}
	return nil
}

// maxPark is how long a resource waits at the most before it is tried again.
const maxPark = 30 * time.Minute

// park lets a resource wait that cannot be read now, so that its record does
// not hold up the shard.
func (s *session) park(ctx context.Context, m touched, why error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	reason, pause, attempts := "transient", min(s.w.ParkFor<<min(m.Attempt, 6), maxPark), m.Attempt+1
	var not *stopped
	var fault *qrie.Fault
	if errors.As(why, &fault) {
		reason = string(fault.Kind)
		switch fault.Kind {
		case qrie.Denied, qrie.Unreached, qrie.Invalid:
			pause = min((60*s.w.ParkFor)<<min(m.Attempt, 6), maxPark)
		}
		pause = max(pause, fault.RetryAfter)
	}
	if errors.As(why, &not) {
		pause, attempts = not.wait, m.Attempt // it was not its own turn that failed
	}
	s.w.Log.Info("resource cannot be read now and will be tried again", "resource", m.Ref.String(), "reason", reason, "pause", pause, "error", why)
	now := s.w.Now()
	if err := s.w.Store.PutDirty(ctx, store.DirtyMark{Ref: m.Ref, Events: m.Events, Reason: reason, DueAt: now.Add(pause), Attempts: attempts, Since: now}); err != nil {
		return fmt.Errorf("park %s: %w", m.Ref, err)
	}
	return nil
}

// buryMark keeps a mark that makes the worker panic.
func (s *session) buryMark(m touched, why error) {
	r, err := encode(kindMark, m.Ref.AccountService(), []touched{m})
	if err != nil {
		r.Data, _ = json.Marshal(m.Ref) // plain strings
	}
	r.Shard = s.s.Shard()
	s.letter(r, m.Ref.Key(), r.Data, why)
	s.mark(m, "dead_letter")
}
