package main

import (
	"context"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/query"
	"github.com/qrie-sec/qrie/store"
)

// world is where resources are read and, in a demo, where they change.
type world struct {
	reader         processor.Reader
	accounts       []qrie.Account // to be watched from now on
	demo           query.Demo     // nil outside a demo
	callsPerSecond float64
	// run changes the world until ctx ends; nil if AWS does.
	run func(ctx context.Context) error
}

// openWorld chooses between AWS and a simulated organisation.
func openWorld(ctx context.Context, o upOptions, n *node) (world, error) {
	if o.demo.on {
		return openDemo(o.demo, o.data, n.stream)
	}
	return openRealWorld(ctx, o.accounts, n)
}

// openRealWorld reads AWS. The file of accounts may be empty: those that are
// watched already stay so.
func openRealWorld(ctx context.Context, file string, n *node) (w world, err error) {
	if file != "" {
		if w.accounts, err = readAccounts(file); err != nil {
			return world{}, err
		}
	}
	known := &directory{store: n.store, now: time.Now, accounts: map[string]lookup{}}
	if w.reader, err = openAWS(ctx, known.account, n.registry, n.log); err != nil {
		return world{}, err
	}
	w.callsPerSecond = 20
	return w, nil
}

// directory remembers how to enter an account, so that not every call of AWS
// asks the store. It is safe for concurrent use.
type directory struct {
	store store.Accounts
	now   func() time.Time

	mu       sync.Mutex
	accounts map[string]lookup // those that are watched: no more than there are
}

type lookup struct {
	account qrie.Account
	at      time.Time
}

// directoryAge is how soon a changed role is used.
const directoryAge = 15 * time.Second

func (d *directory) account(ctx context.Context, id string) (qrie.Account, error) {
	now := d.now()
	d.mu.Lock()
	l, ok := d.accounts[id]
	d.mu.Unlock()
	if ok && now.Sub(l.at) < directoryAge {
		return l.account, nil
	}
	a, err := d.store.Account(ctx, id)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		delete(d.accounts, id)
		return a, err
	}
	d.accounts[id] = lookup{a, now}
	return a, nil
}
