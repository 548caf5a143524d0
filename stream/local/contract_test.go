package local_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/stream"
	"github.com/qrie-sec/qrie/stream/local"
	"github.com/qrie-sec/qrie/stream/streamtest"
)

var harness = streamtest.Harness{
	New: func(t *testing.T) string { return filepath.Join(t.TempDir(), "qrie.db") },
	Open: func(ctx context.Context, address string) (stream.Stream, error) {
		return openFile(ctx, address, local.Options{
			LeaseTime:     1500 * time.Millisecond,
			DrainTimeout:  2 * time.Second,
			MaxUnfinished: 1500,
		})
	},
	LeaseTime:     1500 * time.Millisecond,
	DrainTimeout:  2 * time.Second,
	MaxUnfinished: 1500,
}

func TestMain(m *testing.M) { streamtest.Main(m, harness) }

func TestContract(t *testing.T) { streamtest.Run(t, harness) }

// file is a stream that closes its database with itself.
type file struct {
	*local.Stream
	db *sqlite.DB
}

func openFile(ctx context.Context, path string, opts local.Options) (*file, error) {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	s, err := local.Open(ctx, db, opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &file{s, db}, nil
}

func (f *file) Close() error { return errors.Join(f.Stream.Close(), f.db.Close()) }
