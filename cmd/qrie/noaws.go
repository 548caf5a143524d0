//go:build noaws

package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/processor"
)

// openAWS is left out of the binary of 'make demo': AWS's service clients take
// longer to compile than everything else together.
func openAWS(context.Context, []qrie.Account, prometheus.Registerer, *slog.Logger) (processor.Reader, error) {
	return nil, errors.New("this binary was built for the demo and cannot read AWS; run 'make build' for one that can, or use --demo")
}
