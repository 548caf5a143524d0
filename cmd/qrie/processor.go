package main

import (
	"context"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie/query"
)

type processorOptions struct {
	serving
	webhook
	accounts string
}

func newProcessor() *cobra.Command {
	var o processorOptions
	cmd := &cobra.Command{
		Use:   "processor",
		Short: "Run a worker: events to findings",
		Long: `Run a worker that shares the shards of the stream with the others: it takes events
from the stream, reads the resources they name, judges them and writes findings.
Start as many as there is work for, at most one for each shard; each may be killed
at any time. On SIGTERM it finishes what it has taken, for up to 20 seconds, and
gives its shards to the others.

The accounts to watch are those of --accounts, which are added to the store, and
those that are there already. AWS is read with the credentials of the environment.

It answers /healthz, /readyz and /metrics on --listen: metrics are open to the
machine itself, and to an API token of a viewer from elsewhere.`,
		Example: `  qrie processor --stream kinesis --stream-name qrie-events --store dynamo --region eu-west-1
  QRIE_STREAM=kinesis QRIE_STREAM_NAME=qrie-events QRIE_STORE=dynamo qrie processor`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.serve(cmd, noCheck, func(n *node) error {
				n.announce(cmd)
				return work(cmd.Context(), o, n)
			})
		},
	}
	o.serving.flags(cmd.Flags(), defaultDataDir(false), "127.0.0.1:8081", "address of health and metrics; port 0 picks a free one")
	o.webhook.flags(cmd.Flags())
	cmd.Flags().StringVar(&o.accounts, "accounts", "", "YAML file of AWS accounts to watch, besides those in the store")
	return cmd
}

func noCheck() error { return nil }

// work runs a worker and answers for its health.
func work(ctx context.Context, o processorOptions, n *node) error {
	w, err := openRealWorld(ctx, o.accounts, n)
	if err != nil {
		return err
	}
	fresh, err := register(ctx, n.store, w.accounts)
	if err != nil {
		return err
	}
	worker, err := n.worker(w)
	if err != nil {
		return err
	}
	courier, err := o.courier(n)
	if err != nil {
		return err
	}
	server, err := n.server(query.Options{Operations: true, Auth: query.Auth{Secret: n.secret}}, worker.EventsPerSecond)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return worker.Run(ctx) })
	g.Go(func() error { return server.Serve(ctx, n.listener) })
	if courier != nil {
		g.Go(func() error { return courier.Run(ctx) })
	}
	g.Go(func() error { return bootstrap(ctx, worker, fresh, len(w.accounts)) })
	return g.Wait()
}
