package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/query"
	"github.com/qrie-sec/qrie/store"
)

func newScan() *cobra.Command {
	var b backends
	cmd := group("scan", "Start, watch and cancel scans", newScanRun(&b), newScanList(&b), newScanShow(&b), newScanCancel(&b))
	b.flags(cmd.PersistentFlags(), defaultDataDir(true))
	return cmd
}

func newScanRun(b *backends) *cobra.Command {
	var extent processor.Extent
	var policy string
	var wait bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Scan accounts or services, or judge what a policy covers anew",
		Long: `Start a scan: the workers list every resource in the accounts and services that are
named (all of them if none is) and read what they find, no faster than AWS and the
events of the day allow. With --policy nothing is read from AWS: what is stored is
judged anew.

Scans run by themselves when an account is added and every week; what is stored is
judged every day and after each change of a policy.`,
		Example: `  qrie scan run --account 111122223333 --service s3 --wait
  qrie scan run --policy S3BucketPublicReadProhibited`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if policy != "" && len(extent.Services) > 0 {
				return usageError{errors.New("a policy is of one resource type: give --policy or --service")}
			}
			set, err := policies.Catalogue()
			if err != nil {
				return fmt.Errorf("load the policies: %w", err)
			}
			return b.with(cmd.Context(), existingDataDir, both, func(o *opened) error {
				task := query.Task{Policy: policy, Accounts: extent.Accounts, Services: extent.Services, Reason: "request"}
				job, err := starts(o.starter(set))(cmd.Context(), task)
				if errors.Is(err, qrie.ErrNotFound) && len(extent.Accounts) > 0 {
					err = fmt.Errorf("%w; 'qrie account list' shows the accounts that are watched", err)
				}
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), job.ID)
				if !wait {
					return nil
				}
				return await(cmd.Context(), cmd.ErrOrStderr(), o.store, job.ID)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&extent.Accounts, "account", nil, "id of an account, more than once for several (default: all that are watched)")
	f.StringSliceVar(&extent.Services, "service", nil, "service such as s3, more than once for several (default: all)")
	f.StringVar(&policy, "policy", "", "judge what this policy covers anew, from what is stored")
	f.BoolVar(&wait, "wait", false, "show the progress and wait for the end")
	return cmd
}

// starts starts the jobs that the API is asked for.
func starts(s processor.Starter) func(context.Context, query.Task) (store.Job, error) {
	return func(ctx context.Context, t query.Task) (store.Job, error) {
		if t.Policy != "" {
			return s.Rejudge(ctx, t.Policy, t.Reason, t.Accounts...)
		}
		return s.Inventory(ctx, t.Reason, processor.Extent{Accounts: t.Accounts, Services: t.Services})
	}
}

// lookEvery is how often the progress of a job is read.
const lookEvery = time.Second

// await shows the progress of a job and returns when it has ended. A job that
// did not end well is an error.
func await(ctx context.Context, out io.Writer, jobs store.Work, id string) error {
	p := newProgress(out, 0, "resources")
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		j, err := jobs.Job(ctx, id)
		switch {
		case errors.Is(err, qrie.ErrNotFound): // no worker has seen it yet
		case err != nil:
			return err
		case j.State != store.JobRunning:
			p.clear()
			fmt.Fprintln(out, ended(j))
			if j.State != store.JobDone || j.Failed > 0 {
				return fmt.Errorf("job %s: %s", id, ended(j))
			}
			return nil
		default:
			p.total = j.Pages
			p.update(j.Done, j.Items)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.clear()
			return fmt.Errorf("job %s goes on without being watched: qrie scan show %s", id, id)
		}
	}
}

// ended tells in a line what became of a job.
func ended(j store.Job) string {
	line := fmt.Sprintf("%s after %s: %d resources", j.State, j.Finished.Sub(j.Started).Round(time.Second), j.Items)
	switch {
	case j.Error != "":
		line += fmt.Sprintf("; %d failures on %d pages, the last: %s", j.Failed, j.Pages, j.Error)
	case j.Failed > 0:
		line += fmt.Sprintf("; reading failed %d times and is kept in the dead letters: qrie stream dlq list", j.Failed)
	}
	return line
}

func newScanList(b *backends) *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use: "list", Short: "List scans, newest first", Args: args(0, 0, "no arguments"),
		Example: "  qrie scan list --kind inventory",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				jobs, err := o.store.ListJobs(cmd.Context(), kind, 100)
				if err != nil {
					return err
				}
				if len(jobs) == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "no scan has run: qrie scan run starts one")
					return nil
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tKIND\tSTATE\tSTARTED\tPAGES\tRESOURCES\tFAILED\tSCOPE\tREASON")
				for _, j := range jobs {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d/%d\t%d\t%d\t%s\t%s\n", j.ID, j.Kind, j.State,
						j.Started.UTC().Format(time.RFC3339), j.Done, j.Pages, j.Items, j.Failed, j.Scope, j.Reason)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "inventory or policy (default: both)")
	return cmd
}

func newScanShow(b *backends) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Print a scan as JSON", Args: args(1, 1, "the id of a scan"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				j, err := o.store.Job(cmd.Context(), ids[0])
				if err != nil {
					return scanError(ids[0], err)
				}
				return printJob(cmd.OutOrStdout(), j)
			})
		}}
}

func newScanCancel(b *backends) *cobra.Command {
	return &cobra.Command{Use: "cancel ID", Short: "End a scan where it stands; what it found stays", Args: args(1, 1, "the id of a scan"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				j, err := o.store.CancelJob(cmd.Context(), ids[0], time.Now())
				if err != nil {
					return scanError(ids[0], err)
				}
				fmt.Fprintln(cmd.ErrOrStderr(), ended(j))
				return nil
			})
		}}
}

func scanError(id string, err error) error {
	if errors.Is(err, qrie.ErrConflict) {
		return refused{fmt.Errorf("scan %s has ended already", id)}
	}
	return fmt.Errorf("%w; 'qrie scan list' shows what there is", err)
}

// printJob writes a job as the API does.
func printJob(out io.Writer, j store.Job) error {
	j.Open = 0 // of no use to a person
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", text)
	return err
}
