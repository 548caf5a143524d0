package query

import (
	"context"
	"fmt"
	"time"

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

// System is how the pipeline does.
type System struct {
	Stream          StreamState `json:"stream"`
	Dirty           DirtyState  `json:"dirty"`
	DeadLetters     int64       `json:"dead_letters" doc:"Records that could not be understood or handled"`
	EventsPerSecond *float64    `json:"events_per_second,omitempty" doc:"Taken by the process that answers; absent where it runs no worker"`
	LagSeconds      *float64    `json:"lag_seconds,omitempty" doc:"Of the shard that lags most"`
}

// StreamState is the stream's shards, as far as this process knows them.
type StreamState struct {
	Shards   []Shard   `json:"shards"`
	Troubles []Trouble `json:"troubles" doc:"What is wrong with shards, for longer than a hand-over takes"`
}

// DirtyState is the marks that wait.
type DirtyState struct {
	Count  int64     `json:"count"`
	Oldest time.Time `json:"oldest,omitzero"`
}

func (s *Server) system(ctx context.Context, _ *struct{}) (*body[System], error) {
	state := System{Stream: StreamState{Shards: []Shard{}, Troubles: []Trouble{}}}
	count, oldest, err := s.store.CountDirty(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the marks that wait: %w", err)
	}
	state.Dirty = DirtyState{Count: count, Oldest: utc(oldest)}
	if state.DeadLetters, err = s.store.CountDeadLetters(ctx); err != nil {
		return nil, fmt.Errorf("count the dead letters: %w", err)
	}
	if s.options.Pipeline != nil {
		p, err := s.options.Pipeline(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the state of the stream: %w", err)
		}
		state.Stream = StreamState{Shards: notNil(p.Shards), Troubles: notNil(p.Troubles)}
		state.EventsPerSecond, state.LagSeconds = p.EventsPerSecond, &p.LagSeconds
	}
	return &body[System]{Body: state}, nil
}
