package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/qrie-sec/qrie/sqlite"
)

// A test that needs a second process starts this binary again with these
// arguments: child, what to do, the file, and a number.
const childArg = "sqlite-child"

func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == childArg {
		n, err := strconv.Atoi(os.Args[4])
		if err == nil {
			err = child(os.Args[2], os.Args[3], n)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func child(what, path string, n int) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx, "test", schema); err != nil {
		return err
	}
	switch what {
	case "open":
		return db.Close()
	case "write": // n at a time until killed; prints what is acknowledged
		for w := range n {
			go func() {
				for i := 0; ; i++ {
					label := fmt.Sprintf("%d-%d", w, i)
					if err := insert(ctx, db, label); err != nil {
						fmt.Fprintln(os.Stderr, err)
						os.Exit(1)
					}
					fmt.Println(label)
				}
			}()
		}
		select {}
	}
	return fmt.Errorf("unknown role %q", what)
}

// start runs a child and returns its standard output, line by line. It is
// killed at the end of the test.
func start(tb testing.TB, what, path string, n int) (*exec.Cmd, *bufio.Scanner) {
	tb.Helper()
	cmd := exec.Command(os.Args[0], childArg, what, path, strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd, bufio.NewScanner(out)
}

var schema = []string{`
CREATE TABLE items (id INTEGER PRIMARY KEY, label TEXT UNIQUE, data BLOB);
CREATE INDEX items_label ON items (label);
`}

func open(tb testing.TB) *sqlite.DB {
	tb.Helper()
	return openAt(tb, filepath.Join(tb.TempDir(), "qrie.db"))
}

func openAt(tb testing.TB, path string) *sqlite.DB {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := db.Migrate(tb.Context(), "test", schema); err != nil {
		tb.Fatal(err)
	}
	return db
}

func insert(ctx context.Context, db *sqlite.DB, label string) error {
	return db.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO items (label) VALUES (?)", label)
		return err
	})
}

func count(tb testing.TB, db *sqlite.DB) (n int) {
	tb.Helper()
	if err := db.QueryRow(tb.Context(), "SELECT count(*) FROM items").Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}
