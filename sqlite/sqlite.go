// Package sqlite opens the one file of an embedded installation and commits
// to it in groups. The stream and the store are tables of the same file, so
// that one fsync makes both durable.
//
// One connection writes; any number read. Write may be called from many
// goroutines: what waits together commits together. Other processes may read
// and write the same file; they take turns.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrClosed is returned by Write after Close.
var ErrClosed = errors.New("database is closed")

// pragmas of every connection. FULL lets the first commit put a new log's name
// into its folder; commits that follow are brought to the disk by the flusher.
// auto_vacuum stays off: freed pages are used again, so a file that is trimmed
// as fast as it is written stops growing.
var pragmas = []string{
	"busy_timeout(10000)",
	"journal_mode(WAL)",
	"synchronous(FULL)",
	"foreign_keys(ON)",
	"temp_store(MEMORY)",
	"wal_autocheckpoint(0)",         // logFile does it
	"journal_size_limit(134217728)", // bytes kept of the log once it starts over
}

// The page caches, in KiB. The system's own cache stands behind them. A reader's is
// small: each commit empties it, and emptying walks all of the cache's table, under a
// lock that the writer needs for every page. The writer's is walked with many commits
// of a file under 1 GiB (docs/adr/001-one-file.md).
const (
	writerCache = "cache_size(-24576)"
	readerCache = "cache_size(-2048)"
)

// DB is an open file. Its methods are safe for concurrent use.
type DB struct {
	path  string
	read  *sql.DB
	pool  *sql.DB // of the one connection below
	write *sql.Conn
	stmts *statements // of the write connection
	reads *statements // of the read pool

	queue   chan *job
	closed  chan struct{}
	done    chan struct{} // closed when the last group is answered
	once    sync.Once
	flusher *flusher
	log     *logFile

	commits atomic.Int64
	writes  atomic.Int64
}

// Open opens or creates the file. The folder must exist. A file that is not
// qrie's, or is damaged, is refused with an error that says so.
func Open(ctx context.Context, path string) (*DB, error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	pool, err := sql.Open("sqlite", source(path, writerCache))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	pool.SetMaxOpenConns(1)
	conn, err := connect(ctx, pool)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, explain(err)), pool.Close())
	}
	read, err := sql.Open("sqlite", source(path, readerCache, "query_only(ON)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), conn.Close(), pool.Close())
	}
	read.SetMaxOpenConns(max(4, runtime.NumCPU()*2))
	read.SetMaxIdleConns(max(4, runtime.NumCPU()*2))
	db := &DB{
		path: path, read: read, write: conn, pool: pool,
		stmts:  &statements{prepare: conn.PrepareContext},
		reads:  &statements{prepare: read.PrepareContext},
		queue:  make(chan *job, queueLength),
		closed: make(chan struct{}),
		done:   make(chan struct{}),
	}
	if err := db.start(ctx); err != nil {
		return nil, errors.Join(err, read.Close(), conn.Close(), pool.Close())
	}
	return db, nil
}

// start makes the file qrie's and begins to write to it.
func (db *DB) start(ctx context.Context) error {
	if err := db.claimFile(ctx); err != nil {
		return err
	}
	for _, q := range []string{"PRAGMA synchronous = NORMAL", noWait} { // see flusher and begin
		if _, err := db.write.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("prepare %s: %w", db.path, explain(err))
		}
	}
	name := db.path + "-wal"
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", db.path, err)
	}
	checkpoints, err := sql.Open("sqlite", source(db.path, readerCache))
	if err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", db.path, err), file.Close())
	}
	checkpoints.SetMaxOpenConns(1)
	db.flusher = newFlusher(file)
	db.log = newLogFile(checkpoints)
	go db.log.run()
	go db.commitLoop()
	go func() {
		defer close(db.done)
		db.flusher.run()
	}()
	return nil
}

// connect opens the write connection. Of several processes that come to a new
// file at once, SQLite lets one switch the journal mode and tells the others,
// without waiting, that the file is locked; a moment later they may pass.
func connect(ctx context.Context, pool *sql.DB) (*sql.Conn, error) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		conn, err := pool.Conn(ctx)
		if !isBusy(err) {
			return conn, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-patient.Done():
			return nil, err
		}
	}
}

// isBusy reports that another process is in the way.
func isBusy(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// source is the driver's name for the file. A path may hold any character.
func source(path string, more ...string) string {
	var b strings.Builder
	b.WriteString("file:" + (&url.URL{Path: path}).EscapedPath())
	separator := "?"
	for _, list := range [][]string{pragmas, more} {
		for _, p := range list {
			b.WriteString(separator + "_pragma=" + p)
			separator = "&"
		}
	}
	return b.String()
}

// Commits returns how many transactions were committed and how many writes
// they held.
func (db *DB) Commits() (transactions, writes int64) {
	return db.commits.Load(), db.writes.Load()
}

// Query reads with a prepared statement. The caller closes the rows.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := db.reads.query(ctx, query, args...)
	return rows, explain(err)
}

// QueryRow reads one row. It is short, so once it has a connection it is not
// interrupted by the end of ctx: watching for that would cost a goroutine for
// each row.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) Row {
	if err := ctx.Err(); err != nil {
		return Row{err: err}
	}
	return db.reads.queryRow(context.WithoutCancel(ctx), query, args...)
}

// Reader is the pool of read connections, for reads that need a transaction
// or a statement used once.
func (db *DB) Reader() *sql.DB { return db.read }

// Close waits for the commit in progress, refuses later writes and those that
// still wait with ErrClosed, and closes the file. Closing twice is closing
// once.
func (db *DB) Close() error {
	var err error
	db.once.Do(func() {
		close(db.closed)
		<-db.done
		err = errors.Join(db.log.close(), db.flusher.log.Close(), db.stmts.close(), db.reads.close(), db.read.Close(), db.write.Close(), db.pool.Close())
	})
	return err
}

// explain adds the remedy to the codes of SQLite that a person can mend.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("the database file is damaged; restore it from a backup or start with an empty data directory: %w", err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("the disk is full; free some space, nothing that was acknowledged is lost: %w", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("the database file cannot be opened for writing; check the owner and mode of it and its folder: %w", err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("another process held the database for over ten seconds: %w", err)
	}
	return err
}
