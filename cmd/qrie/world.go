package main

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie/stream"
)

// openWorld chooses between AWS and a simulated organisation.
func openWorld(ctx context.Context, o upOptions, dir dataDir, log stream.Stream, reg prometheus.Registerer, logger *slog.Logger) (world, error) {
	if o.demo.on {
		return openDemo(o.demo, dir, log)
	}
	var w world
	if o.accounts != "" {
		accounts, err := readAccounts(o.accounts)
		if err != nil {
			return world{}, err
		}
		w.accounts = accounts
	}
	reader, err := openAWS(ctx, w.accounts, reg, logger)
	if err != nil {
		return world{}, err
	}
	w.reader = reader
	w.callsPerSecond = 20
	return w, nil
}
