package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

type jobsIn struct {
	Kind string `query:"kind" maxLength:"40" doc:"Such as inventory or policy; left out: every kind"`
}

// JobList is the newest jobs.
type JobList struct {
	Jobs []Job `json:"jobs"`
}

// Job is a long task with its progress.
type Job struct {
	ID       string         `json:"id"`
	Kind     string         `json:"kind" doc:"inventory (a scan) or policy (stored documents judged anew)"`
	Scope    string         `json:"scope"`
	Reason   string         `json:"reason" doc:"Such as bootstrap, scheduled, launch, request"`
	State    store.JobState `json:"state"`
	Started  time.Time      `json:"started"`
	Finished time.Time      `json:"finished,omitzero"`
	Pages    int64          `json:"pages" doc:"Planned so far"`
	Done     int64          `json:"done" doc:"Pages finished"`
	Items    int64          `json:"items" doc:"Resources listed or judged"`
	Failed   int64          `json:"failed"`
	Error    string         `json:"error,omitempty" doc:"The last one"`
}

func jobOf(j store.Job) Job {
	return Job{ID: j.ID, Kind: j.Kind, Scope: j.Scope, Reason: j.Reason, State: j.State, Started: j.Started.UTC(), Finished: utc(j.Finished),
		Pages: j.Pages, Done: j.Done, Items: j.Items, Failed: j.Failed, Error: j.Error}
}

// listedJobs bounds the list of jobs: jobs are few and old ones say nothing.
const listedJobs = 100

func (s *Server) listJobs(ctx context.Context, in *jobsIn) (*body[JobList], error) {
	jobs, err := s.store.ListJobs(ctx, in.Kind, listedJobs)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	list := make([]Job, 0, len(jobs))
	for _, j := range jobs {
		list = append(list, jobOf(j))
	}
	return &body[JobList]{Body: JobList{Jobs: list}}, nil
}

type jobIn struct {
	ID string `path:"id" maxLength:"100"`
}

func (s *Server) getJob(ctx context.Context, in *jobIn) (*body[Job], error) {
	j, err := s.store.Job(ctx, in.ID)
	if err != nil {
		return nil, jobProblem(in.ID, err)
	}
	return &body[Job]{Body: jobOf(j)}, nil
}

func (s *Server) cancelJob(ctx context.Context, in *jobIn) (*body[Job], error) {
	j, err := s.store.CancelJob(ctx, in.ID, s.now())
	if errors.Is(err, qrie.ErrConflict) {
		return nil, kindConflict.problem("job %s has ended already: there is nothing to cancel", in.ID).because(err)
	}
	if err != nil {
		return nil, jobProblem(in.ID, err)
	}
	return &body[Job]{Body: jobOf(j)}, nil
}

func jobProblem(id string, err error) error {
	if errors.Is(err, qrie.ErrNotFound) {
		return kindNotFound.problem("there is no job %s: ended jobs are forgotten after a while", id).because(err)
	}
	return fmt.Errorf("job %s: %w", id, err)
}

type scanIn struct {
	Body struct {
		PolicyID string   `json:"policy_id,omitempty" maxLength:"100" doc:"Judge what this policy covers anew, from what is stored. Left out: list resources and read them"`
		Accounts []string `json:"accounts,omitempty" maxItems:"1000" doc:"Left out: all that are watched"`
		Services []string `json:"services,omitempty" maxItems:"100" doc:"Such as s3; left out: all. Only without policy_id"`
	}
}

type scanOut struct {
	Location string `header:"Location"`
	Body     Job
}

// startScan starts a job that somebody asked for.
func (s *Server) startScan(ctx context.Context, in *scanIn) (*scanOut, error) {
	if s.options.Start == nil {
		return nil, kindUnavailable.problem("this server cannot start jobs: ask one that has the stream")
	}
	t := Task{Accounts: in.Body.Accounts, Services: in.Body.Services, Reason: "request"}
	if in.Body.PolicyID != "" {
		p, ok := s.policies.Get(in.Body.PolicyID)
		if !ok {
			return nil, s.unknownPolicyID("body.policy_id", in.Body.PolicyID)
		}
		if len(t.Services) > 0 {
			return nil, invalid("body.services", nil, "policy %s is of %s alone: leave services out", p.ID, p.ResourceType)
		}
		t.Policy = p.ID
	}
	for i, name := range t.Services {
		if !slices.Contains(serviceNames(), name) {
			return nil, invalid(fmt.Sprintf("body.services[%d]", i), name, "there is no service of that name: GET /api/v1/services lists them")
		}
	}
	known, err := s.accounts.get(ctx)
	if err != nil {
		return nil, err
	}
	for i, id := range t.Accounts {
		if _, ok := known[id]; !ok {
			return nil, invalid(fmt.Sprintf("body.accounts[%d]", i), id, "this account is not watched: GET /api/v1/accounts lists those that are")
		}
	}
	job, err := s.options.Start(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("start a job: %w", err)
	}
	return &scanOut{Location: "/api/v1/jobs/" + job.ID, Body: jobOf(job)}, nil
}
