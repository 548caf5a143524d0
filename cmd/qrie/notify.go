package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/qrie-sec/qrie/notify"
)

// webhook is where transitions are told.
type webhook struct {
	url        string
	secretFile string
	publicURL  string
}

// secretVariable holds the secret where no file does: a flag would show it to
// everybody who may list processes.
const secretVariable = "QRIE_WEBHOOK_SECRET"

func (o *webhook) flags(f *pflag.FlagSet) {
	f.StringVar(&o.url, "webhook-url", "", "post every transition of a finding here, signed (standardwebhooks.com)")
	f.StringVar(&o.secretFile, "webhook-secret-file", "", "file with the secret that signs, whsec_… (default: the variable "+secretVariable+")")
	f.StringVar(&o.publicURL, "public-url", "", "address of the dashboard as people reach it, for links in messages")
}

// courier makes what tells transitions; nil if they are not to be told.
func (o webhook) courier(n *node) (*notify.Courier, error) {
	if o.url == "" {
		if o.secretFile != "" {
			return nil, usageError{errors.New("--webhook-secret-file signs what goes to --webhook-url, which is missing")}
		}
		return nil, nil
	}
	secret := os.Getenv(secretVariable)
	if o.secretFile != "" {
		text, err := os.ReadFile(o.secretFile)
		if err != nil {
			return nil, fmt.Errorf("read the secret of the webhook: %w", err)
		}
		secret = string(text)
	}
	hook, err := notify.NewWebhook(notify.WebhookOptions{URL: o.url, Secret: strings.TrimSpace(secret), Version: version, Now: time.Now})
	if err != nil {
		return nil, usageError{fmt.Errorf("%w (--webhook-url, --webhook-secret-file)", err)}
	}
	options := notify.Options{Store: n.store, Sinks: []notify.Sink{hook}, Owner: n.owner, Now: time.Now, Log: n.log, Registerer: n.registry,
		Jitter: func(d time.Duration) time.Duration { return rand.N(max(d, 1)) }}
	if o.publicURL != "" {
		pages, err := url.Parse(o.publicURL)
		if err != nil || pages.Host == "" {
			return nil, usageError{fmt.Errorf("--public-url %q: give an address such as https://qrie.example.com", o.publicURL)}
		}
		options.Pages = pages
	}
	return notify.New(options)
}
