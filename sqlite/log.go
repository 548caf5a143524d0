package sqlite

import (
	"context"
	"os"
)

const (
	// logLimit is the size of the write-ahead log, in bytes, beyond which the
	// writer waits for readers so that the log can start over.
	logLimit = 64 << 20
	// logStep is how much it must have grown before that is tried again.
	logStep = 16 << 20
	// logWait bounds one try.
	logWait = "PRAGMA busy_timeout = 100"
	// logEvery is how many commits pass between two looks at the size.
	logEvery = 64
)

// logFile watches the write-ahead log. SQLite moves its pages into the file at
// every 4,000th, but can begin the log anew only at a moment when nobody reads
// from it; readers that overlap without a gap would let it grow for ever.
type logFile struct {
	path        string
	limit, step int64
	count       int
	tried       int64 // size at the last try
}

func (l *logFile) bound(db *DB) {
	if l.count++; l.count < logEvery {
		return
	}
	l.count = 0
	info, err := os.Stat(l.path)
	if err != nil || info.Size() < max(l.limit, l.tried+l.step) {
		return
	}
	ctx := context.Background()
	// TRUNCATE makes the readers that come now read the file instead of the
	// log, and waits for those that are there. What it cannot do in time it
	// does at the next try; no error of it concerns a write.
	_, _ = db.stmts.exec(ctx, logWait)
	_ = db.stmts.queryRow(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(new(int), new(int), new(int))
	_, _ = db.stmts.exec(ctx, "PRAGMA busy_timeout = 10000")
	l.tried = 0
	if info, err := os.Stat(l.path); err == nil && info.Size() >= l.limit {
		l.tried = info.Size()
	}
}
