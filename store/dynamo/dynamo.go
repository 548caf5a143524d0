// Package dynamo keeps the store in DynamoDB.
//
// A resource's row is written under the condition that its version is the one
// that was read, and whatever else an evaluation changes is written with it in
// one transaction. Requests read by key or by index only. docs/adr tells why
// the tables are laid out as they are.
package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Options of a store.
type Options struct {
	// Config says where DynamoDB is and who asks: Region and credentials.
	Config aws.Config
	// Endpoint is the address of another server than AWS's; empty for AWS's.
	Endpoint string
	// Prefix begins the name of every table; empty is "qrie_".
	Prefix string
	// Now is the clock that requests are timed by and that orders transitions
	// among processes; nil is time.Now.
	Now func() time.Time
	// Secret signs page tokens. Empty: one is made once and kept in a table.
	Secret []byte
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
	// Attempts bounds how often a request is tried; 0 is 10.
	Attempts int
	// Timeout bounds one attempt; 0 is 5 s. It needs a client of the SDK's own.
	Timeout time.Duration
	// MaxBackoff bounds the wait before a request is tried again; 0 is 2 s.
	MaxBackoff time.Duration
}

func (o Options) filled() Options {
	if o.Prefix == "" {
		o.Prefix = "qrie_"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Attempts <= 0 {
		o.Attempts = 10
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = 2 * time.Second
	}
	return o
}

// Store is the store on DynamoDB. It is safe for concurrent use, and so are
// any number of processes on the same tables.
type Store struct {
	*client
	pack      *packer
	names     names
	spread    spread
	heat      heat
	secret    []byte
	signer    *store.Signer
	appending chan struct{} // holds one token: this process appends to the log in one goroutine
	recount   chan struct{} // holds one token: recounts take turns
	backlog   backlog
	// Of the log: a batch that it ended with, or goes on after, and one up to
	// which all entries are cleared up.
	logFrom, logSettled greatest
	logEvery            int   // entries of this process between its looks at the log
	foldEvery           int64 // batches
	recountRows         int   // that one run reads
}

var _ store.Store = (*Store)(nil)

// Open returns the store in tables that Migrate has made.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.filled()
	m, err := newMetrics(o.Registerer, o.Now)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{client: newClient(o, m), appending: make(chan struct{}, 1), recount: make(chan struct{}, 1),
		logEvery: maxLogEntries, foldEvery: foldEvery, recountRows: recountRows}
	if s.pack, err = newPacker(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.known(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if len(o.Secret) == 0 {
		if o.Secret, err = s.keptSecret(ctx); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	s.secret, s.signer = o.Secret, store.NewSigner(o.Secret)
	return s, nil
}

// known refuses tables of another version, and those that are not there.
func (s *Store) known(ctx context.Context) error {
	it, err := s.get(ctx, metaTable, metaPart, schemaItem)
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return fmt.Errorf("there is no table %s: run: qrie migrate", s.table(metaTable))
	case err != nil:
		return fmt.Errorf("read the version of the tables: %w", err)
	case it == nil:
		return fmt.Errorf("the tables %s… are not complete: run: qrie migrate", s.prefix)
	case it.num("Version") != schemaVersion:
		return fmt.Errorf("the tables %s… are of version %d, this qrie knows version %d", s.prefix, it.num("Version"), schemaVersion)
	}
	return nil
}

// keptSecret reads the key for page tokens that all processes share, or makes
// one.
func (s *Store) keptSecret(ctx context.Context) ([]byte, error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("make a key for page tokens: %w", err)
	}
	row := s.row(metaTable, metaPart, "page_key")
	row["Value"] = binary(fresh)
	if err := s.put(ctx, metaTable, row, "attribute_not_exists(#Value)", nil); err != nil && !errors.Is(err, errCondition) {
		return nil, fmt.Errorf("keep a key for page tokens: %w", err)
	}
	it, err := s.get(ctx, metaTable, metaPart, "page_key")
	if err != nil {
		return nil, fmt.Errorf("read the key for page tokens: %w", err)
	}
	if it == nil {
		return nil, fmt.Errorf("the key for page tokens vanished from %s: %w", s.table(metaTable), qrie.ErrNotFound)
	}
	return it.bytes("Value"), nil
}

// Ping reads and writes one row.
func (s *Store) Ping(ctx context.Context) (err error) {
	defer s.metrics.Request("qrie_meta", "ping")(&err)
	if err := s.known(ctx); err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	row := s.row(metaTable, metaPart, "ping")
	row["At"] = number(s.now().UnixNano())
	if err := s.put(ctx, metaTable, row, "", nil); err != nil {
		return fmt.Errorf("write to the store: %w", err)
	}
	return nil
}

// Close has nothing to give back: connections are the HTTP client's.
func (s *Store) Close() error { return nil }

func newClient(o Options, m *metrics) *client {
	db := dynamodb.NewFromConfig(o.Config, func(d *dynamodb.Options) {
		if o.Endpoint != "" {
			d.BaseEndpoint = aws.String(o.Endpoint)
		}
		// A request that hangs is a lost answer: it is tried again.
		if h, ok := d.HTTPClient.(*awshttp.BuildableClient); ok {
			d.HTTPClient = h.WithTimeout(o.Timeout)
		}
		// Every attempt of a transaction carries the same token, so that one
		// whose answer was lost is not written twice. There is no retry quota:
		// the number of attempts is the bound.
		d.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff = o.Attempts, o.MaxBackoff
			r.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) { return backoff(attempt, o.MaxBackoff), nil })
			r.RateLimiter = unlimited{}
			// A single row that a transaction holds for a moment.
			r.Retryables = append(r.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{"TransactionConflictException": {}}})
		})
	})
	return &client{db: db, prefix: o.Prefix, now: o.Now, metrics: m, attempts: o.Attempts, maxBackoff: o.MaxBackoff}
}

// unlimited grants every retry.
type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}

func (unlimited) AddTokens(uint) error { return nil }
