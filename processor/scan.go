package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// listInstead turns a mark of a whole type into a listing of it: the event
// named the type and not which of it. Marks that come soon after wait, merged,
// for a listing that begins later than they did.
func (s *session) listInstead(ctx context.Context, m touched) error {
	key, now := m.Ref.Key(), s.w.Now()
	if last, ok := s.listed.get(key); ok && now.Sub(last) < s.w.ListFloor {
		err := s.w.Store.PutDirty(ctx, store.DirtyMark{Ref: m.Ref, Events: m.Events, Reason: "listing", DueAt: last.Add(s.w.ListFloor), Since: now})
		if err != nil {
			return fmt.Errorf("plan another listing of %s: %w", m.Ref, err)
		}
		s.mark(m, "coalesced")
		return nil
	}
	t := scanTask{Account: m.Ref.Account, Region: m.Ref.Region, Type: m.Ref.Type, Started: now, Events: m.Events}
	r, err := encode(kindScan, t.key(), []scanTask{t})
	if err != nil {
		panic(fmt.Sprintf("BUG: scan task cannot be encoded: %v", err))
	}
	if err := s.publish([]stream.Record{r}); err != nil {
		return err
	}
	s.listed.set(key, now)
	s.mark(m, "listed")
	return nil
}

// touched is the mark of one resource that the scan looks at.
func (t scanTask) touched(ref qrie.Ref) touched {
	m := touched{Ref: ref, Reason: qrie.ReasonScan}
	if len(t.Events) > 0 {
		m.Reason, m.Events = qrie.ReasonEvent, t.Events
	}
	return m
}

// listRetries is how often a page is tried before the scan goes on without the
// rest of its scope. What it misses the next scan finds.
const listRetries = 5

// scanPage does one page task of a scan: it lists a page, reads what is on it,
// and only then goes on to the next. So a scan is never ahead of its reads by
// more than a page, whatever there is to scan.
func (s *session) scanPage(t scanTask) error {
	return s.page(t.Job, t.id(), s.publishAs(t.key()), func(store.Job) error {
		if t.Sweep {
			return s.sweep(t)
		}
		return s.list(t)
	})
}

func (s *session) list(t scanTask) error {
	refs, token, err := s.listPage(t)
	page := store.JobPage{Page: t.id()}
	if err != nil {
		if s.ctx.Err() != nil {
			return err
		}
		// Without a complete listing nothing may be swept. The job does not wait
		// for it: the type is listed once more when that may succeed.
		page.Failed, page.Error = 1, err.Error()
		s.w.Log.Warn("listing given up, and made again later", "account", t.Account, "region", t.Region, "type", t.Type, "error", err)
		if err := s.listLater(t, err); err != nil {
			return err
		}
		return s.conclude(t.Job, page, s.publishAs(t.key()))
	}
	s.w.metrics.scanPages.Inc()
	if page, err = s.readAll(t, refs); err != nil {
		return err
	}
	next := t
	next.Token, next.Page, next.Sweep = token, t.Page+1, token == ""
	if next.Sweep {
		next.Page = 0
	}
	page.Items = int64(len(refs))
	if page, err = follow(page, kindScan, t.key(), next); err != nil {
		return err
	}
	return s.conclude(t.Job, page, s.publishAs(t.key()))
}

// After how long a type is listed again of which a listing was given up: for a
// reason that passes, and for one that somebody must see to.
const (
	listAgain      = 5 * time.Minute
	listAgainLater = maxPark
)

// listLater plans another listing of a type, as long as its account is watched.
func (s *session) listLater(t scanTask, why error) error {
	if _, ok, err := s.w.desk.accountNow(s.ctx, t.Account); !ok || err != nil {
		return err
	}
	pause, reason := listAgain, string(qrie.Transient)
	var fault *qrie.Fault
	if errors.As(why, &fault) {
		reason = string(fault.Kind)
		if fault.Kind.Lasts() {
			pause = listAgainLater
		}
	}
	now := s.w.Now()
	ref := qrie.Ref{Account: t.Account, Region: t.Region, Type: t.Type}
	if rt, ok := resources.Find(t.Type); ok {
		ref.Global = rt.Global
	}
	err := s.w.Store.PutDirty(s.ctx, store.DirtyMark{Ref: ref, Events: t.Events, Reason: reason, DueAt: now.Add(pause), Attempts: 1, Since: now})
	if err != nil {
		return fmt.Errorf("plan another listing of %s in %s: %w", t.Type, t.Account, err)
	}
	return nil
}

// readAll marks resources and waits until each was read or put off. The outcome
// of the page tells how many went to the dead letters instead.
func (s *session) readAll(t scanTask, refs []qrie.Ref) (store.JobPage, error) {
	page, start := store.JobPage{Page: t.id()}, s.w.Now()
	all := make(chan struct{})
	done := countdown(len(refs), func() { close(all) })
	for _, ref := range refs {
		if !s.lanes.submit(s.ctx, t.touched(ref), done) {
			return page, errSessionEnded
		}
	}
	select {
	case <-all:
	case <-s.closing:
		return page, errClosing
	case <-s.ctx.Done():
		return page, errSessionEnded
	}
	for _, ref := range refs {
		if at, ok := s.buried.get(ref.Key()); ok && !at.Before(start) {
			page.Failed++
		}
	}
	return page, nil
}

func (s *session) listPage(t scanTask) (refs []qrie.Ref, next string, err error) {
	line := scanLine
	if len(t.Events) > 0 {
		line = eventLine
	}
	for attempt := range listRetries {
		err = s.call(s.ctx, qrie.Ref{Account: t.Account, Region: t.Region, Type: t.Type}, line, func() (err error) {
			refs, next, err = s.w.Reader.List(s.ctx, t.Account, t.Region, t.Type, t.Token)
			return err
		})
		if err == nil {
			return refs, next, nil
		}
		var not *stopped
		var fault *qrie.Fault
		if errors.As(err, &not) || errors.As(err, &fault) && fault.Kind.Lasts() {
			return nil, "", err
		}
		if !sleep(s.ctx, time.Second<<attempt) {
			return nil, "", errSessionEnded
		}
	}
	return nil, "", err
}

// sweepPage is how many stored resources a sweep looks at in one task.
const sweepPage = 50

// sweep reads what is stored and was not seen since the listing began: a lost
// delete event leaves such a ghost. Whether it is gone, the describe call says.
func (s *session) sweep(t scanTask) error {
	q := store.ResourceQuery{Accounts: []string{t.Account}, Types: []string{t.Type}, ListedBefore: t.Started}
	if rt, ok := resources.Find(t.Type); ok && !rt.Global {
		q.Regions = []string{t.Region}
	}
	found, err := s.w.Store.ListResources(s.ctx, q, store.PageRequest{Size: sweepPage, Token: t.Token})
	if errors.Is(err, qrie.ErrBadToken) {
		found, err = s.w.Store.ListResources(s.ctx, q, store.PageRequest{Size: sweepPage})
	}
	if err != nil {
		return fmt.Errorf("list what the scan of %s in %s did not see: %w", t.Type, t.Account, err)
	}
	refs := make([]qrie.Ref, len(found.Items))
	for i, r := range found.Items {
		refs[i] = r.Ref
	}
	s.w.metrics.scanSwept.Add(float64(len(refs)))
	page, err := s.readAll(t, refs)
	if err != nil {
		return err
	}
	if found.Next != "" {
		next := t
		next.Token, next.Page = found.Next, t.Page+1
		if page, err = follow(page, kindScan, t.key(), next); err != nil {
			return err
		}
	} else {
		s.allSeen(t)
		s.w.metrics.scanSuccess.WithLabelValues(qrie.ServiceOf(t.Type)).Set(float64(s.w.Now().Unix()))
	}
	return s.conclude(t.Job, page, s.publishAs(t.key()))
}
