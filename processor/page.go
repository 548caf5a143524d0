package processor

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// A page of a job may be done more than once: its worker died, or its record
// came twice. What it does may then come to another end, because the listing has
// changed or is refused. So what a page decides is counted first and published
// after: the first that is counted decides what follows, and whoever comes later
// publishes the same again.

// page does one page of a job, unless that is over. publish publishes what the
// page decided when it was done before. A page without a job is simply done.
func (s *session) page(job, page string, publish func(decided []byte) error, do func(store.Job) error) error {
	if job == "" {
		return do(store.Job{})
	}
	j, counted, decided, err := s.w.Store.JobPage(s.ctx, job, page)
	switch {
	case errors.Is(err, qrie.ErrNotFound):
		return nil // past its retention
	case err != nil:
		return fmt.Errorf("read job %s: %w", job, err)
	case j.State == store.JobCancelled:
		return nil
	case counted:
		return publishDecided(decided, publish)
	}
	if !s.pages.begin(job + "/" + page) {
		return nil // another record of it is being worked on here, and is done later
	}
	defer s.pages.end(job + "/" + page)
	return do(j)
}

// errNotYet is what a page returns that cannot be done at present.
var errNotYet = errors.New("not yet")

// orLater publishes a page that cannot be done yet once more, to come back a
// little later: so it is never far from the end of the shard, and holds up no
// checkpoint.
func orLater[T any](s *session, k kind, key string, task T, err error) error {
	if !errors.Is(err, errNotYet) {
		return err
	}
	if !sleep(s.ctx, notYetPause) {
		return errSessionEnded
	}
	r, err := encode(k, key, []T{task})
	if err != nil {
		return err
	}
	return s.publish([]stream.Record{r})
}

const notYetPause = time.Second

// conclude counts a page and publishes what it decided, or what was decided
// before, if it was counted before.
func (s *session) conclude(job string, page store.JobPage, publish func(decided []byte) error) error {
	if job == "" {
		return publishDecided(page.Decided, publish)
	}
	if _, err := s.w.Store.FinishPage(s.ctx, job, page, s.w.Now()); err != nil && !errors.Is(err, qrie.ErrNotFound) {
		return fmt.Errorf("count page %s of job %s: %w", page.Page, job, err)
	}
	j, _, decided, err := s.w.Store.JobPage(s.ctx, job, page.Page)
	switch {
	case errors.Is(err, qrie.ErrNotFound): // past its retention
		return nil
	case err != nil:
		return fmt.Errorf("read job %s: %w", job, err)
	case j.State == store.JobCancelled:
		return nil
	}
	return publishDecided(decided, publish)
}

func publishDecided(decided []byte, publish func([]byte) error) error {
	if len(decided) == 0 {
		return nil // the last of its chain
	}
	return publish(decided)
}

// follow is the outcome of a page that one task follows: the record of that task
// is what it decides.
func follow[T interface{ id() string }](page store.JobPage, k kind, key string, task T) (store.JobPage, error) {
	r, err := encode(k, key, []T{task})
	page.Next, page.Decided = []string{task.id()}, r.Data
	return page, err
}

// publishAs publishes what follow decided.
func (s *session) publishAs(key string) func(decided []byte) error {
	return func(decided []byte) error { return s.publish([]stream.Record{{Key: key, Data: decided}}) }
}

// underWay are the pages that a session works on. It is safe for concurrent use.
type underWay struct {
	mu    sync.Mutex
	pages map[string]bool
}

func (u *underWay) begin(page string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pages[page] {
		return false
	}
	if u.pages == nil {
		u.pages = map[string]bool{}
	}
	u.pages[page] = true
	return true
}

func (u *underWay) end(page string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.pages, page)
}
