// Package local keeps the store in tables of the one SQLite file of an
// embedded installation.
//
// What is written by one call is one transaction. Calls of many goroutines
// share commits, so that the store is fastest when it is used by many at once.
package local

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// Options of a store. The zero value is ready.
type Options struct {
	// Now is the clock that requests are timed by; nil is time.Now.
	Now func() time.Time
	// Secret signs page tokens. Empty: one is made once and kept in the file.
	Secret []byte
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

// Store is the embedded store. It is safe for concurrent use, and so are
// several processes on one file.
type Store struct {
	db      *sqlite.DB
	names   names
	rows    counterRows
	states  states
	signer  *store.Signer
	metrics *store.Metrics
	recount chan struct{} // holds one token: recounts take turns
}

var _ store.Store = (*Store)(nil)

// Open brings the tables in db to this version and returns the store. The
// store does not own db: close it afterwards. A file that a newer qrie has
// written is refused.
func Open(ctx context.Context, db *sqlite.DB, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := db.Migrate(ctx, "store", migrations); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{db: db, states: states{now: o.Now}, recount: make(chan struct{}, 1)}
	var err error
	if s.metrics, err = store.NewMetrics(o.Registerer, o.Now, kindOfError); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if len(o.Secret) == 0 {
		if o.Secret, err = s.keptSecret(ctx); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	s.signer = store.NewSigner(o.Secret)
	if err := s.names.load(ctx, db); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// keptSecret reads the file's own key for page tokens, or makes one.
func (s *Store) keptSecret(ctx context.Context) (secret []byte, err error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("make a key for page tokens: %w", err)
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec("INSERT INTO qrie_meta (name, value) VALUES ('page_key', ?) ON CONFLICT (name) DO NOTHING", fresh); err != nil {
			return err
		}
		return tx.QueryRow("SELECT value FROM qrie_meta WHERE name = 'page_key'").Scan(&secret)
	})
	if err != nil {
		return nil, fmt.Errorf("read the key for page tokens: %w", err)
	}
	return secret, nil
}

// Ping reads, and waits for an empty transaction of the writer.
func (s *Store) Ping(ctx context.Context) (err error) {
	defer s.metrics.Request("qrie_meta", "ping")(&err)
	var n int64
	if err := s.db.QueryRow(ctx, "SELECT value FROM qrie_meta WHERE name = 'generation'").Scan(&n); err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	if err := s.db.Write(ctx, func(*sqlite.Tx) error { return nil }); err != nil {
		return fmt.Errorf("write to the store: %w", err)
	}
	return nil
}

// Close leaves the file open: it belongs to whoever opened it.
func (s *Store) Close() error { return nil }

// absent reports that a query found no row.
func absent(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// collect reads every row and closes them.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
