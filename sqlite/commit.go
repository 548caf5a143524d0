package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// maxGroup bounds how many writes share a commit: a crash makes at most
	// these callers try again.
	maxGroup = 512
	// maxGroupTime bounds how long the first write of a group waits for
	// others to join before its commit begins.
	maxGroupTime = 20 * time.Millisecond
	// queueLength bounds the writes that wait; further callers block.
	queueLength = 1024
)

// errGroup ends a group whose transaction SQLite has rolled back by itself,
// as it does when the disk is full or fails.
var errGroup = errors.New("the transaction was rolled back")

// job is one Write on its way. Whoever moves state away from waiting owns it:
// the committer, which then answers on err, or the caller, who has gone.
type job struct {
	ctx   context.Context
	fn    func(*Tx) error
	err   chan error
	state atomic.Int32
}

const (
	waiting int32 = iota
	taken
	abandoned
)

// Write runs fn in a transaction and returns once it is on disk. Writes that
// wait at the same time share one commit, yet each succeeds or fails alone:
// an error of fn, or a panic, undoes what fn did and nothing else. Whatever fn
// saw in its transaction is to be seen by everybody once Write has returned,
// with an error as well. Errors of SQLite that fn meets must be returned.
//
// fn runs in another goroutine at most once. It must not keep tx, must not
// call Write, and should take well under a millisecond: nobody else writes
// meanwhile. If ctx ends before fn has begun, fn never runs; later the outcome
// is waited for, so that nil means durable and ctx's error means untouched.
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
	select {
	case err := <-j.err:
		return err
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
	case <-db.done:
	}
	select {
	case err := <-j.err:
		return err
	case <-db.done:
		select {
		case err := <-j.err:
			return err
		default:
			return ErrClosed // still in the queue: fn did not run
		}
	}
}

func (db *DB) commitLoop() {
	defer close(db.done)
	timer := time.NewTimer(maxGroupTime)
	defer timer.Stop()
	for {
		// Close wins over a queue that never runs dry.
		select {
		case <-db.closed:
			return
		default:
		}
		select {
		case j := <-db.queue:
			timer.Reset(maxGroupTime)
			db.commit(j, timer.C)
			db.log.bound(db)
		case <-db.closed:
			return
		}
	}
}

// commit runs the first job, and those that wait meanwhile, in one
// transaction.
func (db *DB) commit(first *job, full <-chan time.Time) {
	ctx := context.Background()
	if _, err := db.stmts.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		// Ten seconds have passed. Whoever queued meanwhile has waited too
		// and must not wait another ten for each that is before him.
		err = fmt.Errorf("begin write: %w", explain(err))
		for j := first; j != nil; j = db.next() {
			if j.state.CompareAndSwap(waiting, taken) {
				j.err <- err
			}
		}
		return
	}
	group := make([]attempted, 0, 64)
	done := 0
	var broken error
	for j := first; j != nil; {
		if j.state.CompareAndSwap(waiting, taken) {
			err := db.attempt(ctx, j)
			group = append(group, attempted{j, err})
			if errors.Is(err, errGroup) {
				broken = err
				break
			}
			if err == nil {
				done++
			}
		}
		j = nil
		if len(group) < maxGroup {
			select {
			case <-full:
			default:
				j = db.next()
			}
		}
	}
	err := broken
	if err == nil {
		if _, err = db.stmts.exec(ctx, "COMMIT"); err != nil {
			err = fmt.Errorf("commit: %w", explain(err))
		}
	}
	if err != nil {
		// It fails if SQLite has rolled back already, which is as well.
		_, _ = db.stmts.exec(ctx, "ROLLBACK")
	} else {
		db.commits.Add(1)
		db.writes.Add(int64(done))
	}
	for _, a := range group {
		// One that failed may have done so for what another of the group wrote,
		// and says nothing before that is there for all to see.
		if err == nil {
			a.job.err <- a.err
		} else {
			a.job.err <- err
		}
	}
}

// attempted is a job that has run and waits for the commit.
type attempted struct {
	job *job
	err error
}

func (db *DB) next() *job {
	select {
	case j := <-db.queue:
		return j
	default:
		return nil
	}
}

// attempt runs one job under a savepoint.
func (db *DB) attempt(ctx context.Context, j *job) error {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	if _, err := db.stmts.exec(ctx, "SAVEPOINT j"); err != nil {
		return explain(err)
	}
	tx := &Tx{db: db}
	err := tx.run(j.fn)
	if err != nil {
		if _, undo := db.stmts.exec(ctx, "ROLLBACK TO j"); undo != nil {
			return errors.Join(err, errGroup)
		}
	}
	if _, release := db.stmts.exec(ctx, "RELEASE j"); release != nil {
		return errors.Join(err, explain(release), errGroup)
	}
	return err
}
