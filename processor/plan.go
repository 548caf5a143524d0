package processor

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// planTask lays out a job: it publishes the first page task of each scope,
// some accounts at a time.
type planTask struct {
	Job      store.Job `json:"job"`
	Accounts []string  `json:"accounts,omitempty"` // sorted; none: all that are watched
	Types    []string  `json:"types"`
	Note     string    `json:"note,omitempty"` // of a policy job: the cause of what it opens
	After    string    `json:"after,omitempty"`
	Page     int       `json:"page"`
}

func (t planTask) id() string { return fmt.Sprintf("plan/%d", t.Page) }

// planKey keeps the stretches of a plan in one shard, in order.
const planKey = "plan"

const (
	// planAccounts is how many accounts one task lays out: with ten Regions and
	// a hundred types, 100,000 small records would be too many, so a job is
	// also paced.
	planAccounts = 4
	// planAhead is how many pages of a job may be under way when more are laid
	// out. A page of a scan reads what it lists, so this bounds what all scans
	// ask of AWS at a time, and how long a shard waits for them.
	planAhead = 64
)

// planned is what a page of a plan decided to lay out.
type planned struct {
	Accounts []qrie.Account `json:"accounts"` // by id; their ids and Regions
	More     bool           `json:"more,omitempty"`
}

// planPage lays out one stretch of a job, when there is room. Done twice, it
// lays out the same again, which is counted once.
func (s *session) planPage(t planTask) error {
	if err := s.w.Store.PutJob(s.ctx, t.Job); err != nil && !errors.Is(err, qrie.ErrExists) {
		return fmt.Errorf("write job %s: %w", t.Job.ID, err)
	}
	err := s.page(t.Job.ID, t.id(), func(decided []byte) error { return s.layOut(t, decided) }, func(job store.Job) error {
		if job.Pages-job.Done > planAhead {
			return errNotYet
		}
		if err := s.w.desk.reload(s.ctx); err != nil {
			return err
		}
		p := planned{}
		for _, a := range s.w.desk.allAccounts() { // by id
			_, wanted := slices.BinarySearch(t.Accounts, a.ID)
			if a.ID <= t.After || len(t.Accounts) > 0 && !wanted {
				continue
			}
			if p.More = len(p.Accounts) == planAccounts; p.More {
				break
			}
			p.Accounts = append(p.Accounts, qrie.Account{ID: a.ID, Regions: a.Regions})
		}
		_, pages, err := t.pages(p)
		if err != nil {
			return err
		}
		decided, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("write what a plan decided: %w", err)
		}
		return s.conclude(t.Job.ID, store.JobPage{Page: t.id(), Next: pages, Decided: decided}, func(decided []byte) error { return s.layOut(t, decided) })
	})
	return orLater(s, kindPlan, planKey, t, err)
}

// layOut publishes the tasks that a page of a plan decided on.
func (s *session) layOut(t planTask, decided []byte) error {
	var p planned
	if err := json.Unmarshal(decided, &p); err != nil {
		return fmt.Errorf("read what a plan decided: %w", err)
	}
	records, _, err := t.pages(p)
	if err != nil || len(records) == 0 {
		return err
	}
	return s.publish(records)
}

// pages are the first pages of the accounts' scopes and the rest of the plan, as
// records and by id.
func (t planTask) pages(p planned) (records []stream.Record, ids []string, err error) {
	add := func(id string, r stream.Record, failed error) {
		records, ids, err = append(records, r), append(ids, id), errors.Join(err, failed)
	}
	for _, a := range p.Accounts {
		for _, name := range t.Types {
			if t.Job.Kind == jobPolicy {
				task := judgeTask{Job: t.Job.ID, Account: a.ID, Type: name, Note: t.Note}
				r, err := encode(kindJudge, task.key(), []judgeTask{task})
				add(task.id(), r, err)
				continue
			}
			for _, region := range regionsOf(a, name) {
				task := scanTask{Job: t.Job.ID, Account: a.ID, Region: region, Type: name, Started: t.Job.Started}
				r, err := encode(kindScan, task.key(), []scanTask{task})
				add(task.id(), r, err)
			}
		}
	}
	if p.More {
		follow := t
		follow.After, follow.Page = p.Accounts[len(p.Accounts)-1].ID, t.Page+1
		r, err := encode(kindPlan, planKey, []planTask{follow})
		add(follow.id(), r, err)
	}
	return records, ids, err
}

// homeRegion is where AWS serves IAM and lists buckets.
const homeRegion = "us-east-1"

func regionsOf(a qrie.Account, resourceType string) []string {
	if t, ok := resources.Find(resourceType); ok && t.Global || len(a.Regions) == 0 {
		return []string{homeRegion}
	}
	return a.Regions
}

// Gap implements stream.Handler. What the lost records told, a scan of
// everything finds that begins later than they arrived; one serves all shards
// that stood still together.
func (w *Worker) Gap(s *stream.Session, _, to time.Time) {
	ses := w.session(s)
	_ = ses.persist(func() error { // else the session has ended, and the next owner is told
		jobs, err := w.Store.ListJobs(ses.ctx, jobInventory, listedJobs)
		if err != nil {
			return fmt.Errorf("look for a scan since the gap: %w", err)
		}
		for _, j := range jobs {
			if j.Scope == allAccounts && j.State != store.JobFailed && j.Started.After(to) {
				return nil
			}
		}
		_, ok, err := w.Store.Lock(ses.ctx, "gap", w.Owner+"/"+s.Shard(), w.Now(), time.Minute)
		if err != nil {
			return fmt.Errorf("lock the scan after a gap: %w", err)
		}
		if !ok {
			return errors.New("the scan after a gap is being started for another shard")
		}
		_, err = w.Inventory(ses.ctx, "gap", Extent{})
		return err
	})
}
