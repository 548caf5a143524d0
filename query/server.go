package query

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/store"
)

// Server answers the API. Its methods are safe for concurrent use.
type Server struct {
	options  Options
	store    store.Store
	policies *policies.Set
	now      func() time.Time
	started  time.Time

	engine *gin.Engine
	api    huma.API
	routes map[string]route // by method and gin path

	auth      *authenticator
	ui        *assets
	metrics   *metrics
	hub       *hub
	dashboard *cache
	orphans   chan struct{} // asks for a look at findings without a launch
	chunk     int           // closeChunk, but for tests

	purgeMu sync.Mutex
	toPurge map[string]bool // policies of which the findings are to be forgotten

	accounts  *memo[map[string]qrie.Account]
	health    *memo[map[string][]store.Condition]
	byAccount *memo[accountCounts]
}

// New makes a server. Nothing runs until Run does; Handler answers at once,
// without live events and without refreshing summaries.
func New(options Options) (*Server, error) {
	o, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		options:  o,
		store:    o.Store,
		policies: o.Policies,
		now:      func() time.Time { return o.Now().UTC() },
		orphans:  make(chan struct{}, 1),
		chunk:    closeChunk,
		toPurge:  map[string]bool{},
	}
	s.started = s.now().Truncate(time.Second)
	s.auth = newAuthenticator(o.Auth, o.Store, s.now, o.Random)
	if s.ui, err = newAssets(o.UI); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(o.Registry, o.Version, o.Operations); err != nil {
		return nil, fmt.Errorf("register the metrics of the API: %w", err)
	}
	s.accounts = newMemo(s.now, directoryAge, s.readAccounts)
	s.health = newMemo(s.now, directoryAge, func(ctx context.Context) (map[string][]store.Condition, error) { return store.Unwell(ctx, s.store) })
	s.byAccount = newMemo(s.now, directoryAge, s.readAccountCounts)
	s.hub = newHub(o.Store, s.encodeChange, o.Log, o.MaxStreams)
	s.dashboard = newCache(o.Store, cacheOptions{
		key:     dashboardKey,
		fresh:   dashboardFresh,
		compute: s.computeDashboard,
		stamp:   s.dashboardStamp,
		now:     s.now,
		jitter:  o.Jitter,
		owner:   newID(o.Random),
		metrics: s.metrics,
		log:     o.Log,
	})
	s.build()
	return s, nil
}

// Handler answers every path of the server.
func (s *Server) Handler() http.Handler { return s.engine }

// Run does the background work until ctx ends: it follows the changes for the
// live stream, refreshes summaries that are due, and resolves findings whose
// policy is no longer launched. It returns after all of it has ended.
func (s *Server) Run(ctx context.Context) error {
	if s.options.Operations {
		<-ctx.Done()
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { s.hub.run(ctx); return nil })
	g.Go(func() error { s.dashboard.run(ctx); return nil })
	g.Go(func() error { s.closeOrphans(ctx); return nil })
	return g.Wait()
}

// Limits of the HTTP server that Serve runs. There is no limit on writing a
// whole answer, because the live stream never ends; routes have their own.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	shutdownTimeout   = 10 * time.Second
)

// Serve answers on ln and does the background work until ctx ends, then lets
// the requests under way finish for up to ten seconds. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Run(gctx) })
	g.Go(func() error {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the API on %s: %w", ln.Addr(), err)
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			return errors.Join(fmt.Errorf("stop the API: %w", err), server.Close())
		}
		return nil
	})
	return g.Wait()
}
