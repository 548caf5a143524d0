package main

import (
	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie/query"
	"github.com/qrie-sec/qrie/web"
)

func newQuery() *cobra.Command {
	var o serving
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Run the API and the dashboard",
		Long: `Serve the API and the dashboard from the store. It keeps nothing of its own: run as
many as there are readers, behind one name. Put something that ends TLS in front
of it when it listens on more than this machine.

The first start prints a link that logs in once, as admin. Programs use API tokens:
'qrie token create'.`,
		Example: "  qrie query --store dynamo --stream kinesis --stream-name qrie-events --region eu-west-1",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.serve(cmd, noCheck, func(n *node) error { return answer(cmd, n) })
		},
	}
	o.flags(cmd.Flags(), defaultDataDir(false), "127.0.0.1:8080", "address of the dashboard and the API; port 0 picks a free one")
	return cmd
}

// answer serves the API. Jobs that it starts are done by whoever has the
// shards.
func answer(cmd *cobra.Command, n *node) error {
	code := randomID(16)
	server, err := n.server(query.Options{UI: web.Files(), Auth: query.Auth{Secret: n.secret, LoginCode: code}, Start: starts(n.starter())}, nil)
	if err != nil {
		return err
	}
	n.announce(cmd)
	n.say("  dashboard   http://%s%s\n", n.listener.Addr(), loginPath(code))
	return server.Serve(cmd.Context(), n.listener)
}
