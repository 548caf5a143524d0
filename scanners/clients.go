package scanners

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	smithyendpoints "github.com/aws/smithy-go/endpoints"

	"github.com/qrie-sec/qrie"
)

// clients are the AWS clients of one account in one Region, made on first use.
// They are safe for concurrent use.
type clients struct {
	account string
	region  string
	in      func(region string) *clients // the same account in another Region
	sleep   func(ctx context.Context, d time.Duration) error
	forget  func() // drops the credentials, so that the next call renews them

	s3        func() *s3.Client
	s3control func() *s3control.Client
	iam       func() *iam.Client
	ec2       func() *ec2.Client
	rds       func() *rds.Client
}

func newClients(a *access, p place, cfg aws.Config) *clients {
	return &clients{
		account: p.account,
		region:  p.region,
		in: func(region string) *clients {
			return a.at(place{p.entry, region})
		},
		sleep: a.sleep,
		forget: func() {
			if cache, ok := cfg.Credentials.(*aws.CredentialsCache); ok {
				cache.Invalidate()
			}
		},
		s3: sync.OnceValue(func() *s3.Client {
			return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = a.endpoint != nil })
		}),
		s3control: sync.OnceValue(func() *s3control.Client {
			return s3control.NewFromConfig(cfg, func(o *s3control.Options) {
				if a.endpoint != nil {
					o.EndpointResolverV2 = fixedEndpoint{*a.endpoint}
				}
			})
		}),
		iam: sync.OnceValue(func() *iam.Client { return iam.NewFromConfig(cfg) }),
		ec2: sync.OnceValue(func() *ec2.Client { return ec2.NewFromConfig(cfg) }),
		rds: sync.OnceValue(func() *rds.Client { return rds.NewFromConfig(cfg) }),
	}
}

// fault is newFault for a call made with these clients. Credentials that AWS
// did not take are not used again.
func (c *clients) fault(region string, err error) *qrie.Fault {
	f := newFault(c.account, region, err)
	var entry *accessError
	if f.Kind == qrie.Unreached && !errors.As(err, &entry) {
		c.forget()
	}
	return f
}

// fixedEndpoint sends S3 Control's requests to one address. The SDK would put
// the account id before the host name, which an emulator's address has no
// place for.
type fixedEndpoint struct{ url url.URL }

func (e fixedEndpoint) ResolveEndpoint(context.Context, s3control.EndpointParameters) (smithyendpoints.Endpoint, error) {
	return smithyendpoints.Endpoint{URI: e.url}, nil
}
