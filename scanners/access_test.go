package scanners

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/goleak"

	"github.com/qrie-sec/qrie"
)

var anaRef = qrie.Ref{Account: testAccount, Region: "us-east-1", Type: "AWS::IAM::User", ID: "ana"}

// goneUser answers GetUser, so that a describe is one call.
func goneUser() *reply {
	return &reply{name: "iam GetUser", status: 404, body: []byte(`<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>`)}
}

func identity(account string) *reply {
	return &reply{name: "sts GetCallerIdentity", status: 200, body: fmt.Appendf(nil,
		`<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::%[1]s:user/qrie</Arn><UserId>AIDA</UserId><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, account)}
}

func wantFault(t *testing.T, err error, kind qrie.FaultKind, code string) *qrie.Fault {
	t.Helper()
	var f *qrie.Fault
	if !errors.As(err, &f) {
		t.Fatalf("error %v (%T), want a fault", err, err)
	}
	if f.Kind != kind || f.Code != code {
		t.Errorf("fault %s %s, want %s %s: %v", f.Kind, f.Code, kind, code, err)
	}
	return f
}

func TestCredentialsAreKept(t *testing.T) {
	p := &replay{t: t, replies: []*reply{goneUser()}}
	s := newTestScanner(p)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.Describe(context.Background(), anaRef); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	other := anaRef
	other.Type, other.Region = "AWS::EC2::Volume", "eu-west-1"
	p.mu.Lock()
	p.replies = append(p.replies, &reply{name: "ec2 DescribeVolumes", status: 400, body: []byte(`<Response><Errors><Error><Code>InvalidVolume.NotFound</Code></Error></Errors></Response>`)})
	p.mu.Unlock()
	if _, err := s.Describe(context.Background(), other); err != nil {
		t.Error(err)
	}
	if n := p.count("AssumeRole"); n != 1 {
		t.Errorf("the role was assumed %d times for 21 describes in two Regions, want 1", n)
	}
}

func TestCredentialsAreRenewedBeforeTheirEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		left time.Duration
		want int
	}{
		{"four minutes left", 4 * time.Minute, 3},
		{"six minutes left", 6 * time.Minute, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &replay{t: t, replies: []*reply{goneUser(), {name: "sts AssumeRole", status: 200, body: assumeRoleAnswer(time.Now().Add(c.left))}}}
			s := newTestScanner(p)
			for range 3 {
				if _, err := s.Describe(context.Background(), anaRef); err != nil {
					t.Fatal(err)
				}
			}
			if n := p.count("AssumeRole"); n != c.want {
				t.Errorf("the role was assumed %d times for 3 describes, want %d", n, c.want)
			}
		})
	}
}

func TestRefusedCredentialsAreNotUsedAgain(t *testing.T) {
	p := &replay{t: t, replies: []*reply{
		{name: "iam GetUser", status: 403, body: []byte(`<ErrorResponse><Error><Code>ExpiredToken</Code><Message>expired</Message></Error></ErrorResponse>`)},
		goneUser(),
	}}
	s := newTestScanner(p)
	_, err := s.Describe(context.Background(), anaRef)
	wantFault(t, err, qrie.Unreached, "ExpiredToken")
	if _, err := s.Describe(context.Background(), anaRef); err != nil {
		t.Fatal(err)
	}
	if n := p.count("AssumeRole"); n != 2 {
		t.Errorf("the role was assumed %d times, want 2: once anew", n)
	}
}

func TestChangedRoleIsAssumed(t *testing.T) {
	p := &replay{t: t, replies: []*reply{goneUser()}}
	role := "arn:aws:iam::" + testAccount + ":role/one"
	s := newTestScanner(p, func(o *Options) {
		o.Accounts = func(context.Context, string) (qrie.Account, error) {
			return qrie.Account{ID: testAccount, RoleARN: role}, nil
		}
	})
	for _, role = range []string{"arn:aws:iam::" + testAccount + ":role/one", "arn:aws:iam::" + testAccount + ":role/two"} {
		if _, err := s.Describe(context.Background(), anaRef); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.count("AssumeRole"); n != 2 {
		t.Errorf("the roles were assumed %d times, want 2", n)
	}
	for _, r := range p.seen {
		if _, sent := r.params["ExternalId"]; sent {
			t.Errorf("an empty external id was sent: %s", r)
		}
	}
}

func TestAccountsThatCannotBeEntered(t *testing.T) {
	for _, c := range []struct {
		name    string
		account qrie.Account
		err     error
		kind    qrie.FaultKind
		code    string
		says    string
	}{
		{"not registered", qrie.Account{}, fmt.Errorf("account: %w", qrie.ErrNotFound), qrie.Unreached, "AccountNotRegistered", "add it"},
		{"entry not read", qrie.Account{}, errors.New("disk on fire"), qrie.Transient, "AccountNotRead", "disk on fire"},
		{"no role and another's credentials", qrie.Account{ID: testAccount}, nil, qrie.Unreached, "NoRole", "set the role_arn of account " + testAccount},
		{"role of another account", qrie.Account{ID: testAccount, RoleARN: "arn:aws:iam::999999999999:role/qrie"}, nil, qrie.Unreached, "WrongRole", "correct the account's role_arn"},
		{"no role at all", qrie.Account{ID: testAccount, RoleARN: "qrie"}, nil, qrie.Unreached, "WrongRole", "correct the account's role_arn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &replay{t: t, replies: []*reply{identity("555566667777")}}
			s := newTestScanner(p, func(o *Options) {
				o.Accounts = func(context.Context, string) (qrie.Account, error) { return c.account, c.err }
			})
			_, err := s.Describe(context.Background(), anaRef)
			f := wantFault(t, err, c.kind, c.code)
			if !strings.Contains(f.Error(), c.says) {
				t.Errorf("%q does not say %q", f, c.says)
			}
			_, _, err = s.List(context.Background(), testAccount, "us-east-1", "AWS::IAM::User", "")
			wantFault(t, err, c.kind, c.code)
			if n := p.count("AssumeRole") + p.count("GetUser") + p.count("ListUsers"); n > 0 {
				t.Errorf("%d calls were made", n)
			}
			if n := p.count("GetCallerIdentity"); n > 1 {
				t.Errorf("qrie's own account was asked for %d times", n)
			}
		})
	}
}

func TestOwnAccountIsReadWithOwnCredentials(t *testing.T) {
	p := &replay{t: t, replies: []*reply{identity(testAccount), goneUser()}}
	s := newTestScanner(p, func(o *Options) {
		o.Accounts = func(_ context.Context, id string) (qrie.Account, error) { return qrie.Account{ID: id}, nil }
	})
	o, err := s.Describe(context.Background(), anaRef)
	if err != nil || !o.Deleted {
		t.Fatalf("deleted %t, error %v", o.Deleted, err)
	}
	if n := p.count("AssumeRole"); n > 0 {
		t.Error("a role was assumed")
	}
}

type noCredentials struct{}

func (noCredentials) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("no credentials are set up")
}

func TestWithoutOwnCredentials(t *testing.T) {
	s := newTestScanner(&replay{t: t}, func(o *Options) { o.Config.Credentials = noCredentials{} })
	_, err := s.Describe(context.Background(), anaRef)
	f := wantFault(t, err, qrie.Unreached, "NoOwnCredentials")
	if !strings.Contains(f.Error(), "no credentials are set up") {
		t.Errorf("%q does not say why", f)
	}
}

func TestCanceled(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(context.Background())
	p := &replay{t: t, replies: []*reply{goneUser()}}
	s := newTestScanner(doFunc(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Host, "iam.") {
			cancel()
		}
		return p.Do(r)
	}))
	_, err := s.Describe(ctx, anaRef)
	wantFault(t, err, qrie.Transient, "Canceled")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v does not say that the caller ended it", err)
	}
}

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }
