package sqlite

import (
	"context"
	"database/sql"
)

// Sizes of the write-ahead log, in pages of 4 KiB.
const (
	// logPages is how many it holds before they are copied into the file: 55 MiB. A
	// page that is written often is copied the more rarely.
	logPages = 14000
	// logRest is how many the writer copies itself: without a pause in the
	// writing, nobody else could ever finish.
	logRest = 1000
	// logLimit is how many it holds before the writer copies whatever is left, so
	// that the log can start over: 110 MiB, within journal_size_limit, so that the
	// file is not cut off then.
	logLimit = 2 * logPages
)

const (
	// logWait bounds one wait for readers. Otherwise the writer waits for nobody
	// within SQLite.
	logWait = "PRAGMA busy_timeout = 100"
	noWait  = "PRAGMA busy_timeout = 0"
	// logEvery is how many commits pass between two looks at the log.
	logEvery = 8
)

// logFile watches the write-ahead log. Its pages are copied into the file beside
// the writing, by a connection of its own; the writer copies the last few, after
// which SQLite begins the log anew. It can do so only at a moment when nobody
// reads from it; readers that overlap without a gap would let it grow for ever.
type logFile struct {
	pages, limit int // as the constants say
	count        int // commits since the last look
	tried        int // pages when readers were waited for and did not go: logPages later they are again

	db   *sql.DB // of one connection
	full chan struct{}
	done chan struct{}
}

func newLogFile(db *sql.DB) *logFile {
	return &logFile{pages: logPages, limit: logLimit, db: db, full: make(chan struct{}, 1), done: make(chan struct{})}
}

// run copies pages whenever the writer asks for it, until close.
func (l *logFile) run() {
	defer close(l.done)
	for range l.full {
		_, _ = scanLog(l.db.QueryRow("PRAGMA wal_checkpoint(PASSIVE)")) // or at the next time
	}
}

// logState is what SQLite tells of the log after a checkpoint.
type logState struct {
	busy          bool // somebody was in the way
	pages, copied int
}

func scanLog(row interface{ Scan(...any) error }) (at logState, err error) {
	err = row.Scan(&at.busy, &at.pages, &at.copied)
	return at, err
}

// left is how many pages are not in the file yet.
func (at logState) left() int { return at.pages - at.copied }

// close ends run. The writer has stopped.
func (l *logFile) close() error {
	close(l.full)
	<-l.done
	return l.db.Close()
}

// bound is called by the writer between two transactions. No error of what it
// does concerns a write: what cannot be done in time is done at the next try.
func (l *logFile) bound(db *DB) {
	if l.count++; l.count < logEvery {
		return
	}
	l.count = 0
	ctx := context.Background()
	check := func(how string) (logState, error) {
		return scanLog(db.stmts.queryRow(ctx, "PRAGMA wal_checkpoint("+how+")"))
	}
	at, err := check("NOOP")
	if err != nil {
		return
	}
	switch {
	case at.pages < l.pages:
		l.tried = 0
	case at.pages < l.limit && at.left() > logRest:
		select {
		case l.full <- struct{}{}:
		default:
		}
	case at.pages >= l.tried+l.pages:
		// RESTART makes the readers that come now read the file instead of the
		// log, and waits for those that are there.
		_, _ = db.stmts.exec(ctx, logWait)
		over, err := check("RESTART")
		_, _ = db.stmts.exec(ctx, noWait)
		l.tried = 0
		if err != nil || over.busy {
			l.tried = at.pages
		}
	}
}
