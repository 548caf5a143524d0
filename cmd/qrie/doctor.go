package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// check is one thing that the doctor looked at.
type check struct {
	Name   string `json:"name"`
	Level  string `json:"level"` // ok, warn or fail
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

const (
	levelOK   = "ok"
	levelWarn = "warn"
	levelFail = "fail"
)

type doctorOptions struct {
	backends
	output string
	probe  bool
	roles  bool
}

func newDoctor() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is missing or wrong, and how to mend it",
		Long: `Look at stream and store as the workers use them: whether they are there, set up well
and permitted, whether the clock is right, whether somebody reads every shard, and
what waits. Nothing is written.

With --probe a record that asks for nothing is published, and the doctor waits
until a worker has taken it. With --roles each watched account is entered as a
worker would, with the AWS credentials of this environment.

It ends with 1 if something fails.`,
		Example: "  qrie doctor --stream kinesis --stream-name qrie-events --store dynamo --region eu-west-1 --probe",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.output != "text" && o.output != "json" {
				return usageError{fmt.Errorf("--output %q: give text or json", o.output)}
			}
			if err := o.check(both); err != nil {
				return err
			}
			checks := o.examine(cmd.Context(), func(c check) {
				if o.output == "text" {
					c.print(cmd.OutOrStdout())
				}
			})
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if o.output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				enc.SetEscapeHTML(false)
				if err := enc.Encode(checks); err != nil {
					return err
				}
			}
			return verdict(checks)
		},
	}
	f := cmd.Flags()
	o.flags(f, defaultDataDir(false))
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	f.BoolVar(&o.probe, "probe", false, "publish a record that asks for nothing, and wait until a worker has taken it")
	f.BoolVar(&o.roles, "roles", false, "enter each watched account as a worker would")
	return cmd
}

func (c check) print(out io.Writer) {
	fmt.Fprintf(out, "%-5s %s: %s\n", c.Level, c.Name, printable(c.Found))
	if c.Remedy != "" {
		fmt.Fprintf(out, "      → %s\n", c.Remedy)
	}
}

// verdict is the error of the checks that failed.
func verdict(checks []check) error {
	var failed []string
	for _, c := range checks {
		if c.Level == levelFail {
			failed = append(failed, c.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d check(s) failed: %s", len(failed), strings.Join(failed, ", "))
	}
	return nil
}

// examination is one run of the doctor.
type examination struct {
	o      doctorOptions
	tell   func(check)
	checks []check
}

func (x *examination) add(c check) {
	x.checks = append(x.checks, c)
	x.tell(c)
}

func (x *examination) addf(level, name, remedy, format string, args ...any) {
	x.add(check{name, level, fmt.Sprintf(format, args...), remedy})
}

func (o doctorOptions) examine(ctx context.Context, tell func(check)) []check {
	x, log := &examination{o: o, tell: tell}, slog.New(slog.DiscardHandler)
	if o.stream == onKinesis || o.store == onDynamo {
		c, err := openCloud(ctx, o.region, log)
		if err != nil {
			x.addf(levelFail, "AWS", "see 'aws configure', or set AWS_PROFILE", "%v", err)
			return x.checks
		}
		for _, found := range c.examine(ctx, o.backends) {
			x.add(found)
		}
		if verdict(x.checks) != nil {
			return x.checks // what is behind it cannot be opened
		}
	}
	b, err := o.open(ctx, existingDataDir, both, ownerID(), nil, log)
	if err != nil {
		x.addf(levelFail, "stream and store", "", "%v", err)
		return x.checks
	}
	defer func() { x.closed(b.Close()) }()
	x.store(ctx, b.store)
	x.workers(ctx, b.stream)
	if o.probe {
		x.probe(ctx, b.stream)
	}
	if o.roles {
		x.roles(ctx, b.store, log)
	}
	return x.checks
}

func (x *examination) closed(err error) {
	if err != nil {
		x.addf(levelFail, "stream and store", "", "close: %v", err)
	}
}

// old is how long a resource may wait before it is worth a look.
const old = time.Hour

func (x *examination) store(ctx context.Context, s store.Store) {
	if err := s.Ping(ctx); err != nil {
		x.addf(levelFail, "store", "", "%v", err)
		return
	}
	x.addf(levelOK, "store", "", "reads and writes")
	if accounts, err := s.ListAccounts(ctx); err != nil {
		x.addf(levelFail, "accounts", "", "%v", err)
	} else if len(accounts) == 0 {
		x.addf(levelWarn, "accounts", "name them in a file and give it with --accounts", "none is watched")
	} else {
		x.addf(levelOK, "accounts", "", "%d watched", len(accounts))
	}
	letters, err := s.CountDeadLetters(ctx)
	switch {
	case err != nil:
		x.addf(levelFail, "dead letters", "", "%v", err)
	case letters > 0:
		x.addf(levelWarn, "dead letters", "qrie stream dlq list", "%d records could not be handled", letters)
	default:
		x.addf(levelOK, "dead letters", "", "none")
	}
	waiting, oldest, err := s.CountDirty(ctx)
	switch {
	case err != nil:
		x.addf(levelFail, "resources that wait", "", "%v", err)
	case waiting > 0 && time.Since(oldest) > old:
		x.addf(levelWarn, "resources that wait", "qrie doctor --roles shows which accounts cannot be read",
			"%d are to be read again, the oldest since %s", waiting, oldest.UTC().Format(time.RFC3339))
	default:
		x.addf(levelOK, "resources that wait", "", "%d", waiting)
	}
}

// renewalPause is longer than a living worker leaves between two renewals.
const renewalPause = 6 * time.Second

// workers looks at the shards twice.
func (x *examination) workers(ctx context.Context, s stream.Stream) {
	const start = "start a worker: qrie processor"
	first, err := s.Shards(ctx)
	if err == nil {
		select {
		case <-time.After(renewalPause):
			var second []stream.ShardInfo
			if second, err = s.Shards(ctx); err == nil {
				x.shards(first, second, start)
			}
		case <-ctx.Done():
			return
		}
	}
	if err != nil {
		x.addf(levelFail, "shards", "", "%v", err)
	}
}

func (x *examination) shards(first, second []stream.ShardInfo, start string) {
	renewals := map[string]int64{}
	for _, s := range first {
		renewals[s.ID] = s.Renewals
	}
	var orphans, dead []string
	owners := map[string]bool{}
	var lag time.Duration
	read := 0
	for _, s := range second {
		if s.State == stream.ShardFinished || s.State == stream.ShardWaiting {
			continue
		}
		read++
		lag = max(lag, s.Lag)
		switch was, seen := renewals[s.ID]; {
		case s.Owner == "":
			orphans = append(orphans, s.ID)
		case seen && was == s.Renewals:
			dead = append(dead, s.ID)
		default:
			owners[s.Owner] = true
		}
	}
	switch {
	case len(orphans) > 0:
		x.addf(levelFail, "workers", start, "nobody reads %d of %d shards: %s", len(orphans), read, strings.Join(orphans, ", "))
	case len(dead) > 0:
		x.addf(levelFail, "workers", start, "the owner of %d of %d shards did not renew its lease for %s: %s", len(dead), read, renewalPause, strings.Join(dead, ", "))
	default:
		x.addf(levelOK, "workers", "", "%d read %d shards", len(owners), read)
	}
	var w stream.Watch
	level, remedy := levelOK, ""
	for _, t := range w.Look(second, time.Now()) {
		if t.Kind != stream.TroubleUnowned { // which one look cannot tell
			level, remedy = levelWarn, "see the workers' logs, and qrie_stream_watermark_age_seconds"
		}
	}
	x.addf(level, "lag", remedy, "%s behind", lag.Round(time.Millisecond))
}

// probePatience is how long a worker may take for a probe: a checkpoint is
// written every three seconds.
const probePatience = 30 * time.Second

// probe publishes a record and waits until a worker is done with it.
func (x *examination) probe(ctx context.Context, s stream.Stream) {
	const name = "probe"
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	id := randomID(8)
	r, err := processor.Probe(id)
	if err != nil {
		x.addf(levelFail, name, "", "%v", err)
		return
	}
	began := time.Now()
	if err := s.Publish(ctx, []stream.Record{r}); err != nil {
		x.addf(levelFail, name, "allow kinesis:PutRecords on the stream", "publish: %v", err)
		return
	}
	found := errors.New("found")
	err = s.Tail(ctx, began.Add(-time.Minute), func(got stream.Record) error { // clocks may differ
		if string(got.Data) == string(r.Data) {
			r = got
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		x.addf(levelFail, name, "", "the record was published and is not to be seen in the stream: %v", errors.Join(err, ctx.Err()))
		return
	}
	for {
		shards, err := s.Shards(ctx)
		if err != nil && ctx.Err() == nil {
			x.addf(levelFail, name, "", "%v", err)
			return
		}
		for _, shard := range shards {
			if shard.ID == r.Shard && stream.CompareSeq(shard.Checkpoint, r.Seq) >= 0 {
				x.addf(levelOK, name, "", "a worker took it; its checkpoint passed it within %s", time.Since(began).Round(100*time.Millisecond))
				return
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			x.addf(levelFail, name, "see the workers' logs", "no worker finished it within %s", probePatience)
			return
		}
	}
}

// roles lists a first page of buckets in each account, as a scan does.
func (x *examination) roles(ctx context.Context, s store.Store, log *slog.Logger) {
	accounts, err := s.ListAccounts(ctx)
	if err != nil {
		x.addf(levelFail, "roles", "", "%v", err)
		return
	}
	reader, err := openAWS(ctx, s.Account, nil, log)
	if err != nil {
		x.addf(levelFail, "roles", "", "%v", err)
		return
	}
	for _, a := range accounts {
		if ctx.Err() != nil {
			return
		}
		name := "account " + a.ID
		_, _, err := reader.List(ctx, a.ID, "us-east-1", "AWS::S3::Bucket", "")
		var fault *qrie.Fault
		switch {
		case err == nil:
			x.addf(levelOK, name, "", "can be entered and read")
		case errors.As(err, &fault) && fault.Kind == qrie.Unreached:
			x.addf(levelFail, name, fmt.Sprintf("let qrie's own role assume %s, with the external id of the account", a.RoleARN), "%v", err)
		case errors.As(err, &fault) && fault.Kind == qrie.Denied:
			x.addf(levelWarn, name, fmt.Sprintf("allow %s to %s", fault.Action, a.RoleARN), "%v", err)
		default:
			x.addf(levelWarn, name, "", "%v", err)
		}
	}
}
