package processor

import (
	"context"
	"errors"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// stopped is a read that was not made, because others like it fail: the
// resource waits.
type stopped struct {
	wait time.Duration
	why  *qrie.Fault
}

func (s *stopped) Error() string { return "not tried: " + s.why.Error() }
func (s *stopped) Unwrap() error { return s.why }

// describe reads the resource. A deletion of something stored is confirmed by
// a second look, because a read may be older than the resource.
func (s *session) describe(ctx context.Context, m touched, stored *store.Resource) (obs qrie.Observation, err error) {
	s.w.hands.without(func() {
		obs, err = s.read(ctx, m)
		if err == nil && gone(stored, obs) && sleep(ctx, s.w.ConfirmGone) {
			obs, err = s.read(ctx, m)
		}
	})
	return obs, err
}

// read makes one describe call, when it may be made.
func (s *session) read(ctx context.Context, m touched) (obs qrie.Observation, err error) {
	err = s.call(ctx, m.Ref, m.line(), func() (err error) {
		obs, err = s.w.Reader.Describe(ctx, m.Ref)
		return err
	})
	outcome := "ok"
	var not *stopped
	var fault *qrie.Fault
	switch {
	case errors.As(err, &not):
		outcome = "not_tried"
	case errors.As(err, &fault):
		outcome = string(fault.Kind)
	case err != nil:
		outcome = string(qrie.Transient)
	case obs.Deleted:
		outcome = "deleted"
	}
	s.w.metrics.describes.WithLabelValues(m.Ref.Service(), outcome).Inc()
	return obs, err
}

// call lets a call of AWS go when the breakers and the limiter of its account,
// Region and type do, and tells them how it ended.
func (s *session) call(ctx context.Context, ref qrie.Ref, line int, make func() error) error {
	if wait, why := s.w.breakers.ask(ref); why != nil {
		return &stopped{wait, why}
	}
	var l *limiter
	if s.w.CallsPerSecond > 0 {
		l = s.w.limiters.of(ref.Account + "|" + ref.Region + "|" + ref.Type)
		start := s.w.Now()
		if err := l.wait(ctx, line); err != nil {
			return err
		}
		s.w.metrics.limiterWait.Observe(since(s.w.Now, start))
	}
	err := make()
	var fault *qrie.Fault
	if err != nil && !errors.As(err, &fault) {
		return err
	}
	if fault == nil {
		s.answered(ctx, ref, l)
	} else if fault.Kind == qrie.Throttled && l != nil {
		l.throttled(fault.RetryAfter)
		if l.pace() <= l.most/slow {
			s.refused(ctx, ref.Account, store.Condition{Type: ref.Type, State: store.Throttled, Action: fault.Action,
				Reason: "AWS throttles these reads; qrie waits longer between them"})
		}
	}
	for _, c := range s.w.breakers.tell(ref, fault) {
		s.circuit(ctx, c)
	}
	return err
}

// circuit tells of a breaker that has opened or closed.
func (s *session) circuit(ctx context.Context, c change) {
	state := store.RoleDenied
	if c.resourceType != "" {
		state = store.Denied
	}
	if c.fault != nil {
		s.w.Log.Warn("AWS is not asked for this for a while", "account", c.account, "type", c.resourceType, "action", c.fault.Action, "error", c.fault)
		s.refused(ctx, c.account, store.Condition{Type: c.resourceType, State: state, Action: c.fault.Action, Reason: c.fault.Error()})
	} else {
		s.w.Log.Info("AWS answers again", "account", c.account, "type", c.resourceType)
		s.w.health.clear(ctx, c.circuitKey, state)
	}
	accounts, types := s.w.breakers.open()
	s.w.metrics.breakers.WithLabelValues("account").Set(float64(accounts))
	s.w.metrics.breakers.WithLabelValues("type").Set(float64(types))
}
