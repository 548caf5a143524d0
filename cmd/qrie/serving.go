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
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/query"
)

// serving is what the commands have in common that run until they are stopped.
type serving struct {
	backends
	listen   string
	logLevel string
	print    bool
}

func (o *serving) flags(f *pflag.FlagSet, data, listen, listenUsage string) {
	o.backends.flags(f, data)
	f.StringVar(&o.listen, "listen", listen, listenUsage)
	f.StringVar(&o.logLevel, "log-level", "warn", "debug, info, warn or error")
	f.BoolVar(&o.print, "print-config", false, "print every setting, its value and where it comes from, and exit")
}

// node is a process of qrie, with what it has opened.
type node struct {
	*opened
	owner    string
	listener net.Listener
	policies *policies.Set
	registry *prometheus.Registry
	log      *slog.Logger
	watch    *watch
	say      func(format string, args ...any)
}

// serve opens what a command needs, runs it, and closes everything in the
// opposite order.
func (o *serving) serve(cmd *cobra.Command, check func() error, run func(*node) error) (err error) {
	if o.print {
		return printConfig(cmd)
	}
	level, err := parseLevel(o.logLevel)
	if err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return usageError{fmt.Errorf("--listen %q: %w; give HOST:PORT, such as 127.0.0.1:8080", o.listen, err)}
	}
	if err := errors.Join(o.backends.check(both), check()); err != nil {
		return err
	}
	tuneMemory(os.LookupEnv)
	ctx := cmd.Context()
	n := &node{
		owner: ownerID(), registry: prometheus.NewRegistry(),
		log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level})),
		say: func(format string, args ...any) { fmt.Fprintf(cmd.OutOrStdout(), format, args...) },
	}
	n.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if n.policies, err = policies.Catalogue(); err != nil {
		return fmt.Errorf("load the policies: %w", err)
	}
	if n.listener, err = net.Listen("tcp", o.listen); err != nil {
		return fmt.Errorf("%w; is another qrie running? choose another address with --listen", err)
	}
	defer n.listener.Close()
	if n.opened, err = o.backends.open(ctx, openDataDir, both, n.owner, n.registry, n.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.opened.Close()) }()
	n.watch = newWatch(n.stream, o.lookAge(), time.Now)
	n.registry.MustRegister(n.watch.troubles)
	stop := n.watch.start(ctx, n.log)
	defer stop()
	if err := run(n); err != nil {
		return err
	}
	n.say("stopped; everything acknowledged is stored\n")
	return nil
}

// announce prints what runs, with every setting and where it comes from.
func (n *node) announce(cmd *cobra.Command) {
	n.say("%s %s\n\n", cmd.CommandPath(), version)
	for _, line := range configLines(cmd, os.LookupEnv) {
		n.say("  %s\n", line)
	}
	n.say("\n  health      http://%[1]s/readyz\n  metrics     http://%[1]s/metrics\n", n.listener.Addr())
}

func (n *node) starter() processor.Starter { return n.opened.starter(n.policies) }

func (n *node) worker(w world) (*processor.Worker, error) {
	return processor.New(processor.Options{Starter: n.starter(), Reader: w.reader, Owner: n.owner, Log: n.log, Registerer: n.registry,
		CallsPerSecond: w.callsPerSecond, Schedule: true})
}

// server makes the HTTP server. rate is nil where no worker runs.
func (n *node) server(o query.Options, rate func() float64) (*query.Server, error) {
	o.Store, o.Policies, o.Log, o.Registry, o.Version = n.store, n.policies, n.log, n.registry, version
	o.Pipeline = func(ctx context.Context) (query.Pipeline, error) {
		pipeline, err := n.watch.pipeline(ctx)
		if rate != nil {
			pace := rate()
			pipeline.EventsPerSecond = &pace
		}
		return pipeline, err
	}
	return query.New(o)
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
