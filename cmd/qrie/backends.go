package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
	storelocal "github.com/qrie-sec/qrie/store/local"
	"github.com/qrie-sec/qrie/stream"
	streamlocal "github.com/qrie-sec/qrie/stream/local"
)

// Adapters of the two ports, as flags name them.
const (
	onDisk    = "local"   // either, or both in one file
	onKinesis = "kinesis" // the stream, with its leases in DynamoDB
	onDynamo  = "dynamo"  // the store
)

// backends say where the stream and the store are. Every command that opens
// them takes the same flags.
type backends struct {
	data       string
	stream     string
	streamName string
	leaseTable string
	store      string
	prefix     string
	region     string
	endpoint   string
	dynamodb   string
}

// flags adds the flags. data is the directory unless --data names another.
func (b *backends) flags(f *pflag.FlagSet, data string) {
	f.StringVar(&b.data, "data", data, "data directory of a local stream or store")
	f.StringVar(&b.stream, "stream", onDisk, "where events travel: local (in --data) or kinesis")
	f.StringVar(&b.streamName, "stream-name", "", "name of the Kinesis data stream")
	f.StringVar(&b.leaseTable, "lease-table", "qrie_leases", "DynamoDB table of the stream's leases; made if there is none")
	f.StringVar(&b.store, "store", onDisk, "where findings are kept: local (in --data) or dynamo")
	f.StringVar(&b.prefix, "table-prefix", "qrie_", "begins the names of the store's DynamoDB tables")
	f.StringVar(&b.region, "region", "", "AWS Region of stream and tables (default: that of the AWS environment)")
	f.StringVar(&b.endpoint, "endpoint", "", "address of Kinesis, if it is not AWS's public one")
	f.StringVar(&b.dynamodb, "dynamodb-endpoint", "", "address of DynamoDB, if it is not AWS's public one")
}

// check finds what does not fit together before anything is opened.
func (b backends) check(want parts) error {
	switch {
	case b.stream != onDisk && b.stream != onKinesis:
		return usageError{fmt.Errorf("--stream %q: give %s or %s", b.stream, onDisk, onKinesis)}
	case b.store != onDisk && b.store != onDynamo:
		return usageError{fmt.Errorf("--store %q: give %s or %s", b.store, onDisk, onDynamo)}
	case want.stream && b.stream == onKinesis && b.streamName == "":
		return usageError{errors.New("--stream kinesis needs the name of the data stream: --stream-name")}
	case b.stream == onDisk && b.streamName != "":
		return usageError{fmt.Errorf("--stream-name %s is of a Kinesis stream: add --stream kinesis", b.streamName)}
	}
	return nil
}

// lookAge is how old what is told of the shards may be.
func (b backends) lookAge() time.Duration {
	if b.stream == onKinesis {
		return time.Second
	}
	return 0
}

// String names both for people.
func (b backends) String() string {
	if b.stream == onDisk && b.store == onDisk {
		return b.data
	}
	s, t := "in "+b.data, "in "+b.data
	if b.stream == onKinesis {
		s = "Kinesis " + b.streamName
	}
	if b.store == onDynamo {
		t = "DynamoDB " + b.prefix + "…"
	}
	return fmt.Sprintf("stream %s, store %s", s, t)
}

// opened are a stream and a store that are open.
type opened struct {
	stream stream.Stream
	store  store.Store
	secret []byte // signs sessions and page tokens
	close  []func() error
}

// starter starts jobs; it takes both parts.
func (o *opened) starter(set *policies.Set) processor.Starter {
	return processor.Starter{Stream: o.stream, Store: o.store, Policies: set, NewID: func() string { return randomID(8) }, Now: time.Now}
}

// Close closes what was opened, the last first.
func (o *opened) Close() error {
	var errs []error
	for i := len(o.close) - 1; i >= 0; i-- {
		errs = append(errs, o.close[i]())
	}
	o.close = nil
	return errors.Join(errs...)
}

// place makes sure of the data directory, or refuses one that no qrie has used.
type place func(path string) (dataDir, error)

// parts of the backends that a command needs.
type parts struct{ stream, store bool }

var (
	both      = parts{true, true}
	storeOnly = parts{store: true}
)

// open opens what is wanted. registry may be nil.
func (b backends) open(ctx context.Context, in place, want parts, owner string, registry prometheus.Registerer, log *slog.Logger) (_ *opened, err error) {
	o := &opened{}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	var db *sqlite.DB
	if want.stream && b.stream == onDisk || want.store && b.store == onDisk {
		dir, err := in(b.data)
		if err != nil {
			return nil, err
		}
		if o.secret, err = dir.secret(); err != nil {
			return nil, err
		}
		if db, err = dir.database(ctx); err != nil {
			return nil, err
		}
		o.close = append(o.close, db.Close)
	}
	var remote cloud
	if want.stream && b.stream == onKinesis || want.store && b.store == onDynamo {
		if remote, err = openCloud(ctx, b.region, log); err != nil {
			return nil, err
		}
	}
	if want.store {
		if b.store == onDisk {
			o.store, err = storelocal.Open(ctx, db, storelocal.Options{Secret: o.secret, Registerer: registry})
		} else {
			o.store, o.secret, err = remote.openStore(ctx, b, registry)
		}
		if err != nil {
			return nil, err
		}
		o.close = append(o.close, o.store.Close)
	}
	if want.stream {
		if b.stream == onDisk {
			o.stream, err = streamlocal.Open(ctx, db, streamlocal.Options{Owner: owner, Registerer: registry, Log: log})
		} else {
			o.stream, err = remote.openStream(ctx, b, owner, registry, log)
		}
		if err != nil {
			return nil, err
		}
		o.close = append(o.close, o.stream.Close)
	}
	return o, nil
}

// with opens what one command of a person wants, and closes it.
func (b backends) with(ctx context.Context, in place, want parts, use func(*opened) error) (err error) {
	if err := b.check(want); err != nil {
		return err
	}
	o, err := b.open(ctx, in, want, ownerID(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	return use(o)
}
