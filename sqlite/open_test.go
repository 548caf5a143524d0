package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qrie-sec/qrie/sqlite"
)

func TestOpenRefuses(t *testing.T) {
	f := func(name string, prepare func(t *testing.T, path string), want string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "qrie.db")
			prepare(t, path)
			before, _ := os.ReadFile(path)
			db, err := sqlite.Open(t.Context(), path)
			if err == nil {
				db.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
	put := func(data []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	f("text", put([]byte("hello, this is no database, but a text that is longer than a header of one hundred bytes would be.....")),
		"does not begin as an SQLite file")
	f("short text", put([]byte("hello")), "does not begin as an SQLite file")
	f("header cut off", put([]byte("SQLite format 3\x00")), "does not begin as an SQLite file")
	other := func(statements ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range statements {
				if _, err := db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	f("tables of another program", other("CREATE TABLE t (x)"), "another program")
	f("mark of another program", other("PRAGMA application_id = 7", "CREATE TABLE t (x)"), "another program")
	f("damaged schema", func(t *testing.T, path string) {
		if err := openAndClose(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copy(data[100:], bytes.Repeat([]byte{0xff}, 900))
		put(data)(t, path)
	}, "the database file is damaged; restore it")
	f("folder in its place", func(t *testing.T, path string) {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}, "is a directory")
}

func openAndClose(ctx context.Context, path string) error {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	return db.Close()
}

func TestOpenMissingFolder(t *testing.T) {
	err := openAndClose(t.Context(), filepath.Join(t.TempDir(), "absent", "qrie.db"))
	if err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("got %v", err)
	}
}

func TestOpenAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd #1 ?a=b %41 ö")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "qrie.db")
	for i := range 3 {
		db := openAt(t, path)
		if got := count(t, db); got != i {
			t.Fatalf("opened for the %d. time: %d rows", i+1, got)
		}
		if err := insert(t.Context(), db, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o, want 600: findings are not for everybody", mode)
	}
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qrie.db")
	db := openAt(t, path)
	steps := []string{"CREATE TABLE a (x); INSERT INTO a VALUES (1);", "ALTER TABLE a ADD COLUMN y DEFAULT 2"}
	for _, n := range []int{1, 2, 2} {
		if err := db.Migrate(t.Context(), "a", steps[:n]); err != nil {
			t.Fatalf("%d steps: %v", n, err)
		}
	}
	var x, y int
	if err := db.QueryRow(t.Context(), "SELECT x, y FROM a").Scan(&x, &y); err != nil || x != 1 || y != 2 {
		t.Errorf("%d, %d, %v; want 1, 2: each step once", x, y, err)
	}

	t.Run("a file of a newer version", func(t *testing.T) {
		err := db.Migrate(t.Context(), "a", steps[:1])
		if err == nil || !strings.Contains(err.Error(), "written by a newer qrie (a schema 2, this one knows 1)") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a step that fails", func(t *testing.T) {
		err := db.Migrate(t.Context(), "b", []string{"CREATE TABLE b (x)", "CREATE TABLE c (x); nonsense"})
		if err == nil || !strings.Contains(err.Error(), "migrate b to schema 2") {
			t.Fatalf("got %v", err)
		}
		var n int
		if err := db.QueryRow(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE name IN ('b', 'c')").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d tables of a migration that failed, %v", n, err)
		}
	})
}
