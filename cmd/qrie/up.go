package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/query"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/web"
)

type upOptions struct {
	serving
	webhook
	accounts string
	open     bool
	demo     demoOptions
}

func newUp() *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process",
		Long: `Run the stream, the worker, the API and the dashboard in one process, with all
data in one directory. It stops cleanly on Ctrl-C and goes on where it was; it may
be killed at any time and loses nothing that it acknowledged.

With --demo an organisation is simulated: accounts, resources, people and
pipelines that change them, and the CloudTrail events of it all. No AWS account is
needed, and no login. Without --demo the accounts of --accounts are read with the
AWS credentials of the environment, and the first start prints a login link.

With --stream kinesis and --store dynamo it shares stream and store with others
of its kind, and with 'qrie processor' and 'qrie query', which split the work.`,
		Example: "  qrie up --demo\n  qrie up --accounts accounts.yaml --data /var/lib/qrie",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.data == "" {
				o.data = defaultDataDir(o.demo.on)
			}
			return o.serve(cmd, o.check, func(n *node) error { return up(cmd.Context(), o, n) })
		},
	}
	f := cmd.Flags()
	o.serving.flags(f, "", "127.0.0.1:8080", "address of the dashboard and the API; port 0 picks a free one")
	f.Lookup("data").Usage = "data directory (default ~/.local/share/qrie/data, or .../demo with --demo)"
	f.StringVar(&o.accounts, "accounts", "", "YAML file of the AWS accounts to watch")
	o.webhook.flags(f)
	f.BoolVar(&o.open, "open", false, "open the dashboard in the browser")
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
	if host, _, _ := net.SplitHostPort(o.listen); o.demo.on && !loopback(host) {
		return usageError{fmt.Errorf("the demo has no login and binds a loopback address only, not %q", host)}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// up runs everything.
func up(ctx context.Context, o upOptions, n *node) error {
	w, err := openWorld(ctx, o, n)
	if err != nil {
		return err
	}
	fresh, err := register(ctx, n.store, w.accounts)
	if err != nil {
		return err
	}
	if o.demo.on {
		if err := launchAll(ctx, n.store, n.policies); err != nil {
			return err
		}
	}
	worker, err := n.worker(w)
	if err != nil {
		return err
	}
	auth := query.Auth{Disabled: o.demo.on, Secret: n.secret}
	if !o.demo.on {
		auth.LoginCode = randomID(16)
	}
	courier, err := o.courier(n)
	if err != nil {
		return err
	}
	server, err := n.server(query.Options{UI: web.Files(), Auth: auth, Demo: w.demo, Start: starts(worker.Starter)}, worker.EventsPerSecond)
	if err != nil {
		return err
	}
	greet(n.say, o, n.listener.Addr(), len(w.accounts), auth.LoginCode)
	if o.open {
		openBrowser("http://" + n.listener.Addr().String() + loginPath(auth.LoginCode))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return worker.Run(ctx) })
	g.Go(func() error { return bootstrap(ctx, worker, fresh, len(w.accounts)) })
	g.Go(func() error { return server.Serve(ctx, n.listener) })
	if courier != nil {
		g.Go(func() error { return courier.Run(ctx) })
	}
	if w.run != nil {
		g.Go(func() error { return w.run(ctx) })
	}
	return g.Wait()
}

// bootstrap starts the first inventory of the accounts that are new. With none
// known before, the schedule begins with all of them.
func bootstrap(ctx context.Context, worker *processor.Worker, fresh []string, accounts int) error {
	if len(fresh) == accounts || len(fresh) == 0 {
		return nil
	}
	if _, err := worker.Inventory(ctx, "bootstrap", processor.Extent{Accounts: fresh}); err != nil && ctx.Err() == nil {
		return fmt.Errorf("start the first inventory: %w", err)
	}
	return nil
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
		_, err := s.PutLaunch(ctx, qrie.Launch{Policy: p.ID, Status: qrie.LaunchActive, Definition: p.Definition(), CreatedAt: now, UpdatedAt: now}, 0)
		if err != nil && !errors.Is(err, qrie.ErrExists) {
			return fmt.Errorf("launch %s: %w", p.ID, err)
		}
	}
	return nil
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
	say("  data        %s\n", o.backends)
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
