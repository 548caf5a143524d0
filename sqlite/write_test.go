package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/qrie-sec/qrie/sqlite"
)

func write(tb testing.TB, db *sqlite.DB, query string, args ...any) (n int64, err error) {
	tb.Helper()
	err = db.Write(tb.Context(), func(tx *sqlite.Tx) error {
		res, err := tx.Exec(query, args...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

// hold keeps the writer busy until the returned function is called, so that
// what is written meanwhile waits together.
func hold(tb testing.TB, db *sqlite.DB) (release func()) {
	tb.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := db.Write(context.Background(), func(*sqlite.Tx) error {
			close(held)
			<-free
			return nil
		}); err != nil {
			tb.Error(err)
		}
	})
	<-held
	return func() { close(free); wg.Wait() }
}

func TestWaitingWritesShareACommit(t *testing.T) {
	db := open(t)
	before, _ := db.Commits()
	release := hold(t, db)
	var wg sync.WaitGroup
	var asked atomic.Int32
	for i := range 100 {
		wg.Go(func() {
			asked.Add(1)
			if err := insert(t.Context(), db, fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		})
	}
	for asked.Load() < 100 {
	}
	release()
	wg.Wait()
	if got := count(t, db); got != 100 {
		t.Errorf("%d rows, want 100", got)
	}
	after, _ := db.Commits()
	if got := after - before; got > 50 {
		t.Errorf("%d commits for 101 writes", got)
	}
}

// Every kind of failure sits among writes that succeed, in one group.
func TestAFailedWriteUndoesItselfAlone(t *testing.T) {
	db := open(t)
	boom := errors.New("boom")
	insertThen := func(label string, then func(tx *sqlite.Tx) error) func(*sqlite.Tx) error {
		return func(tx *sqlite.Tx) error {
			if _, err := tx.Exec("INSERT INTO items (label) VALUES (?)", label); err != nil {
				return err
			}
			return then(tx)
		}
	}
	fails := map[string]struct {
		fn   func(*sqlite.Tx) error
		want func(error) bool
	}{
		"error": {
			insertThen("bad-error", func(*sqlite.Tx) error { return boom }),
			func(err error) bool { return errors.Is(err, boom) },
		},
		"panic": {
			insertThen("bad-panic", func(*sqlite.Tx) error { panic("oh") }),
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "BUG: panic in a write: oh") },
		},
		"constraint": {
			insertThen("bad-constraint", func(tx *sqlite.Tx) error {
				_, err := tx.Exec("INSERT INTO items (label) VALUES ('bad-constraint')")
				return err
			}),
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "UNIQUE") },
		},
		"syntax": {
			insertThen("bad-syntax", func(tx *sqlite.Tx) error {
				_, err := tx.Exec("INSERT INTO nowhere VALUES (1)")
				return err
			}),
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "nowhere") },
		},
		"rows left open": {
			insertThen("bad-rows", func(tx *sqlite.Tx) error {
				rows, err := tx.Query("SELECT id FROM items")
				if err != nil {
					return err
				}
				rows.Next()
				return boom
			}),
			func(err error) bool { return errors.Is(err, boom) },
		},
	}
	release := hold(t, db)
	var wg sync.WaitGroup
	for name, f := range fails {
		for i := range 5 {
			wg.Go(func() {
				if err := insert(t.Context(), db, fmt.Sprintf("good-%s-%d", name, i)); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := db.Write(t.Context(), f.fn); !f.want(err) {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	release()
	wg.Wait()
	var good, bad int
	if err := db.QueryRow(t.Context(), "SELECT sum(label LIKE 'good%'), sum(label LIKE 'bad%') FROM items").Scan(&good, &bad); err != nil {
		t.Fatal(err)
	}
	if good != 25 || bad != 0 {
		t.Errorf("%d good rows and %d of failed writes, want 25 and 0", good, bad)
	}
}

func TestCancelledWrite(t *testing.T) {
	t.Run("before it began", func(t *testing.T) {
		db := open(t)
		release := hold(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		queued := make(chan error, 1)
		go func() { queued <- insert(ctx, db, "late") }()
		cancel()
		// It returns although the writer is still held.
		if err := <-queued; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		release()
		if got := count(t, db); got != 0 {
			t.Errorf("a cancelled write left %d rows", got)
		}
	})
	t.Run("after it began", func(t *testing.T) {
		db := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := db.Write(ctx, func(tx *sqlite.Tx) error {
			cancel()
			_, err := tx.Exec("INSERT INTO items (label) VALUES ('x')")
			return err
		})
		if err != nil || count(t, db) != 1 {
			t.Errorf("error %v, %d rows; want the outcome of the commit", err, count(t, db))
		}
	})
}

func TestRowsLeftOpenAreClosed(t *testing.T) {
	db := open(t)
	for i := range 3 {
		if err := insert(t.Context(), db, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	var left *sql.Rows
	if err := db.Write(t.Context(), func(tx *sqlite.Tx) (err error) {
		left, err = tx.Query("SELECT id FROM items")
		left.Next()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if left.Next() {
		t.Error("rows of a finished write still give rows")
	}
}

func TestClose(t *testing.T) {
	db := open(t)
	release := hold(t, db)
	queued := make(chan error, 1)
	go func() { queued <- insert(t.Context(), db, "queued") }()
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- db.Close() }()
	}
	select {
	case err := <-closed:
		t.Fatalf("Close returned (%v) while a write ran", err)
	default:
	}
	release()
	for range 2 {
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}
	// Which of the two came first is open; what it heard must be so.
	switch err := <-queued; {
	case err != nil && !errors.Is(err, sqlite.ErrClosed):
		t.Errorf("queued write: %v", err)
	}
	if err := insert(t.Context(), db, "later"); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("write after Close: %v, want ErrClosed", err)
	}
}
