package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/query"
	"github.com/qrie-sec/qrie/store"
	storelocal "github.com/qrie-sec/qrie/store/local"
	"github.com/qrie-sec/qrie/stream"
	streamlocal "github.com/qrie-sec/qrie/stream/local"
	"github.com/qrie-sec/qrie/web"
)

type upOptions struct {
	data     string
	listen   string
	accounts string
	logLevel string
	open     bool
	print    bool
	demo     demoOptions
}

func newUp() *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process, on one machine",
		Long: `Run the stream, the worker, the API and the dashboard in one process, with all
data in one directory. It stops cleanly on Ctrl-C and goes on where it was; it may
be killed at any time and loses nothing that it acknowledged.

With --demo an organisation is simulated: accounts, resources, people and
pipelines that change them, and the CloudTrail events of it all. No AWS account is
needed, and no login. Without --demo the accounts of --accounts are read with the
AWS credentials of the environment, and the first start prints a login link.`,
		Example: "  qrie up --demo\n  qrie up --accounts accounts.yaml --data /var/lib/qrie",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.data == "" {
				o.data = defaultDataDir(o.demo.on)
			}
			if o.print {
				return printConfig(cmd)
			}
			level, err := parseLevel(o.logLevel)
			if err != nil {
				return err
			}
			if err := o.check(); err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			return up(cmd.Context(), o, log, func(format string, a ...any) { fmt.Fprintf(cmd.OutOrStdout(), format, a...) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "", "data directory (default ~/.local/share/qrie/data, or .../demo with --demo)")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address of the dashboard and the API; port 0 picks a free one")
	f.StringVar(&o.accounts, "accounts", "", "YAML file of the AWS accounts to watch")
	f.StringVar(&o.logLevel, "log-level", "warn", "debug, info, warn or error")
	f.BoolVar(&o.open, "open", false, "open the dashboard in the browser")
	f.BoolVar(&o.print, "print-config", false, "print every setting, its value and where it comes from, and exit")
	f.BoolVar(&o.demo.on, "demo", false, "simulate an organisation instead of reading AWS")
	f.IntVar(&o.demo.accounts, "demo-accounts", 12, "accounts of the simulated organisation")
	f.IntVar(&o.demo.resources, "demo-resources", 900, "resources of the simulated organisation")
	f.Float64Var(&o.demo.perMinute, "demo-rate", 20, "changes a minute in the simulated organisation")
	f.Uint64Var(&o.demo.seed, "demo-seed", 1, "seed of the simulated organisation")
	return cmd
}

func (o upOptions) check() error {
	if o.demo.on && o.accounts != "" {
		return usageError{errors.New("--demo simulates its own accounts: leave --accounts out")}
	}
	if o.demo.on && (o.demo.accounts < 1 || o.demo.accounts > 10000 || o.demo.resources < 1 || o.demo.resources > 1_000_000 || o.demo.perMinute < 0 || o.demo.perMinute > 600_000) {
		return usageError{errors.New("--demo-accounts is 1 to 10,000, --demo-resources 1 to 1,000,000, --demo-rate 0 to 600,000")}
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen %q: %w; give HOST:PORT, such as 127.0.0.1:8080", o.listen, err)}
	}
	if o.demo.on && !loopback(host) {
		return usageError{fmt.Errorf("the demo has no login and binds a loopback address only, not %q", host)}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func parseLevel(name string) (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return level, usageError{fmt.Errorf("--log-level %q: give debug, info, warn or error", name)}
	}
	return level, nil
}

// ownerID names this start of this process: a new id each time, so that a
// lease of a process that died is never taken for one's own.
func ownerID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), randomID(4))
}

func randomID(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails: it would rather end the program
	return hex.EncodeToString(b)
}

// world is where resources are read and, in a demo, where they change.
type world struct {
	reader         processor.Reader
	accounts       []qrie.Account
	demo           query.Demo // nil outside a demo
	callsPerSecond float64
	// run changes the world until ctx ends; nil if AWS does.
	run func(ctx context.Context) error
}

// up wires the rooms together and runs them until ctx ends. Whatever was
// opened is closed in the opposite order.
func up(ctx context.Context, o upOptions, log *slog.Logger, say func(string, ...any)) (err error) {
	dir, err := openDataDir(o.data)
	if err != nil {
		return err
	}
	secret, err := dir.secret()
	if err != nil {
		return err
	}
	catalogue, err := policies.Catalogue()
	if err != nil {
		return fmt.Errorf("load the policies: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("%w; is another qrie running? choose another address with --listen", err)
	}
	defer listener.Close()

	db, err := dir.database(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	owner := ownerID()
	state, err := storelocal.Open(ctx, db, storelocal.Options{Secret: secret, Registerer: registry})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	stream, err := streamlocal.Open(ctx, db, streamlocal.Options{Owner: owner, Registerer: registry})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()

	w, err := openWorld(ctx, o, dir, stream, registry, log)
	if err != nil {
		return err
	}
	fresh, err := register(ctx, state, w.accounts)
	if err != nil {
		return err
	}
	if o.demo.on {
		if err := launchAll(ctx, state, catalogue); err != nil {
			return err
		}
	}
	worker, err := processor.New(processor.Options{Stream: stream, Store: state, Reader: w.reader, Policies: catalogue,
		Owner: owner, NewID: func() string { return randomID(8) }, Log: log, Registerer: registry,
		CallsPerSecond: w.callsPerSecond, Schedule: true})
	if err != nil {
		return err
	}
	code := ""
	if !o.demo.on {
		code = randomID(16)
	}
	server, err := query.New(query.Options{Store: state, Policies: catalogue, UI: web.Files(), Log: log, Registry: registry, Version: version,
		Auth: query.Auth{Disabled: o.demo.on, Secret: secret, LoginCode: code}, Demo: w.demo,
		Rejudge: worker.Rejudge, Pipeline: pipeline(stream, worker.EventsPerSecond)})
	if err != nil {
		return err
	}
	greet(say, o, listener.Addr(), len(w.accounts), code)
	if o.open {
		openBrowser("http://" + listener.Addr().String() + loginPath(code))
	}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return worker.Run(ctx) })
	g.Go(func() error { return server.Serve(ctx, listener) })
	if w.run != nil {
		g.Go(func() error { return w.run(ctx) })
	}
	if len(fresh) < len(w.accounts) && len(fresh) > 0 { // with none known before, the schedule begins with all
		g.Go(func() error {
			if _, err := worker.Inventory(ctx, "bootstrap", fresh...); err != nil && ctx.Err() == nil {
				return fmt.Errorf("start the first inventory: %w", err)
			}
			return nil
		})
	}
	err = g.Wait()
	if err == nil {
		say("stopped; everything acknowledged is on disk\n")
	}
	return err
}

// register writes the accounts and tells which of them are new.
func register(ctx context.Context, s store.Store, accounts []qrie.Account) (fresh []string, err error) {
	for _, a := range accounts {
		if _, err := s.Account(ctx, a.ID); errors.Is(err, qrie.ErrNotFound) {
			fresh = append(fresh, a.ID)
		} else if err != nil {
			return nil, err
		}
		if err := s.PutAccount(ctx, a); err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

// launchAll launches the whole catalogue the first time a demo starts; what
// its user suspends or deletes later stays so.
func launchAll(ctx context.Context, s store.Store, catalogue *policies.Set) error {
	set, err := s.LaunchSet(ctx)
	if err != nil || set.Generation > 0 {
		return err
	}
	now := time.Now()
	for _, p := range catalogue.All() {
		_, err := s.PutLaunch(ctx, qrie.Launch{Policy: p.ID, Status: qrie.LaunchActive, CreatedAt: now, UpdatedAt: now}, 0)
		if err != nil && !errors.Is(err, qrie.ErrExists) {
			return fmt.Errorf("launch %s: %w", p.ID, err)
		}
	}
	return nil
}

// pipeline tells the API how the stream is doing.
func pipeline(s stream.Stream, rate func() float64) func(context.Context) (query.Pipeline, error) {
	return func(ctx context.Context) (query.Pipeline, error) {
		shards, err := s.Shards(ctx)
		if err != nil {
			return query.Pipeline{}, err
		}
		p := query.Pipeline{EventsPerSecond: rate()}
		for _, sh := range shards {
			p.Shards = append(p.Shards, query.Shard{ID: sh.ID, Owner: sh.Owner, Epoch: sh.Epoch, Checkpoint: sh.Checkpoint,
				LagSeconds: sh.Lag.Seconds(), Behind: sh.Behind})
			p.LagSeconds = max(p.LagSeconds, sh.Lag.Seconds())
		}
		return p, nil
	}
}

func loginPath(code string) string {
	if code == "" {
		return "/"
	}
	return "/login?code=" + code
}

func greet(say func(string, ...any), o upOptions, addr net.Addr, accounts int, code string) {
	what := fmt.Sprintf("%d AWS account(s)", accounts)
	if o.demo.on {
		what = fmt.Sprintf("a simulated organisation of %d accounts", accounts)
	}
	say("qrie %s watches %s\n\n", version, what)
	say("  dashboard   http://%s%s\n", addr, loginPath(code))
	say("  data        %s\n", o.data)
	say("  metrics     http://%s/metrics\n\n", addr)
	if code != "" {
		say("The dashboard link logs in once, as admin.\n")
	}
	if accounts == 0 {
		say("No account is watched yet: name them in a file and give it with --accounts.\n")
	}
	say("Ctrl-C stops it.\n")
}

func openBrowser(url string) {
	tool := "xdg-open"
	if runtime.GOOS == "darwin" {
		tool = "open"
	}
	cmd := exec.Command(tool, url)
	if cmd.Start() == nil {
		go cmd.Wait() // reaps the opener, which ends by itself
	}
}

// printConfig prints each flag, its value and its origin.
func printConfig(cmd *cobra.Command) error {
	for _, line := range configLines(cmd, os.LookupEnv) {
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	return nil
}

func configLines(cmd *cobra.Command, env func(string) (string, bool)) []string {
	var lines []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Name == "print-config" {
			return
		}
		origin := "default"
		if value, ok := env(envName(f.Name)); ok && f.Value.String() == value {
			origin = envName(f.Name)
		} else if f.Changed {
			origin = "flag"
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-16s %-40s %s", f.Name, f.Value.String(), origin), " "))
	})
	return lines
}
