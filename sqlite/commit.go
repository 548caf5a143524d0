package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// maxGroup bounds how many writes share a commit: a crash makes at most
	// these callers try again.
	maxGroup = 512
	// maxGroupTime bounds how long the first write of a group waits for others to
	// join once the disk is free for the group.
	maxGroupTime = 20 * time.Millisecond
	// turn is how long one process writes before it pauses for others.
	turn, turnPause = 100 * time.Millisecond, 2 * time.Millisecond
	// patience is how long a write waits for other processes.
	patience = 10 * time.Second
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
// saw in its transaction is on disk, and to be seen by everybody, once Write has
// returned, with an error as well. Errors of SQLite that fn meets must be
// returned.
//
// Readers may see a write some milliseconds before it is on disk. What they
// conclude from it and write is never on disk without it: the log is one
// sequence, and a crash of the machine cuts it at one place.
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

// group is the jobs of one transaction, in the order in which they ran.
type group struct {
	jobs []attempted
	err  error // the transaction failed, and so have all of them
}

// attempted is a job that has run and waits for the commit.
type attempted struct {
	job *job
	err error
}

// answer tells every caller how its job ended. One that failed may have done so
// for what another of its group wrote, and says nothing before that is on disk.
//
// It lets each of them run before it goes on to the next: a hundred that wake at once
// would make the writer wait its turn behind all of them.
func (g *group) answer() {
	for _, a := range g.jobs {
		if g.err == nil {
			a.job.err <- a.err
		} else {
			a.job.err <- g.err
		}
		runtime.Gosched()
	}
}

// claim reports whether the job is the committer's to run: its caller waits.
func (j *job) claim() bool { return j.state.CompareAndSwap(waiting, taken) }

func (db *DB) commitLoop() {
	defer close(db.flusher.groups)
	timer := time.NewTimer(maxGroupTime)
	defer timer.Stop()
	others := time.NewTicker(turn)
	defer others.Stop()
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
		select {
		case <-others.C:
			time.Sleep(turnPause)
		default:
		}
	}
}

// begin waits its turn among the processes that write to the file. SQLite's own
// wait asks ever more rarely, and would find a busy file busy each time.
func (db *DB) begin(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := db.stmts.exec(ctx, "BEGIN IMMEDIATE")
		if !isBusy(err) || patient.Err() != nil {
			return err
		}
		time.Sleep(turnPause / 2)
	}
}

// commit runs the first job, and those that come until the last group is on
// disk, in one transaction, and leaves the group to the flusher.
func (db *DB) commit(first *job, over <-chan time.Time) {
	ctx := context.Background()
	g := &group{jobs: make([]attempted, 0, 64)}
	err := db.flusher.failed()
	if err == nil {
		if err = db.begin(ctx); err != nil {
			err = fmt.Errorf("begin write: %w", explain(err))
		}
	}
	if err != nil {
		// Ten seconds may have passed. Whoever queued meanwhile has waited too
		// and must not wait another ten for each that is before him.
		for j := first; j != nil; j = db.next() {
			if j.claim() {
				g.jobs = append(g.jobs, attempted{job: j})
			}
		}
		g.err = err
		<-db.flusher.free
		db.flusher.groups <- g
		return
	}
	done, late := 0, false
	for j := first; j != nil; j = db.join(len(g.jobs), late) {
		select {
		case <-over:
			late = true
		default:
		}
		if !j.claim() {
			continue
		}
		err := db.attempt(ctx, j)
		g.jobs = append(g.jobs, attempted{j, err})
		if errors.Is(err, errGroup) {
			g.err = err
			<-db.flusher.free
			break
		}
		if err == nil {
			done++
		}
	}
	if g.err == nil {
		if _, err := db.stmts.exec(ctx, "COMMIT"); err != nil {
			g.err = fmt.Errorf("commit: %w", explain(err))
		}
	}
	if g.err != nil {
		// It fails if SQLite has rolled back already, which is as well.
		_, _ = db.stmts.exec(ctx, "ROLLBACK")
	} else {
		db.commits.Add(1)
		db.writes.Add(int64(done))
	}
	db.flusher.groups <- g
}

// join gives the next job of a group of n. It gives none, and has the flusher
// to itself, once that is free and no job waits, or it is late, or the group is
// full. While the last group is on its way to the disk, this one could only wait.
func (db *DB) join(n int, late bool) *job {
	if n >= maxGroup {
		<-db.flusher.free
		return nil
	}
	if late {
		select {
		case <-db.flusher.free:
			return nil
		default:
		}
	}
	if j := db.next(); j != nil {
		return j
	}
	select {
	case j := <-db.queue:
		return j
	case <-db.flusher.free:
		return nil
	}
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
