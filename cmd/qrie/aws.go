//go:build !noaws

package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/scanners"
)

// openAWS reads AWS with the credentials of the environment.
func openAWS(ctx context.Context, accounts []qrie.Account, reg prometheus.Registerer, log *slog.Logger) (processor.Reader, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration of the environment: %w", err)
	}
	byID := make(map[string]qrie.Account, len(accounts))
	for _, a := range accounts {
		byID[a.ID] = a
	}
	// AWS_ENDPOINT_URL sends every call to one address, which S3 Control's host
	// names with an account in front would miss.
	return scanners.New(scanners.Options{Config: cfg, Endpoint: aws.ToString(cfg.BaseEndpoint), Registerer: reg, Log: log,
		Accounts: func(_ context.Context, id string) (qrie.Account, error) {
			a, ok := byID[id]
			if !ok {
				return a, fmt.Errorf("account %s: %w", id, qrie.ErrNotFound)
			}
			return a, nil
		}}), nil
}
