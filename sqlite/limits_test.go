package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func openLimits(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "qrie.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), "test", []string{"CREATE TABLE items (data BLOB)"}); err != nil {
		t.Fatal(err)
	}
	return db
}

func fill(ctx context.Context, db *DB, bytes int) error {
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO items (data) VALUES (zeroblob(?))", bytes)
		return err
	})
}

// Readers that overlap keep SQLite from ever starting its log anew.
func TestLogIsBoundedWhileReadersOverlap(t *testing.T) {
	db := openLimits(t)
	db.log.pages, db.log.limit = 256, 256
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				tx, err := db.Reader().BeginTx(context.Background(), nil)
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if err := tx.QueryRow("SELECT count(*) FROM items").Scan(&n); err != nil {
					t.Error(err)
				}
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Millisecond):
				}
				tx.Rollback()
			}
		})
	}
	const rows, size = 1000, 32 << 10 // 32 MiB
	var largest int64
	for range rows {
		if err := fill(t.Context(), db, size); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(db.path + "-wal"); err == nil {
			largest = max(largest, info.Size())
		}
	}
	cancel()
	wg.Wait()
	t.Logf("largest log: %d KiB", largest>>10)
	if largest > 16<<20 {
		t.Errorf("the log grew to %d MiB for a limit of 1 MiB", largest>>20)
	}
}

// A full disk makes SQLite undo the whole transaction. Nobody may be told
// that his part of it is durable, and the next write must work again.
func TestFullDisk(t *testing.T) {
	db := openLimits(t)
	var pages int
	if err := db.write.QueryRowContext(t.Context(), "PRAGMA max_page_count = 40").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var durable, refused int
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			err := fill(t.Context(), db, 8<<10)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				durable++
			case strings.Contains(err.Error(), "disk is full") || errors.Is(err, errGroup):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var rows int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM items").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows != durable || refused == 0 {
		t.Errorf("%d rows, %d writes said to be durable, %d refused", rows, durable, refused)
	}
	if err := db.write.QueryRowContext(t.Context(), "PRAGMA max_page_count = 100000").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if err := fill(t.Context(), db, 8<<10); err != nil {
		t.Errorf("write after space was made: %v", err)
	}
}

// The group is lost when its transaction is gone, whoever ended it.
func TestLostTransactionFailsItsGroup(t *testing.T) {
	for _, end := range []string{"COMMIT", "ROLLBACK"} {
		t.Run(end, func(t *testing.T) {
			db := openLimits(t)
			held, free := make(chan struct{}), make(chan struct{})
			results := make(chan error, 3)
			go func() {
				results <- db.Write(t.Context(), func(*Tx) error { close(held); <-free; return nil })
			}()
			<-held
			go func() {
				results <- db.Write(t.Context(), func(tx *Tx) error { _, err := tx.Exec(end); return err })
			}()
			for len(db.queue) < 1 {
				time.Sleep(time.Millisecond)
			}
			close(free)
			for range 2 {
				if err := <-results; !errors.Is(err, errGroup) {
					t.Errorf("got %v, want %v", err, errGroup)
				}
			}
			if err := fill(t.Context(), db, 10); err != nil {
				t.Errorf("the next write: %v", err)
			}
		})
	}
}

// A write that fails for what another one wrote answers no sooner than that can
// be read.
func TestFailureTellsOfWhatIsThere(t *testing.T) {
	db := openLimits(t)
	errTaken := errors.New("taken")
	held, free, slow := make(chan struct{}), make(chan struct{}), make(chan struct{})
	queued := 0
	queue := func(fn func(*Tx) error) chan error {
		answer := make(chan error, 1)
		go func() { answer <- db.Write(t.Context(), fn) }()
		for ; len(db.queue) < queued; time.Sleep(time.Millisecond) {
		}
		queued++
		return answer
	}
	holder := queue(func(*Tx) error { close(held); <-free; return nil })
	<-held
	first := queue(func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO items (data) VALUES ('x')")
		return err
	})
	second := queue(func(tx *Tx) error {
		var n int
		if err := tx.QueryRow("SELECT count(*) FROM items").Scan(&n); err != nil || n == 0 {
			return fmt.Errorf("%d rows: %w", n, err)
		}
		return errTaken
	})
	third := queue(func(*Tx) error { <-slow; return nil })
	close(free)
	var err error
	select {
	case err = <-second:
		close(slow)
	case <-time.After(50 * time.Millisecond):
		close(slow)
		err = <-second
	}
	var n int
	if read := db.QueryRow(t.Context(), "SELECT count(*) FROM items").Scan(&n); read != nil || n != 1 || !errors.Is(err, errTaken) {
		t.Errorf("answered %v, and %d rows are to be seen (%v)", err, n, read)
	}
	if err := errors.Join(<-holder, <-first, <-third); err != nil {
		t.Error(err)
	}
}

func TestExplain(t *testing.T) {
	plain := errors.New("plain")
	if got := explain(plain); got != plain {
		t.Errorf("explain changed an error that is not SQLite's: %v", got)
	}
	if got := explain(nil); got != nil {
		t.Error(got)
	}
	db := openLimits(t)
	_, err := db.reads.exec(t.Context(), "INSERT INTO items VALUES (1)")
	if got := fmt.Sprint(explain(err)); !strings.Contains(got, "cannot be opened for writing") {
		t.Errorf("a write on a read connection: %q", got)
	}
}

// What the disk did not take is not acknowledged, nor is anything after it:
// nobody knows what of it is there.
func TestDiskThatFailsIsNotTrustedAgain(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "qrie.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), "test", []string{"CREATE TABLE items (data BLOB)"}); err != nil {
		t.Fatal(err)
	}
	log := db.flusher.log
	read, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	db.flusher.log = read // to sync it is an error
	for range 2 {
		if err := fill(t.Context(), db, 1); err == nil || !strings.Contains(err.Error(), "the disk did not take") {
			t.Errorf("got error %v", err)
		}
		db.flusher.log = log
	}
}
