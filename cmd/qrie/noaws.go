//go:build noaws

package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

// AWS's clients are left out of the binary of 'make demo': they take longer to
// compile than everything else together.
var errNoAWS = errors.New("this binary was built for the demo, without AWS's clients; run 'make build' for one that has them")

type cloud struct{}

func openCloud(context.Context, string, *slog.Logger) (cloud, error) { return cloud{}, errNoAWS }

func (cloud) openStream(context.Context, backends, string, prometheus.Registerer, *slog.Logger) (stream.Stream, error) {
	return nil, errNoAWS
}

func (cloud) openStore(context.Context, backends, prometheus.Registerer) (store.Store, []byte, error) {
	return nil, nil, errNoAWS
}

func (cloud) migrate(context.Context, backends, func(table, made string)) error { return errNoAWS }

func tablesTemplate() ([]byte, error) { return nil, errNoAWS }

func (cloud) spreads(context.Context, backends) ([]spreadOf, error) { return nil, errNoAWS }

func (cloud) spread(context.Context, backends, string, int) error { return errNoAWS }

func (cloud) examine(context.Context, backends) []check { return nil }

func openAWS(context.Context, func(context.Context, string) (qrie.Account, error), prometheus.Registerer, *slog.Logger) (processor.Reader, error) {
	return nil, errNoAWS
}
