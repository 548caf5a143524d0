// Package sqlite opens the one file of an embedded installation and commits
// to it in groups. The stream and the store are tables of the same file, so
// that one fsync makes both durable.
//
// One connection writes; any number read. Write may be called from many
// goroutines: what waits together commits together.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks a file as qrie's: the letters "qrie".
const applicationID = 0x71726965

const (
	// maxGroup bounds how many writes share a commit: a crash makes at most
	// these callers try again, and none of them waits longer than this many
	// small writes.
	maxGroup = 512
	// queueLength bounds the writes that wait; further callers block.
	queueLength = 1024
)

// ErrClosed is returned by Write after Close.
var ErrClosed = errors.New("database is closed")

// DB is an open file. Its methods are safe for concurrent use.
type DB struct {
	path   string
	read   *sql.DB
	write  *sql.Conn
	pool   *sql.DB
	stmts  *statements // of the write connection
	reads  *statements // of the read pool
	queue  chan *job
	closed chan struct{}
	done   chan struct{}
	once   sync.Once

	commits atomic.Int64
	writes  atomic.Int64
}

type job struct {
	ctx context.Context
	fn  func(*Tx) error
	err chan error
}

// Open opens or creates the file. The folder must exist. A file that is not
// qrie's, or is damaged, is refused with an error that says so.
func Open(ctx context.Context, path string) (*DB, error) {
	if err := checkHeader(path); err != nil {
		return nil, err
	}
	dsn := "file:" + path + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(ON)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-65536)&_pragma=wal_autocheckpoint(4000)"
	pool, err := sql.Open("sqlite", dsn+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, explain(err)), pool.Close())
	}
	read, err := sql.Open("sqlite", dsn+"&_pragma=query_only(ON)")
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
	if err := db.prepareFile(ctx); err != nil {
		return nil, errors.Join(err, read.Close(), conn.Close(), pool.Close())
	}
	go db.commitLoop()
	return db, nil
}

// checkHeader refuses a file that SQLite would only complain about later.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer f.Close()
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if n == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	if string(head[:n]) != "SQLite format 3\x00" {
		return fmt.Errorf("%s is not a qrie database: it does not begin as an SQLite file; move it away or choose another data directory", path)
	}
	return nil
}

func (db *DB) prepareFile(ctx context.Context) error {
	var id int64
	if err := db.write.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return fmt.Errorf("open %s: %w", db.path, explain(err))
	}
	var tables int
	if err := db.write.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return fmt.Errorf("open %s: %w", db.path, explain(err))
	}
	if id != applicationID && (id != 0 || tables > 0) {
		return fmt.Errorf("%s is an SQLite database of another program; choose another data directory", db.path)
	}
	for _, q := range []string{
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		"CREATE TABLE IF NOT EXISTS qrie_schema (component TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
	} {
		if _, err := db.write.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("prepare %s: %w", db.path, explain(err))
		}
	}
	return nil
}

// Migrate brings the tables of one component to the newest version: steps[i]
// leads from version i to i+1, each in a transaction of its own. A file that
// a newer qrie has written is refused. Call it before the first Write.
func (db *DB) Migrate(ctx context.Context, component string, steps []string) error {
	return db.Write(ctx, func(tx *Tx) error {
		var version int
		err := tx.QueryRow("SELECT version FROM qrie_schema WHERE component = ?", component).Scan(&version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read schema version of %s: %w", component, err)
		}
		if version > len(steps) {
			return fmt.Errorf("%s was written by a newer qrie (%s schema %d, this one knows %d): run that version, or choose another data directory",
				db.path, component, version, len(steps))
		}
		for i, step := range steps[version:] {
			if err := tx.script(step); err != nil {
				return fmt.Errorf("migrate %s to schema %d: %w", component, version+i+1, err)
			}
		}
		_, err = tx.Exec("INSERT INTO qrie_schema (component, version) VALUES (?, ?) ON CONFLICT (component) DO UPDATE SET version = excluded.version",
			component, len(steps))
		return err
	})
}

// Write runs fn in a transaction and returns once it is on disk. Writes that
// wait at the same time share one commit, yet each succeeds or fails alone:
// an error of fn undoes what fn did and nothing else. fn may run in another
// goroutine, must not keep tx, and must not call Write.
func (db *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
	j := &job{ctx: ctx, fn: fn, err: make(chan error, 1)}
	select {
	case <-db.closed:
		return ErrClosed
	default:
	}
	select {
	case db.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closed:
		return ErrClosed
	}
	// From here the outcome is waited for even if ctx ends: a caller that
	// heard "cancelled" could not tell whether it was written.
	select {
	case err := <-j.err:
		return err
	case <-db.done:
		select {
		case err := <-j.err:
			return err
		default:
			return ErrClosed
		}
	}
}

func (db *DB) commitLoop() {
	defer close(db.done)
	group := make([]*job, 0, maxGroup)
	for {
		group = group[:0]
		select {
		case j := <-db.queue:
			group = append(group, j)
		case <-db.closed:
			return
		}
		db.commit(group)
	}
}

// commit runs the first job and whatever else is waiting in one transaction.
func (db *DB) commit(group []*job) {
	ctx := context.Background()
	finish := func(err error) {
		for _, j := range group {
			j.err <- err
		}
	}
	if _, err := db.stmts.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		finish(fmt.Errorf("begin write: %w", explain(err)))
		return
	}
	tx := &Tx{db: db}
	first := group[0]
	group = group[:0]
	for j := first; j != nil; {
		if err := db.attempt(ctx, tx, j); err != nil {
			j.err <- err
		} else {
			group = append(group, j)
		}
		j = nil
		if len(group) < maxGroup {
			select {
			case j = <-db.queue:
			default:
			}
		}
	}
	_, err := db.stmts.exec(ctx, "COMMIT")
	if err != nil {
		_, rollback := db.stmts.exec(ctx, "ROLLBACK")
		err = errors.Join(fmt.Errorf("commit: %w", explain(err)), rollback)
	}
	db.commits.Add(1)
	db.writes.Add(int64(len(group)))
	finish(err)
}

// attempt runs one job under a savepoint.
func (db *DB) attempt(ctx context.Context, tx *Tx, j *job) error {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	if _, err := db.stmts.exec(ctx, "SAVEPOINT j"); err != nil {
		return explain(err)
	}
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("BUG: panic in a write: %v", p)
			}
		}()
		return j.fn(tx)
	}()
	if err != nil {
		_, undo := db.stmts.exec(ctx, "ROLLBACK TO j")
		_, release := db.stmts.exec(ctx, "RELEASE j")
		return errors.Join(err, undo, release)
	}
	_, err = db.stmts.exec(ctx, "RELEASE j")
	return explain(err)
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

// QueryRow reads one row.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) Row {
	return db.reads.queryRow(ctx, query, args...)
}

// Reader is the pool of read connections, for reads that need a transaction
// or a statement used once.
func (db *DB) Reader() *sql.DB { return db.read }

// Close waits for the commit in progress, refuses later writes and closes the
// file. Closing twice is closing once.
func (db *DB) Close() error {
	var err error
	db.once.Do(func() {
		close(db.closed)
		<-db.done
		err = errors.Join(db.stmts.close(), db.reads.close(), db.read.Close(), db.write.Close(), db.pool.Close())
	})
	return err
}

// explain adds the remedy to the codes of SQLite that a person can mend.
func explain(err error) error {
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
