package scanners

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/qrie-sec/qrie"
)

const (
	// maxAccounts and maxClients bound what is kept between calls: one set of
	// credentials an account, one set of clients an account and Region. Past
	// them the least recently used is made anew, at the cost of one AssumeRole.
	maxAccounts = 2048
	maxClients  = 8192

	// expiryWindow is how long before their end credentials are renewed.
	expiryWindow = 5 * time.Minute

	maxAttempts = 2
	maxBackoff  = 2 * time.Second
)

// access holds the way into the watched accounts.
type access struct {
	config      aws.Config // qrie's own
	sts         *sts.Client
	endpoint    *url.URL // nil: AWS's own
	sleep       func(ctx context.Context, d time.Duration) error
	log         *slog.Logger
	credentials *lru[entry, aws.CredentialsProvider]
	kept        *lru[place, *clients]

	mu  sync.Mutex
	own string // account of qrie's own credentials; empty until asked
}

// entry is what the credentials of an account depend on. A changed role or
// external id makes a new entry, and the old one is forgotten in time.
type entry struct{ account, role, externalID string }

type place struct {
	entry
	region string
}

func newAccess(o Options, m *meter) *access {
	cfg := o.Config.Copy()
	if cfg.Region == "" {
		cfg.Region = homeRegion
	}
	if cfg.AppID == "" {
		cfg.AppID = "qrie" // so that customers can tell qrie's calls in their trails
	}
	if o.HTTPClient != nil {
		cfg.HTTPClient = o.HTTPClient
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	cfg.HTTPClient = newTransport(cfg.HTTPClient, o.MaxConcurrency)
	if cfg.Retryer == nil {
		cfg.Retryer = func() aws.Retryer {
			return retry.NewStandard(func(so *retry.StandardOptions) {
				so.MaxAttempts = maxAttempts
				so.MaxBackoff = maxBackoff
			})
		}
	}
	cfg.ClientLogMode = 0 // it would print session tokens
	cfg.APIOptions = append(cfg.APIOptions, m.install)
	a := &access{
		config:      cfg,
		sleep:       o.Sleep,
		log:         o.Log,
		credentials: newLRU[entry, aws.CredentialsProvider](maxAccounts),
		kept:        newLRU[place, *clients](maxClients),
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" {
			panic(fmt.Sprintf("BUG: scanners.Options.Endpoint %q is no address", o.Endpoint))
		}
		a.endpoint = u
		a.config.BaseEndpoint = aws.String(o.Endpoint)
	}
	a.sts = sts.NewFromConfig(a.config)
	return a
}

// clients returns the clients of an account in a Region. It calls AWS only to
// learn, once, which account qrie's own credentials are of.
func (a *access) clients(ctx context.Context, account qrie.Account, region string) (*clients, error) {
	at := place{entry{account.ID, account.RoleARN, account.ExternalID}, region}
	if account.RoleARN == "" {
		if err := a.checkOwn(ctx, account.ID); err != nil {
			return nil, err
		}
	} else if err := checkRole(account); err != nil {
		return nil, err
	}
	return a.at(at), nil
}

// at returns the kept clients of a place whose account was checked.
func (a *access) at(p place) *clients {
	return a.kept.get(p, func() *clients {
		cfg := a.config.Copy()
		cfg.Region = p.region
		cfg.Credentials = a.credentials.get(p.entry, func() aws.CredentialsProvider {
			if p.role == "" {
				return cfg.Credentials
			}
			return aws.NewCredentialsCache(assumedRole{sts: a.sts, entry: p.entry, log: a.log},
				func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = expiryWindow })
		})
		return newClients(a, p, cfg)
	})
}

// checkOwn refuses an account without a role unless qrie's own credentials are
// of that account: its resources would be recorded under another's id.
func (a *access) checkOwn(ctx context.Context, account string) error {
	a.mu.Lock()
	own := a.own
	a.mu.Unlock()
	if own == "" {
		out, err := a.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return entryError(ctx, "sts:GetCallerIdentity", "ask which account qrie's own credentials are of", "", err)
		}
		own = aws.ToString(out.Account)
		a.mu.Lock()
		a.own = own
		a.mu.Unlock()
		a.log.Info("qrie's own credentials are known", "account", own)
	}
	if own != account {
		return &accessError{
			kind: qrie.Unreached, code: "NoRole", action: "sts:AssumeRole",
			text: fmt.Sprintf("the account has no role_arn and qrie's own credentials are of account %s: set the role_arn of account %s", own, account),
		}
	}
	return nil
}
