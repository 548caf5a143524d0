package processor

import (
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// listInstead turns a mark of a whole type into a listing of it: the event
// named the type and not which of it.
func (s *session) listInstead(m touched) {
	t := scanTask{Account: m.Ref.Account, Region: m.Ref.Region, Type: m.Ref.Type, Started: s.w.Now()}
	r, err := encode(kindScan, t.key(), []scanTask{t})
	if err != nil {
		panic(fmt.Sprintf("BUG: scan task cannot be encoded: %v", err))
	}
	if s.publish([]stream.Record{r}) == nil {
		s.mark(m, "listed")
	}
}

// listRetries is how often a page is tried before the scan goes on without the
// rest of its scope. What it misses the next scan finds.
const listRetries = 5

// scanPage does one page task of a scan.
func (s *session) scanPage(t scanTask) error {
	if t.Sweep {
		return s.sweep(t)
	}
	refs, next, err := s.listPage(t)
	page := store.JobPage{Page: t.id()}
	if err != nil {
		if s.ctx.Err() != nil {
			return err
		}
		// Without a complete listing nothing may be swept.
		page.Failed, page.Error = 1, err.Error()
		s.w.Log.Warn("listing given up", "account", t.Account, "region", t.Region, "type", t.Type, "error", err)
		return s.finishPage(t.Job, page)
	}
	s.w.metrics.scanPages.Inc()
	marks := make([]touched, len(refs))
	for i, ref := range refs {
		marks[i] = touched{Ref: ref, Reason: qrie.ReasonScan}
	}
	out, err := encodeMarks(marks)
	if err != nil {
		return err
	}
	follow := t
	follow.Token, follow.Page = next, t.Page+1
	follow.Sweep = next == ""
	if follow.Sweep {
		follow.Page = 0
	}
	r, err := encode(kindScan, t.key(), []scanTask{follow})
	if err != nil {
		return err
	}
	if err := s.publish(append(out, r)); err != nil {
		return err
	}
	page.Items, page.More = int64(len(refs)), 1
	return s.finishPage(t.Job, page)
}

func (s *session) listPage(t scanTask) (refs []qrie.Ref, next string, err error) {
	for attempt := range listRetries {
		if err = s.w.allow(s.ctx, qrie.Ref{Account: t.Account, Region: t.Region, Type: t.Type}); err != nil {
			return nil, "", err
		}
		refs, next, err = s.w.Reader.List(s.ctx, t.Account, t.Region, t.Type, t.Token)
		if err == nil {
			return refs, next, nil
		}
		var fault *qrie.Fault
		if errors.As(err, &fault) && (fault.Kind == qrie.Denied || fault.Kind == qrie.Unreached || fault.Kind == qrie.Invalid) {
			return nil, "", err
		}
		if !sleep(s.ctx, time.Second<<attempt) {
			return nil, "", errSessionEnded
		}
	}
	return nil, "", err
}

// sweepPage is how many stored resources a sweep looks at in one task.
const sweepPage = 200

// sweep marks what is stored and was not seen since the listing began: a lost
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
	marks := make([]touched, len(found.Items))
	for i, r := range found.Items {
		marks[i] = touched{Ref: r.Ref, Reason: qrie.ReasonScan}
	}
	records, err := encodeMarks(marks)
	if err != nil {
		return err
	}
	page := store.JobPage{Page: t.id()}
	if found.Next != "" {
		follow := t
		follow.Token, follow.Page = found.Next, t.Page+1
		r, err := encode(kindScan, t.key(), []scanTask{follow})
		if err != nil {
			return err
		}
		records = append(records, r)
		page.More = 1
	} else {
		s.w.metrics.scanSuccess.WithLabelValues(qrie.ServiceOf(t.Type)).Set(float64(s.w.Now().Unix()))
	}
	s.w.metrics.scanSwept.Add(float64(len(marks)))
	if len(records) > 0 {
		if err := s.publish(records); err != nil {
			return err
		}
	}
	return s.finishPage(t.Job, page)
}

func (s *session) finishPage(job string, page store.JobPage) error {
	if job == "" {
		return nil
	}
	_, err := s.w.Store.FinishPage(s.ctx, job, page, s.w.Now())
	if errors.Is(err, qrie.ErrNotFound) {
		return nil // the job is past its retention; the work was done all the same
	}
	if err != nil {
		return fmt.Errorf("count page %s of job %s: %w", page.Page, job, err)
	}
	return nil
}
