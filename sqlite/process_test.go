package sqlite_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A process is killed while it writes as fast as it can: what it had been
// told is durable is there.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qrie.db")
	acknowledged := map[string]bool{}
	for round := range 3 {
		cmd, out := start(t, "write", path, 8)
		for n := 0; n < 300 && out.Scan(); n++ {
			acknowledged[out.Text()] = true
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for out.Scan() { // what it said before it died
			acknowledged[out.Text()] = true
		}
		_ = cmd.Wait()
		if round == 0 && len(acknowledged) < 300 {
			t.Fatalf("the child acknowledged %d writes only", len(acknowledged))
		}
		db := openAt(t, path)
		for label := range acknowledged {
			var found int
			if err := db.QueryRow(t.Context(), "SELECT count(*) FROM items WHERE label = ?", label).Scan(&found); err != nil {
				t.Fatal(err)
			}
			if found != 1 {
				t.Fatalf("round %d: acknowledged write %s is there %d times", round, label, found)
			}
		}
		var verdict string
		if err := db.QueryRow(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
			t.Fatalf("integrity check: %q, %v", verdict, err)
		}
		// The next child uses the same labels.
		if _, err := write(t, db, "DELETE FROM items"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		clear(acknowledged)
	}
}

// Several processes come to a new file at the same moment.
func TestProcessesOpenANewFileTogether(t *testing.T) {
	for range 3 {
		path := filepath.Join(t.TempDir(), "qrie.db")
		var wg sync.WaitGroup
		for range 4 {
			cmd, _ := start(t, "open", path, 0)
			wg.Go(func() {
				if err := cmd.Wait(); err != nil {
					t.Errorf("a child could not open the file: %v", err)
				}
			})
		}
		wg.Wait()
	}
}

// A process that writes without a pause does not lock another one out.
func TestProcessesTakeTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qrie.db")
	db := openAt(t, path)
	_, out := start(t, "write", path, 64)
	if !out.Scan() {
		t.Fatal("the child wrote nothing")
	}
	go func() {
		for out.Scan() {
		}
	}()
	var worst time.Duration
	for i := range 20 {
		began := time.Now()
		if err := insert(t.Context(), db, "ours-"+string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
		worst = max(worst, time.Since(began))
	}
	t.Logf("longest of 20 writes beside a process that never pauses: %v", worst)
	if worst > 3*time.Second {
		t.Errorf("a write waited %v for the other process", worst)
	}
}
