//go:build !noaws

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/scanners"
	"github.com/qrie-sec/qrie/store"
	storedynamo "github.com/qrie-sec/qrie/store/dynamo"
	"github.com/qrie-sec/qrie/stream"
	streamkinesis "github.com/qrie-sec/qrie/stream/kinesis"
)

// cloud is AWS as the environment gives it.
type cloud struct{ config aws.Config }

// openCloud reads the AWS configuration of the environment. region overrides
// its Region.
func openCloud(ctx context.Context, region string, log *slog.Logger) (cloud, error) {
	options := []func(*config.LoadOptions) error{config.WithLogger(sdkLog{log})}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cloud{}, fmt.Errorf("load the AWS configuration of the environment: %w", err)
	}
	return cloud{cfg}, nil
}

// sdkLog brings what the SDK says where the rest is said.
type sdkLog struct{ log *slog.Logger }

func (l sdkLog) Logf(class logging.Classification, format string, args ...any) {
	level := slog.LevelDebug
	if class == logging.Warn {
		level = slog.LevelInfo // it warns of what it has already dealt with
	}
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, fmt.Sprintf(format, args...), "from", "aws-sdk-go-v2")
	}
}

func (c cloud) checkRegion() error {
	if c.config.Region == "" {
		return usageError{errors.New("no AWS Region is set for the stream and the tables: give --region, or set AWS_REGION")}
	}
	return nil
}

func (c cloud) streamOptions(b backends) streamkinesis.Options {
	return streamkinesis.Options{AWS: c.config, Stream: b.streamName, LeaseTable: b.leaseTable, Endpoint: b.endpoint, DynamoDBEndpoint: b.dynamodb}
}

func (c cloud) openStream(ctx context.Context, b backends, owner string, registry prometheus.Registerer, log *slog.Logger) (stream.Stream, error) {
	if err := c.checkRegion(); err != nil {
		return nil, err
	}
	o := c.streamOptions(b)
	o.Owner, o.Registerer, o.Log = owner, registry, log
	return streamkinesis.Open(ctx, o)
}

func (c cloud) storeOptions(b backends) storedynamo.Options {
	return storedynamo.Options{Config: c.config, Endpoint: b.dynamodb, Prefix: b.prefix}
}

func (c cloud) openTables(ctx context.Context, b backends, registry prometheus.Registerer) (*storedynamo.Store, error) {
	if err := c.checkRegion(); err != nil {
		return nil, err
	}
	o := c.storeOptions(b)
	o.Registerer = registry
	return storedynamo.Open(ctx, o)
}

// openStore opens the store. The key that it keeps for all processes on its
// tables signs their sessions, too.
func (c cloud) openStore(ctx context.Context, b backends, registry prometheus.Registerer) (store.Store, []byte, error) {
	s, err := c.openTables(ctx, b, registry)
	if err != nil {
		return nil, nil, err
	}
	return s, s.Secret(), nil
}

func (c cloud) migrate(ctx context.Context, b backends, progress func(table, made string)) error {
	if err := c.checkRegion(); err != nil {
		return err
	}
	return storedynamo.Migrate(ctx, c.storeOptions(b), func(table string, made storedynamo.Made) { progress(table, string(made)) })
}

func tablesTemplate() ([]byte, error) { return storedynamo.Template(), nil }

func (c cloud) spreads(ctx context.Context, b backends) (out []spreadOf, err error) {
	s, err := c.openTables(ctx, b, nil)
	if err != nil {
		return nil, err
	}
	found, err := s.Spreads(ctx)
	for _, f := range found {
		out = append(out, spreadOf{f.AccountService, f.Buckets})
	}
	return out, errors.Join(err, s.Close())
}

func (c cloud) spread(ctx context.Context, b backends, accountService string, partitions int) error {
	s, err := c.openTables(ctx, b, nil)
	if err != nil {
		return err
	}
	return errors.Join(s.Grow(ctx, accountService, partitions), s.Close())
}

// examine looks at what of the backends is in AWS.
func (c cloud) examine(ctx context.Context, b backends) (checks []check) {
	if err := c.checkRegion(); err != nil {
		return []check{{Name: "AWS", Level: levelFail, Found: err.Error()}}
	}
	if b.stream == onKinesis {
		for _, found := range streamkinesis.Examine(ctx, c.streamOptions(b)) {
			checks = append(checks, check(found))
		}
	}
	if b.store == onDynamo {
		for _, found := range storedynamo.Examine(ctx, c.storeOptions(b)) {
			checks = append(checks, check(found))
		}
	}
	return checks
}

// openAWS reads AWS with the credentials of the environment.
func openAWS(ctx context.Context, accounts func(context.Context, string) (qrie.Account, error), reg prometheus.Registerer, log *slog.Logger) (processor.Reader, error) {
	c, err := openCloud(ctx, "", log)
	if err != nil {
		return nil, err
	}
	// AWS_ENDPOINT_URL sends every call to one address, which S3 Control's host
	// names with an account in front would miss.
	return scanners.New(scanners.Options{Config: c.config, Endpoint: aws.ToString(c.config.BaseEndpoint), Registerer: reg, Log: log, Accounts: accounts}), nil
}
