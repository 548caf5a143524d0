// Package scanners reads AWS and returns observations: the complete
// configuration of one resource as AWS tells it, or one page of the resources
// that an account has. It is the only room that calls the services it reads.
//
// A document has one member for each API call, under AWS's own names. A call
// that says "there is no such configuration" leaves its member out; a call
// that is denied leaves it out and says so under "missing", because what could
// not be seen is not the same as what is not there.
package scanners

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie"
)

// homeRegion is where STS is called and a bucket is looked for when nothing
// else is known.
const homeRegion = "us-east-1"

// Options configure a Scanner. Accounts is required; every other zero value
// works.
type Options struct {
	// Config holds qrie's own credentials, with which it assumes the roles of
	// the watched accounts, and the Region in which it calls STS (us-east-1 if
	// empty). A Retryer given here replaces the scanner's own: the SDK's
	// standard mode with two attempts. Callers limit and queue; the SDK need
	// not wait on their behalf.
	Config aws.Config
	// Accounts returns a watched account, or qrie.ErrNotFound.
	Accounts func(ctx context.Context, id string) (qrie.Account, error)
	// HTTPClient replaces the one in Config, and the SDK's default.
	HTTPClient aws.HTTPClient
	// Endpoint is the address that answers for every service, such as
	// http://127.0.0.1:5000 for an emulator; empty means AWS.
	Endpoint string
	// MaxConcurrency bounds the requests under way at one time; 0 means 64.
	MaxConcurrency int

	Now        func() time.Time                                 // nil: the machine's clock
	Sleep      func(ctx context.Context, d time.Duration) error // nil: a timer; returns early with ctx's error
	Log        *slog.Logger                                     // nil: discarded
	Registerer prometheus.Registerer                            // nil: metrics are kept and not registered
}

// Scanner reads the resources of many accounts. It is safe for concurrent use
// and owns no goroutine beyond its calls.
type Scanner struct {
	accounts func(ctx context.Context, id string) (qrie.Account, error)
	now      func() time.Time
	clock    *clock
	access   *access
	readers  map[string]reader
}

// New returns a Scanner. It does not call AWS.
func New(o Options) *Scanner {
	if o.Accounts == nil {
		panic("BUG: scanners.Options.Accounts is nil")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &clock{now: o.Now}
	s := &Scanner{
		accounts: o.Accounts,
		now:      o.Now,
		clock:    c,
		access:   newAccess(o, &meter{metrics: newMetrics(o.Registerer, c), clock: c}),
		readers:  map[string]reader{},
	}
	for _, r := range readers() {
		s.readers[r.name] = r
	}
	return s
}

// Describe reads the whole configuration of one resource. A resource that AWS
// says does not exist is an observation with Deleted set, and no error. The
// observation's Ref is completed with the ARN and, for a bucket, with the
// Region it is in. Every other failure is a *qrie.Fault.
//
// Denied parts are named in the document's "missing". A part that is throttled
// or fails in passing fails the whole call, so that it is tried again.
func (s *Scanner) Describe(ctx context.Context, ref qrie.Ref) (qrie.Observation, error) {
	r, err := s.reader(ref.Account, ref.Region, ref.Type)
	if err != nil {
		return qrie.Observation{}, err
	}
	if ref.ID == "" {
		return qrie.Observation{}, refused(ref.Account, ref.Region, "describe "+ref.Type+": the id is empty: list the type to learn the ids")
	}
	full := r.resource.Ref(ref.Account, ref.Region, ref.ID)
	if full.ARN == "" {
		full.ARN = ref.ARN
	}
	c, err := s.enter(ctx, full.Account, full.Region)
	if err != nil {
		return qrie.Observation{}, err
	}
	d := newDocument()
	start := s.now()
	full, err = r.describe(ctx, c, full, d)
	end := s.now()
	// The skew is asked for after the answers: the first of them may be what
	// tells it.
	o := qrie.Observation{Ref: full, ObservedAt: s.clock.correct(start), AnsweredAt: s.clock.correct(end)}
	switch {
	case errors.Is(err, errGone):
		o.Deleted = true
		return o, nil
	case err != nil:
		return qrie.Observation{}, c.fault(full.Region, err)
	}
	if o.Document, err = d.encode(); err != nil {
		return qrie.Observation{}, refused(full.Account, full.Region, fmt.Sprintf("describe %s: %v", full, err))
	}
	return o, nil
}

// List returns one page of the resources of a type and the token of the next
// page, which is empty after the last. A global type has its resources in
// the partition's home Region (us-east-1 on AWS) and none elsewhere. Every failure is a *qrie.Fault; a token that
// AWS no longer takes is qrie.Invalid, and the list has to begin anew.
func (s *Scanner) List(ctx context.Context, account, region, resourceType, token string) ([]qrie.Ref, string, error) {
	r, err := s.reader(account, region, resourceType)
	if err != nil {
		return nil, "", err
	}
	if r.resource.Ref(account, region, "").Region != region {
		return nil, "", nil
	}
	c, err := s.enter(ctx, account, region)
	if err != nil {
		return nil, "", err
	}
	found, next, err := r.list(ctx, c, token)
	if err != nil {
		return nil, "", c.fault(region, err)
	}
	refs := make([]qrie.Ref, 0, len(found))
	for _, f := range found {
		at := region
		if f.region != "" {
			at = f.region
		}
		ref := r.resource.Ref(account, at, f.id)
		if f.arn != "" {
			ref.ARN = f.arn
		}
		refs = append(refs, ref)
	}
	return refs, next, nil
}

func (s *Scanner) reader(account, region, resourceType string) (reader, error) {
	r, ok := s.readers[resourceType]
	if !ok {
		return reader{}, refused(account, region, fmt.Sprintf("resource type %q cannot be read: see resources.All for those that can", resourceType))
	}
	return r, nil
}

// enter returns the clients of a watched account in a Region.
func (s *Scanner) enter(ctx context.Context, account, region string) (*clients, error) {
	if !validRegion(region) {
		return nil, refused(account, region, fmt.Sprintf("%q is no name of a Region", region))
	}
	a, err := s.accounts(ctx, account)
	switch {
	case errors.Is(err, qrie.ErrNotFound):
		err = &accessError{kind: qrie.Unreached, code: "AccountNotRegistered", text: "the account is not registered: add it to the accounts that qrie watches"}
	case err != nil:
		err = &accessError{kind: qrie.Transient, code: "AccountNotRead", text: fmt.Sprintf("read the account's entry: %v", err), cause: err}
	default:
		var c *clients
		if c, err = s.access.clients(ctx, a, region); err == nil {
			return c, nil
		}
	}
	return nil, newFault(account, region, err)
}

// refused is the fault for a request that no call can serve.
func refused(account, region, text string) *qrie.Fault {
	return &qrie.Fault{Kind: qrie.Invalid, Account: account, Region: region, Code: "InvalidRequest", Err: errors.New(text)}
}

// validRegion keeps a Region that came with an event from becoming part of
// another host's name. AWS's own names are letters, digits and hyphens.
func validRegion(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s[0] != '-' && s[len(s)-1] != '-'
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
