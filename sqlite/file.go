package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// applicationID marks a file as qrie's: the letters "qrie".
const applicationID = 0x71726965

// Offsets in the header of an SQLite file (sqlite.org/fileformat2.html, 1.3).
const (
	headerBytes    = 100
	schemaCookieAt = 40
	applicationAt  = 68
)

const sqliteMagic = "SQLite format 3\x00"

// checkFile refuses a file of another program before SQLite opens it, because
// opening switches its journal mode, which is kept in the file. A file that
// is absent is created, for the owner alone: findings are not for everybody.
func checkFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer f.Close()
	head := make([]byte, headerBytes)
	n, err := io.ReadFull(f, head)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("open database: %w", err)
	case n < headerBytes || string(head[:len(sqliteMagic)]) != sqliteMagic:
		return fmt.Errorf("%s is not a qrie database: it does not begin as an SQLite file; move it away or choose another data directory", path)
	}
	id := binary.BigEndian.Uint32(head[applicationAt:])
	used := binary.BigEndian.Uint32(head[schemaCookieAt:]) != 0
	if id != applicationID && (id != 0 || used) {
		return foreign(path)
	}
	return nil
}

func foreign(path string) error {
	return fmt.Errorf("%s is an SQLite database of another program; choose another data directory", path)
}

// claimFile asks again through SQLite, which also sees what the log holds and
// notices damage, and writes the mark into a new file.
func (db *DB) claimFile(ctx context.Context) error {
	var id, tables int64
	err := db.write.QueryRowContext(ctx, "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)").Scan(&id, &tables)
	if err != nil {
		return fmt.Errorf("open %s: %w", db.path, explain(err))
	}
	if id != applicationID && (id != 0 || tables > 0) {
		return foreign(db.path)
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
// leads from version i to i+1. All steps that lack are one transaction. A file
// that a newer qrie has written is refused. Call it before the first Write.
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
