package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/qrie-sec/qrie/sqlite"
)

// dataDir is the one directory of an embedded installation:
//
//	qrie.db   stream and store
//	secret    the key that signs page tokens and sessions, readable by its owner only
//	demo.log  what was done to the simulated organisation, with --demo
type dataDir struct{ path string }

// defaultDataDir is where data lives unless --data says otherwise.
func defaultDataDir(demo bool) string {
	base, err := os.UserHomeDir()
	if err != nil {
		base = "."
	}
	name := "data"
	if demo {
		name = "demo"
	}
	return filepath.Join(base, ".local", "share", "qrie", name)
}

// openDataDir makes the directory if need be.
func openDataDir(path string) (dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return dataDir{}, fmt.Errorf("make the data directory: %w", err)
	}
	return dataDir{path}, nil
}

// existingDataDir refuses a directory that no qrie has used.
func existingDataDir(path string) (dataDir, error) {
	dir := dataDir{path}
	if _, err := os.Stat(dir.file("qrie.db")); err != nil {
		return dir, fmt.Errorf("no qrie data in %s: start 'qrie up' once, or name its directory with --data", path)
	}
	return dir, nil
}

func (d dataDir) file(name string) string { return filepath.Join(d.path, name) }

func (d dataDir) database(ctx context.Context) (*sqlite.DB, error) {
	return sqlite.Open(ctx, d.file("qrie.db"))
}

// secret reads the signing key and makes one the first time.
func (d dataDir) secret() ([]byte, error) {
	path := d.file("secret")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key := make([]byte, 32)
		rand.Read(key) // never fails: it would rather end the program
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, fmt.Errorf("write the signing key: %w", err)
		}
		_, err = f.WriteString(hex.EncodeToString(key) + "\n")
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return nil, fmt.Errorf("write the signing key: %w", err)
		}
		return key, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%s does not hold a key of 32 bytes in hexadecimal; remove it to get a new one (sessions and page tokens end)", path)
	}
	return key, nil
}
